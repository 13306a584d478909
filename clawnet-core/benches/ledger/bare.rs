//! What the figures are compared with: no ledger, only the work that none can do without.
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Instant,
};

use clawnet_core::Store;
use futures::{channel::oneshot, executor::block_on};
use sha2::{Digest as _, Sha256};

use crate::books::Books;

/// 300 bytes that do not repeat.
pub(crate) fn payload(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; 300];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// An append-only file: one thread writes what waits, flushes once, and tells everybody.
pub(crate) struct Log(Sender<Waiting>);

impl Log {
    pub(crate) fn create(path: &Path) -> Self {
        let file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        let (sender, receiver) = channel();
        std::thread::spawn(move || commit(file, &receiver));
        Self(sender)
    }

    pub(crate) async fn write(&self, nth: u8, on: &AtomicBool) -> u64 {
        let mut done = 0;
        while on.load(Ordering::Relaxed) {
            let (sender, receiver) = oneshot::channel();
            self.0.send((payload(done + u64::from(nth)), sender)).unwrap();
            receiver.await.unwrap();
            done += 1;
        }
        done
    }
}

fn commit(mut file: File, waiting: &Receiver<Waiting>) {
    while let Ok(first) = waiting.recv() {
        let all: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let bytes: Vec<u8> = all.iter().flat_map(|(bytes, _)| bytes).copied().collect();
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        for (_, sender) in all {
            _ = sender.send(());
        }
    }
}

/// Records a second whose bytes are only hashed, once for a chain (BLAKE3 over a header of 64 bytes
/// and the payload) and once for a tree (SHA-256 over a leaf of 41 bytes and a node of 65).
pub(crate) fn hash_rate(books: &Books) -> f64 {
    let mut frames = Vec::new();
    while frames.len() < 100_000 {
        let next = frames.len() as u64 + 1;
        frames.extend(block_on(books.store.read(books.log(), next, 4 << 20)).unwrap());
    }
    let started = Instant::now();
    let (mut chain, mut leaf) = ([0; 32], [0; 32]);
    for frame in &frames {
        let mut hasher = blake3::Hasher::new_keyed(&chain);
        hasher.update(&[0; 64]).update(&frame.payload);
        chain = *hasher.finalize().as_bytes();
        leaf = Sha256::new().chain_update([0; 9]).chain_update(chain).finalize().into();
        leaf = Sha256::new().chain_update([1; 33]).chain_update(leaf).finalize().into();
    }
    std::hint::black_box(leaf);
    frames.len() as f64 / started.elapsed().as_secs_f64()
}
