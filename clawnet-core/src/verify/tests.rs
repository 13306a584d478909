use futures::executor::block_on;

use super::*;
use crate::{
    kernel::Kernel,
    key::{Signer as _, SoftwareKey},
    store::{MemoryStore, Store},
    time::{ManualClock, Timestamp},
};

fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

/// A ledger of acts and checkpoints, of at least so many bytes.
async fn ledger(size_bytes_min: usize) -> Vec<Frame> {
    let store = std::sync::Arc::new(MemoryStore::new());
    let clock = ManualClock::at(Timestamp::from_millis(1000));
    let governing = Kernel::governing(key(1).public_key());
    let kernel = governing.open_shared(store.clone(), clock).await.unwrap();
    let owner = kernel.owner(key(1)).await.unwrap();
    owner.certify(key(2).public_key()).await.unwrap();
    kernel.sign_with(key(2));
    loop {
        let identity = owner.identity("somebody").await.unwrap();
        owner.bind(identity, "agent", "here").await.unwrap();
        kernel.checkpoint().await.unwrap();
        let frames = store.read(kernel.owner_id(), 1, usize::MAX).await.unwrap();
        if frames.iter().map(size_bytes).sum::<usize>() >= size_bytes_min {
            return frames;
        }
    }
}

/// A frame is its sequence, its hash and its payload.
fn size_bytes(frame: &Frame) -> usize {
    8 + 32 + frame.payload.len()
}

fn flipped(frame: &Frame, bit: usize) -> Frame {
    let mut bytes = [&frame.sequence.to_le_bytes(), frame.hash.as_bytes().as_slice()].concat();
    bytes.extend(&*frame.payload);
    bytes[bit / 8] ^= 1 << (bit % 8);
    let sequence = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let hash = Digest::from_bytes(bytes[8..40].try_into().unwrap());
    Frame::new(sequence, hash, bytes[40..].into())
}

#[test]
fn every_bit_of_64_kib_is_missed_where_it_was() {
    const BITS: usize = 64 * 1024 * 8;
    let frames = block_on(ledger(BITS / 8));
    let mut verifier = Verifier::new(key(1).public_key());
    let (mut tried, mut found) = (0, 0);
    'frames: for frame in &frames {
        for bit in 0..size_bytes(frame) * 8 {
            if tried == BITS {
                break 'frames;
            }
            tried += 1;
            let said = verifier.clone().check(&flipped(frame, bit));
            found += usize::from(said.is_err_and(|damage| damage.sequence == frame.sequence));
        }
        verifier.check(frame).unwrap();
    }
    println!("{found} of {tried} flipped bits found, each at its record");
    assert_eq!((tried, found), (BITS, BITS));
}
