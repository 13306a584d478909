//! Keeping a state, which a key has to vouch for.
use clawnet_core::{CheckpointError, Kernel, Owner, Signer as _, SoftwareKey};

/// The key the kernels of tests sign with.
#[must_use]
pub fn kernel_key() -> SoftwareKey {
    SoftwareKey::from_secret(&[99; 32])
}

/// Keeps the state of `kernel`, whose key `owner` certifies if that was not done before.
pub async fn keep(kernel: &Kernel, owner: &Owner) -> Result<u64, CheckpointError> {
    kernel.sign_with(kernel_key());
    match kernel.snapshot().await {
        Err(CheckpointError::NotCertified(_)) => {}
        done => return done,
    }
    // What goes wrong with this goes wrong with the next as well.
    drop(owner.certify(kernel_key().public_key()).await);
    kernel.snapshot().await
}
