//! Changing: what it costs that everything can be undone.
use std::{hint::black_box, io::Write as _, path::Path, time::Instant};

use clawnet_core::{Limits, LocalStore, MemoryStore, Store};
use clawnet_fs::{Delete, Durability, Write};
use futures::executor::block_on;

use crate::bench::{Bench, in_turns, micros, path, print};

/// 4 KiB against a temporary file and a rename, which keep nothing.
pub(crate) fn overwrite() {
    let bench = Bench::in_memory(MemoryStore::new());
    let content = vec![b'x'; 4096];
    bench.work.write("file", &content).unwrap();
    bench.work.write("other", &content).unwrap();
    let write = Write::new(path("/work/file"), content.clone());
    let mut governed = || {
        black_box(bench.submit(&write));
    };
    let mut plain = || {
        bench.work.write("temporary", &content).unwrap();
        bench.work.rename("temporary", &bench.work, "other").unwrap();
    };
    let [governed, plain] = in_turns(50, [&mut governed, &mut plain]);
    print("overwrite", governed, "us");
    print("overwrite_plain", plain, "us");
    print("overwrite_ratio", governed / plain, "x");
    let disk = Path::new(env!("CARGO_TARGET_TMPDIR"));
    print("overwrite_power_ratio", power(disk, MemoryStore::new()), "x");
    let logs = tempfile::tempdir_in(disk).unwrap();
    let store = LocalStore::open(logs.path()).unwrap().0;
    print("overwrite_power_ledger_ratio", power(disk, store), "x");
}

/// The same on a disk, where file and directory are synced; `store` keeps the kernel's ledger.
fn power(disk: &Path, store: impl Store) -> f64 {
    let bench = Bench::new(disk, store, (Durability::PowerSafe, Limits::default()));
    let content = vec![b'x'; 4096];
    bench.work.write("file", &content).unwrap();
    bench.work.write("other", &content).unwrap();
    let write = Write::new(path("/work/file"), content.clone());
    let mut governed = || {
        black_box(block_on(bench.agent.submit(&bench.files, &write)).unwrap());
    };
    let directory = bench.work.open(".").unwrap();
    let mut plain = || {
        let mut file = bench.work.create("temporary").unwrap();
        file.write_all(&content).unwrap();
        file.sync_all().unwrap();
        bench.work.rename("temporary", &bench.work, "other").unwrap();
        directory.sync_all().unwrap();
    };
    let [governed, plain] = in_turns(2, [&mut governed, &mut plain]);
    governed / plain
}

/// Taking away 100 MiB against 4 KiB: a rename is a rename.
pub(crate) fn delete() {
    let bench = Bench::in_memory(MemoryStore::new());
    let mut best = [f64::INFINITY; 2];
    let sizes = [4096, 100 << 20];
    let name = |nth: u32, size: usize| format!("file{nth}-{size}");
    let rounds = 8;
    for nth in 0..rounds {
        for size in sizes {
            bench.work.write(name(nth, size), vec![b'x'; size]).unwrap();
        }
    }
    for nth in 0..rounds {
        for (size, best) in sizes.into_iter().zip(&mut best) {
            let delete = Delete::new(path(&format!("/work/{}", name(nth, size))));
            let started = Instant::now();
            black_box(bench.submit(&delete));
            *best = best.min(micros(started.elapsed()));
        }
    }
    let [small, large] = best;
    print("delete_4k", small, "us");
    print("delete_100m", large, "us");
    print("delete_large_ratio", large / small, "x");
}
