//! What governance costs. Prints `name value unit`, one figure a line.
//!
//! `cargo bench -p clawnet-core [-- NAME...]` runs all, or those whose name begins so.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded when printed")]
#![expect(clippy::indexing_slicing, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use clawnet_core::{
    Action, Admission, Agent, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Grant,
    Kernel, LocalStore, ManualClock, MemoryStore, Mount, Operation, Owner, Region, Resource,
    SoftwareKey, Store, Timestamp, Verdict,
};
use clawnet_core::{IdentityId, Signer};
use futures::{executor::block_on, future::join_all};

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|want| name.starts_with(want));
    if runs("decide") {
        decide();
    }
    if runs("governed") {
        governed();
    }
    if runs("durable") || runs("open") || runs("verify") {
        durable();
    }
}

fn print(name: &str, value: f64, unit: &str) {
    let digits = if value < 100.0 { 2 } else { 0 };
    println!("{name} {value:.digits$} {unit}");
}

/// Pure decisions: layer 1 on a standing policy, through the public pre-check.
fn decide() {
    let small = Bench::new(MemoryStore::new());
    let ten = decision(&small, 10);
    print("decide_10", ten, "ns");
    let large = Bench::new(MemoryStore::new());
    let many = decision(&large, 100_000);
    print("decide_100000", many, "ns");
    print("decide_flat", many / ten, "x");
    let (one, two) = (decide_rate(&large, 1), decide_rate(&large, 2));
    print("decide_threads_2", two / one, "x");
    let (ten, many) = (tree_decision(&small, 10, 8), tree_decision(&large, 100_000, 8));
    print("decide_tree_10", ten, "ns");
    print("decide_tree_100000", many, "ns");
    print("decide_tree_flat", many / ten, "x");
    print("decide_tree_asks_1000", tree_decision(&large, 10, 1000), "ns");
}

/// Nanoseconds a decision about a folder and everything beneath it, in which `asks` rules ask about
/// something else, while as many rules as `elsewhere` ask elsewhere.
fn tree_decision(bench: &Bench, elsewhere: usize, asks: usize) -> f64 {
    let (identity, agent) = bench.agent("trees");
    let rule = |name: String| (Action::Write, Region::subtree(&name).unwrap());
    let all = (0..elsewhere).map(|nth| rule(format!("fs:/tree-{nth}")));
    let within = (0..asks).map(|nth| rule(format!("fs:/tree/{nth}")));
    let rules: Vec<_> = all.chain(within).collect();
    for part in rules.chunks(Grant::RULES_MAX) {
        let part = part.iter().cloned();
        let grant = part.fold(Grant::new(), |grant, (action, region)| grant.ask(action, region));
        block_on(bench.owner.grant(identity, grant)).unwrap();
    }
    let tree: Resource = "fs:/tree".parse().unwrap();
    let read = Grant::new().allow(Action::Read, Region::Subtree(tree.clone()));
    block_on(bench.owner.grant(identity, read)).unwrap();
    assert_eq!(agent.judge_demands(&Demands::tree(Action::Read, &tree)).verdict, Verdict::Allow);
    least(15, || {
        let started = Instant::now();
        for _ in 0..10_000 {
            let demands = Demands::tree(Action::Read, black_box(&tree));
            drop(black_box(agent.judge_demands(&demands)));
        }
        nanos(started) / 10_000.0
    })
}

/// Nanoseconds a decision, over 1024 different operations.
fn decision(bench: &Bench, grants: usize) -> f64 {
    let (identity, agent) = bench.agent("work");
    bench.grants(identity, grants);
    let paths = paths(grants);
    for path in &paths {
        let judgement = agent.judge_demands(&Demands::one(Action::Read, path));
        assert_eq!(judgement.verdict, Verdict::Allow, "{path}");
    }
    least(15, || {
        let started = Instant::now();
        for _ in 0..200 {
            for path in &paths {
                let demands = Demands::one(Action::Read, black_box(path));
                drop(black_box(agent.judge_demands(&demands)));
            }
        }
        nanos(started) / (200.0 * paths.len() as f64)
    })
}

/// Decisions a second, all threads together, each with an agent and an identity of its own.
fn decide_rate(bench: &Bench, threads: usize) -> f64 {
    let agents: Vec<_> = (0..threads)
        .map(|nth| {
            let (identity, agent) = bench.agent(&format!("thread {nth}"));
            bench.grants(identity, 1000);
            agent
        })
        .collect();
    median(9, || {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for agent in &agents {
                scope.spawn(|| {
                    let paths = paths(1000);
                    for _ in 0..1000 {
                        for path in &paths {
                            let demands = Demands::one(Action::Read, black_box(path));
                            drop(black_box(agent.judge_demands(&demands)));
                        }
                    }
                });
            }
        });
        threads as f64 / started.elapsed().as_secs_f64()
    })
}

/// A whole governed operation in memory: judged, intent, effect, outcome.
fn governed() {
    let bench = Bench::new(MemoryStore::new());
    let (identity, agent) = bench.agent("work");
    bench.grants(identity, 10);
    let mount = bench.kernel.mount("nothing", Nothing);
    let change = Change { path: paths(10).swap_remove(0) };
    let cost = || {
        least(15, || {
            let started = Instant::now();
            block_on(async {
                for _ in 0..4000 {
                    agent.submit(&mount, &change).await.unwrap();
                }
            });
            nanos(started) / 4000.0
        })
    };
    let (whole, bare) = (cost(), bare_records());
    print("governed_memory", whole, "ns");
    print("governed_baseline", bare, "ns");
    print("governed_ratio", whole / bare, "x");
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            block_on(agent.submit(&mount, &change)).unwrap();
        }
    });
    print("governed_allocations", counted.count_total as f64 / 1000.0, "allocations");
    while bench.kernel.head().sequence < 1_000_000 {
        block_on(agent.submit(&mount, &change)).unwrap();
    }
    print("governed_memory_1m", cost(), "ns");
}

/// The least any such ledger could cost: two records of the same size, hashed into a chain and
/// kept, with nothing judged or encoded.
fn bare_records() -> f64 {
    least(15, || {
        let (mut kept, mut hash) = (Vec::new(), *blake3::hash(b"").as_bytes());
        let started = Instant::now();
        for _ in 0..4000 {
            for size_bytes in [280, 141] {
                let payload: Box<[u8]> = vec![b'x'; size_bytes].into();
                let mut hasher = blake3::Hasher::new_keyed(&hash);
                hasher.update(&[0; 64]).update(black_box(&payload));
                hash = *hasher.finalize().as_bytes();
                kept.push((hash, payload));
            }
        }
        drop(black_box(kept));
        nanos(started) / 4000.0
    })
}

/// Operations that wait for the disk, and what a ledger of a million records costs to open.
fn durable() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let open = || LocalStore::open(folder.path()).unwrap().0;
    let key = {
        let bench = Bench::new(open());
        let agents: Vec<_> = (0..64).map(|nth| bench.agent(&format!("agent {nth}"))).collect();
        for (identity, _) in &agents {
            bench.grants(*identity, 10);
        }
        let mount = bench.kernel.mount("nothing", Nothing);
        let one = rate(&agents[..1], &mount);
        let all = rate(&agents, &mount);
        print("durable_1", one, "ops/s");
        print("durable_64", all, "ops/s");
        print("durable_64_ratio", all / one, "x");
        let look = Look { path: paths(10).swap_remove(0) };
        while bench.kernel.head().sequence < 1_000_000 {
            block_on(agents[0].1.submit(&mount, &look)).unwrap();
        }
        let later = rate(&agents, &mount);
        print("durable_64_1m", later, "ops/s");
        print("durable_1_1m", rate(&agents[..1], &mount), "ops/s");
        print("durable_64_1m_ratio", later / all, "x");
        block_on(bench.kernel.snapshot()).unwrap();
        bench.key
    };
    let started = Instant::now();
    let bench = Bench::with_key(open(), key);
    print("open_1m", nanos(started) / 1e6, "ms");
    print("open_1m_replayed", bench.kernel.recovery().replayed as f64, "records");
    let started = Instant::now();
    let verified = block_on(bench.kernel.verify()).unwrap();
    assert!(verified.damage.is_none(), "{verified:?}");
    print("verify_1m", verified.records as f64 / started.elapsed().as_secs_f64(), "records/s");
}

/// Durable operations a second, each agent one after the other, all agents at once.
fn rate(agents: &[(IdentityId, Agent)], mount: &Mount<Nothing>) -> f64 {
    let change = Change { path: paths(10).swap_remove(0) };
    let (started, limit) = (Instant::now(), Duration::from_secs(2));
    let each = agents.iter().map(|(_, agent)| async {
        let mut done = 0_u64;
        while started.elapsed() < limit {
            agent.submit(mount, &change).await.unwrap();
            done += 1;
        }
        done
    });
    let done: u64 = block_on(join_all(each)).into_iter().sum();
    done as f64 / started.elapsed().as_secs_f64()
}

struct Bench {
    kernel: Kernel,
    owner: Owner,
    key: [u8; 32],
}

impl Bench {
    fn new(store: impl Store) -> Self {
        Self::with_key(store, [7; 32])
    }

    fn with_key(store: impl Store, key: [u8; 32]) -> Self {
        let signer = SoftwareKey::from_secret(&key);
        let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
        let kernel = block_on(Kernel::governing(signer.public_key()).open(store, clock)).unwrap();
        let owner = block_on(kernel.owner(signer)).unwrap();
        let own = SoftwareKey::from_secret(&[8; 32]);
        // The second time it is certified already.
        drop(block_on(owner.certify(own.public_key())));
        kernel.sign_with(own);
        Self { kernel, owner, key }
    }

    fn agent(&self, name: &str) -> (IdentityId, Agent) {
        let identity = block_on(self.owner.identity(name)).unwrap();
        (identity, block_on(self.owner.bind(identity, name, "bench")).unwrap())
    }

    /// So many grants of one rule each, on folders of their own.
    fn grants(&self, identity: IdentityId, count: usize) {
        for nth in 0..count {
            let region = Region::subtree(&folder(nth)).unwrap();
            let rules = Grant::new().allow([Action::Read, Action::Write], region);
            block_on(self.owner.grant(identity, rules)).unwrap();
        }
    }
}

fn folder(nth: usize) -> String {
    format!("fs:/home/team{}/project{nth}", nth % 100)
}

/// 1024 paths spread over the folders of `grants` grants.
fn paths(grants: usize) -> Vec<Resource> {
    let spread = (0..1024_usize).map(|nth| (nth * 7919) % grants);
    spread.map(|nth| format!("{}/notes/q3.md", folder(nth)).parse().unwrap()).collect()
}

#[derive(serde::Serialize)]
struct Change {
    path: Resource,
}

impl Operation for Change {
    const KIND: &'static str = "bench.change";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.path)
    }
}

#[derive(serde::Serialize)]
struct Look {
    path: Resource,
}

impl Operation for Look {
    const KIND: &'static str = "bench.look";
    type Output = ();
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, &self.path)
    }
}

struct Nothing;

impl<O: Operation<Output = ()>> Endpoint<O> for Nothing {
    fn admit(&self, _: &O, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, O>) -> Result<(), Fault> {
        Ok(())
    }
}

fn nanos(started: Instant) -> f64 {
    started.elapsed().as_nanos() as f64
}

/// What it costs when nobody else uses the machine: the least of many rounds.
fn least(rounds: usize, round: impl FnMut() -> f64) -> f64 {
    std::iter::repeat_with(round).take(rounds).fold(f64::INFINITY, f64::min)
}

fn median(rounds: usize, mut round: impl FnMut() -> f64) -> f64 {
    let mut figures: Vec<f64> = (0..rounds).map(|_| round()).collect();
    figures.sort_by(f64::total_cmp);
    figures[rounds / 2]
}
