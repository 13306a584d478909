//! What the ledger costs: on disk, in memory, to verify, to prove, to ask. Prints `name value unit`.
//!
//! `cargo bench -p clawnet-core --bench ledger [-- NAME...]` runs all, or those whose name begins
//! so. Everything takes about three minutes and, for ten million records, some 6 GB of disk.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock and files")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded when printed")]
#![expect(clippy::indexing_slicing, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::{
    fs,
    hint::black_box,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clawnet_core::{
    Batch, Digest, Durability, Export, Frame, Head, InclusionProof, LocalStore, OwnerId, Query,
    Signer, SoftwareKey, Store, TreeHash,
};
use futures::{executor::block_on, future::join_all};

mod bare;
mod books;

use books::{Books, RESOURCES};

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runs = |names: &[&str]| {
        let named = |want: &String| names.iter().any(|name| name.starts_with(want.as_str()));
        wanted.is_empty() || wanted.iter().any(named)
    };
    if runs(&["append_64"]) {
        append();
    }
    if runs(&["check_proof"]) {
        check_proof();
    }
    if runs(&["growth_1k", "growth_1m"]) {
        growth();
    }
    let large = runs(&["rss_append", "prove_10m"]);
    if large || runs(&["space", "verify", "query", "rss_export"]) {
        ledger(large);
    }
}

fn print(name: &str, value: f64, unit: &str) {
    let digits = if value < 100.0 { 2 } else { 0 };
    println!("{name} {value:.digits$} {unit}");
}

/// Durable appends of 300 bytes by 64 writers, chained as the ledger chains them, against a bare
/// file that also shares its flushes.
fn append() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (store, _) = LocalStore::open(&folder.path().join("store")).unwrap();
    let bare = bare::Log::create(&folder.path().join("bare"));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        theirs.push(rate(|nth, on| bare.write(nth, on)));
        ours.push(rate(|nth, on| write(&store, nth, on)));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    print("append_64", ours, "records/s");
    print("append_64_bare", theirs, "records/s");
    print("append_64_ratio", ours / theirs, "x");
}

/// One writer with a log of its own: a record after the other, each durable before the next.
async fn write(store: &LocalStore, nth: u8, on: &AtomicBool) -> u64 {
    let log = SoftwareKey::from_secret(&[nth; 32]).public_key().owner();
    let mut head = store.head(log).await.unwrap();
    let mut done = 0;
    while on.load(Ordering::Relaxed) {
        let frame = frame_after(log, head);
        let next = Head::after(&frame);
        let batch = Batch::from_iter([frame]);
        store.append(log, head, batch, Durability::Durable).await.unwrap();
        head = next;
        done += 1;
    }
    done
}

fn frame_after(log: OwnerId, head: Head) -> Frame {
    let payload: Arc<[u8]> = bare::payload(head.sequence).into();
    let mut hasher = blake3::Hasher::new_keyed(head.hash.as_bytes());
    hasher.update(log.as_bytes()).update(&[0; 48]).update(&payload);
    Frame::new(head.sequence + 1, Digest::from_bytes(*hasher.finalize().as_bytes()), payload)
}

/// Records a second that 64 writers get done together in two seconds.
fn rate<F: Future<Output = u64>>(write: impl Fn(u8, &'static AtomicBool) -> F) -> f64 {
    let on: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(true)));
    let started = Instant::now();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        on.store(false, Ordering::Relaxed);
    });
    let done: u64 = block_on(join_all((0..64).map(|nth| write(nth, on)))).into_iter().sum();
    stopper.join().unwrap();
    done as f64 / started.elapsed().as_secs_f64()
}

/// An inclusion proof checked under a root that is trusted already, in a tree of 2^24 records.
fn check_proof() {
    let mut path = Vec::new();
    let mut node = TreeHash::leaf(1, Digest::ZERO);
    for _ in 0..24 {
        path.push(node);
        node = TreeHash::node(&node, &node);
    }
    let proof = InclusionProof::new(1, 1 << 24, path);
    let cost = least(50, || {
        let started = Instant::now();
        for _ in 0..1000 {
            black_box(&proof).verify(Digest::ZERO, &node).unwrap();
        }
        nanos(started) / 1000.0
    });
    print("check_proof", cost / 1000.0, "us");
}

/// How the ledger stands and that it goes on from eight records ago, as it is told once a turn: where
/// all of it is known to be on disk, and where some records that merely observe came after.
fn growth() {
    for (name, records) in [("growth_1k", 1000), ("growth_1m", 1_000_000)] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut books = Books::open(&folder.path().join("store"));
        books.write_until(records);
        let (mut level, mut behind) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            block_on(books.kernel.checkpoint()).unwrap();
            let size = books.kernel.head().sequence;
            for costs in [&mut level, &mut behind] {
                let started = Instant::now();
                let growth = block_on(books.kernel.growth(size - 8)).unwrap();
                costs.push(nanos(started));
                assert_eq!((growth.size, growth.path.unwrap().from()), (size, size - 8));
                books.write_until(books.kernel.head().sequence + 6);
            }
        }
        let most = level.iter().copied().fold(0.0, f64::max);
        print(name, median(level), "ns");
        print(&format!("{name}_max"), most, "ns");
        print(&format!("{name}_behind"), median(behind), "ns");
    }
}

/// A ledger of a million records on disk, and then of ten.
fn ledger(large: bool) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("store");
    let mut books = Books::open(&path);
    books.write_until(100_000);
    let before = rss_mib();
    books.write_until(1_000_000);
    books.close();
    let books = Books::open(&path);
    verify(&books);
    query(&books);
    export(&books);
    drop(books);
    space(&path);
    if !large {
        return;
    }
    let mut books = Books::open(&path);
    books.write_until(1_100_000);
    let before = before.min(rss_mib());
    let started = Instant::now();
    books.write_until(10_000_000);
    print("append_buffered", 8_900_000.0 / started.elapsed().as_secs_f64(), "records/s");
    print("rss_append_growth", rss_mib() - before, "MiB");
    prove(&books);
}

/// Bytes on disk for everything that is kept, indexes too, to the bytes of the frames.
fn space(path: &Path) {
    let books = Books::open(path);
    let (mut frames, mut records, mut next) = (0_u64, 0_u64, 1);
    loop {
        let read = block_on(books.store.read(books.log(), next, 4 << 20)).unwrap();
        let Some(last) = read.last() else { break };
        next = last.sequence + 1;
        records += read.len() as u64;
        // A frame is its sequence, its hash and its payload.
        frames += read.iter().map(|frame| 40 + frame.payload.len() as u64).sum::<u64>();
    }
    drop(books);
    print("space_per_record", frames as f64 / records as f64, "bytes");
    print("space_index", size_bytes(&path.join("index")) as f64 / records as f64, "bytes/record");
    print("space_ratio", size_bytes(path) as f64 / frames as f64, "x");
}

fn size_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).unwrap();
    if !metadata.is_dir() {
        return metadata.blocks() * 512;
    }
    fs::read_dir(path).unwrap().map(|entry| size_bytes(&entry.unwrap().path())).sum()
}

/// The chain, the tree and every signature, from the disk; against the same hashing of bytes that
/// lie in memory.
fn verify(books: &Books) {
    let (mut rates, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        bare.push(bare::hash_rate(books));
        let started = Instant::now();
        let found = block_on(books.kernel.verify()).unwrap();
        assert!(found.damage.is_none() && found.checkpoints > 900, "{found}");
        rates.push(found.records as f64 / started.elapsed().as_secs_f64());
    }
    let (rate, bare) = (median(rates), median(bare));
    print("verify_full", rate, "records/s");
    print("verify_bare", bare, "records/s");
    print("verify_ratio", rate / bare, "x");
}

/// The last fifty records of one resource.
fn query(books: &Books) {
    // The first question of a kernel finds what was written last and is not in the index yet.
    let started = Instant::now();
    block_on(books.owner.query(&Query::new().resource(&books.resources[0]), 50)).unwrap();
    print("query_first", nanos(started) / 1e6, "ms");
    let costs = (0..200).map(|nth| {
        let query = Query::new().resource(&books.resources[(nth * 37) % RESOURCES]);
        let started = Instant::now();
        let page = block_on(books.owner.query(&query, 50)).unwrap();
        let cost = nanos(started) / 1000.0;
        assert_eq!(page.deeds.len(), 50);
        cost
    });
    print("query_1m", median(costs.collect()), "us");
}

/// A million records exported as JSON lines to nowhere.
fn export(books: &Books) {
    let before = rss_mib();
    let started = Instant::now();
    let export = Export::json_lines();
    block_on(books.owner.export(&mut std::io::sink(), export, |_| ())).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    print("export", books.kernel.head().sequence as f64 / seconds, "records/s");
    print("rss_export_growth", rss_mib() - before, "MiB");
}

/// Inclusion proofs of records all over a ledger of ten million.
fn prove(books: &Books) {
    let checkpoint = block_on(books.kernel.checkpoint()).unwrap();
    let size = checkpoint.checkpoint().size;
    let costs = (0..500_u64).map(|nth| {
        let sequence = 1 + (nth * 7_919_317) % size;
        let started = Instant::now();
        let proof = block_on(books.kernel.prove(sequence, &checkpoint)).unwrap();
        let cost = nanos(started) / 1000.0;
        assert_eq!(proof.size(), size);
        cost
    });
    print("prove_10m", median(costs.collect()), "us");
}

fn rss_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn nanos(started: Instant) -> f64 {
    started.elapsed().as_nanos() as f64
}

fn least(rounds: usize, round: impl FnMut() -> f64) -> f64 {
    std::iter::repeat_with(round).take(rounds).fold(f64::INFINITY, f64::min)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
