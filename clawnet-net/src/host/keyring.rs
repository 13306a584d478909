//! What the application brings: whom a host is for.
use clawnet_core::{OwnerId, PublicKey, SoftwareKey};

/// Who is hosted, and with which keys.
///
/// **Promises** the implementor makes: answers are quick, since they are asked for each frame that
/// comes and for whoever it names; and an owner who is not hosted costs no more than one who is.
/// Keep the names in memory.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say who is hosted",
    note = "implement `Keyring`: for each owner, the key their ledger began with, and their \
            kernel's key"
)]
pub trait Keyring: Send + Sync + 'static {
    /// The key `owner`'s ledger began with. None if they are not hosted here.
    fn founder(&self, owner: OwnerId) -> Option<PublicKey>;

    /// The key of `owner`'s kernel, which they certified: asked when their kernel is opened. It is
    /// the kernel's, and can decide nothing.
    fn kernel_key(&self, owner: OwnerId) -> Option<SoftwareKey>;
}
