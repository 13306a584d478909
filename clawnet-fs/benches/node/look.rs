//! Looking: read, stat, list.
use std::{
    hint::black_box,
    io::Read as _,
    time::{Duration, Instant},
};

use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Limits,
    LocalStore, MemoryStore, Operation,
};
use clawnet_fs::{Durability, FsPath, List, Read, Stat};
use futures::{executor::block_on, future::join_all};

use crate::bench::{Bench, at_once, in_turns, path, print};

/// Two records each: one round has all that is due every 1024 records.
const CALLS: u32 = 512;

/// The kernel alone: what only looks, and sees nothing.
pub(crate) fn kernel() {
    let bench = Bench::in_memory(MemoryStore::new());
    let nothing = bench.kernel.mount("nothing", Nothing);
    let glance = Glance { path: path("/work/file") };
    let mut look = || at_once(bench.agent.submit(&nothing, &glance)).unwrap();
    let [governed] = in_turns(CALLS, [&mut look]);
    print("kernel_observe", governed, "us");
}

/// 4 KiB against `Dir::read`, which makes a vector too, and against a buffer that is there already.
pub(crate) fn read() {
    let bench = Bench::in_memory(MemoryStore::new());
    bench.work.write("file", vec![b'x'; 4096]).unwrap();
    let operation = Read::of(path("/work/file"));
    let mut governed = || {
        black_box(bench.submit(&operation));
    };
    let mut plain = || {
        black_box(bench.work.read("file").unwrap());
    };
    let mut buffer = vec![0; 8192];
    let mut reusing = || {
        let read = bench.work.open("file").unwrap().read(&mut buffer).unwrap();
        black_box(read);
    };
    let [governed, plain, reusing] = in_turns(CALLS, [&mut governed, &mut plain, &mut reusing]);
    print("read_4k", governed, "us");
    print("read_4k_plain", plain, "us");
    print("read_4k_plain_reusing", reusing, "us");
    print("read_4k_ratio", governed / plain, "x");
    print("read_4k_reusing_ratio", governed / reusing, "x");
    on_disk();
    print("read_4k_durable_ops", durable(), "ops/s");
}

/// The same with the ledger on a disk, and its records in groups.
fn on_disk() {
    let logs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bench = Bench::in_memory(LocalStore::open(logs.path()).unwrap().0);
    bench.work.write("file", vec![b'x'; 4096]).unwrap();
    let operation = Read::of(path("/work/file"));
    let mut governed = || {
        black_box(bench.submit(&operation));
    };
    let mut plain = || {
        black_box(bench.work.read("file").unwrap());
    };
    let [governed, plain] = in_turns(CALLS, [&mut governed, &mut plain]);
    print("read_4k_disk_ratio", governed / plain, "x");
}

/// Reads a second by 64 readers at once, where the application demands every record on the disk.
fn durable() -> f64 {
    let logs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut limits = Limits::default();
    limits.durable_reads = true;
    let store = LocalStore::open(logs.path()).unwrap().0;
    let bench = Bench::new("/dev/shm".as_ref(), store, (Durability::ProcessSafe, limits));
    bench.work.write("file", vec![b'x'; 4096]).unwrap();
    let operation = Read::of(path("/work/file"));
    let (started, limit) = (Instant::now(), Duration::from_secs(3));
    let readers = (0..64).map(|_| async {
        let mut done = 0_u32;
        while started.elapsed() < limit {
            bench.agent.submit(&bench.files, &operation).await.unwrap();
            done += 1;
        }
        done
    });
    let done: u32 = block_on(join_all(readers)).into_iter().sum();
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// What a file is, against `Dir::metadata`.
pub(crate) fn stat() {
    let bench = Bench::in_memory(MemoryStore::new());
    bench.work.write("file", vec![b'x'; 4096]).unwrap();
    let operation = Stat::of(path("/work/file"));
    let mut governed = || {
        black_box(bench.submit(&operation));
    };
    let mut plain = || {
        black_box(bench.work.metadata("file").unwrap());
    };
    let [governed, plain] = in_turns(CALLS, [&mut governed, &mut plain]);
    print("stat", governed, "us");
    print("stat_plain", plain, "us");
    print("stat_ratio", governed / plain, "x");
}

/// A thousand entries: their names, and all that is told of them.
pub(crate) fn list() {
    let bench = Bench::in_memory(MemoryStore::new());
    for nth in 0..1000 {
        bench.work.write(format!("file{:03}", nth * 7919 % 1000), "text").unwrap();
    }
    let names = List::of(path("/work")).names_only();
    let mut governed = || assert_eq!(black_box(bench.submit(&names)).entries.len(), 1000);
    let mut plain = || {
        let entries = bench.work.entries().unwrap();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(black_box(names).len(), 1000);
    };
    let details = List::of(path("/work"));
    let mut governed_details = || assert_eq!(black_box(bench.submit(&details)).entries.len(), 1000);
    let mut plain_details = || {
        let entries = bench.work.entries().unwrap().map(|entry| entry.unwrap());
        let all: Vec<_> = entries.map(|e| (e.file_name(), e.metadata().unwrap())).collect();
        assert_eq!(black_box(all).len(), 1000);
    };
    let [governed, plain, governed_details, plain_details] =
        in_turns(5, [&mut governed, &mut plain, &mut governed_details, &mut plain_details]);
    print("list_1000", governed, "us");
    print("list_1000_plain", plain, "us");
    print("list_1000_ratio", governed / plain, "x");
    print("list_1000_details", governed_details, "us");
    print("list_1000_details_plain", plain_details, "us");
    print("list_1000_details_ratio", governed_details / plain_details, "x");
}

#[derive(serde::Serialize)]
struct Glance {
    path: FsPath,
}

impl Operation for Glance {
    const KIND: &'static str = "bench.glance";
    type Output = ();
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, self.path.resource())
    }
}

struct Nothing;

impl Endpoint<Glance> for Nothing {
    fn admit(&self, _: &Glance, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Glance>) -> Result<(), Fault> {
        Ok(())
    }
}
