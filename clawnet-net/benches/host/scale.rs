//! Many owners with many contacts over one store on disk.
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use clawnet_core::{Action, AgentId, Demands, LocalStore, OwnerId, Resource, Store, Verdict};
use clawnet_net::{Guest, HostLimits};
use futures::{executor::block_on, future::join_all};

use crate::{
    percentile, print,
    town::{Citizen, agree, host, id, key, meet},
};

/// How many contacts each has.
const CONTACTS: usize = 100;
/// Where the process that builds a town is told to.
const BUILD: &str = "CLAWNET_SCALE_BUILD";
/// The file in which a town's agents are.
const AGENTS: &str = "agents";

fn store(folder: &Path) -> Arc<dyn Store> {
    let (store, _) = LocalStore::open(&folder.join("store")).unwrap();
    Arc::new(store)
}

/// How long it takes until an owner with 100 contacts and 10 sessions, whose kernel was put away,
/// can decide something.
pub(crate) fn open_cold_owner() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut limits = HostLimits::default();
    limits.idle = Duration::ZERO;
    let host = host(store(folder.path()), 0..=CONTACTS, limits);
    block_on(async {
        let others: Vec<_> = (1..=CONTACTS).map(id).collect();
        let one = Citizen::join(&host, 0, &others).await;
        let each = (1..=CONTACTS).map(|nth| {
            let (host, one) = (&host, &one);
            async move {
                let other = Citizen::join(host, nth, &[id(0)]).await;
                meet(one, &other).await;
                if nth <= 10 {
                    agree(one, &other, 10).await;
                }
            }
        });
        join_all(each).await;
        drop(one);
        host.work().await;
        assert_eq!(host.counts().open_now, 0);
        let mut took = Vec::new();
        for _ in 0..50 {
            let begin = Instant::now();
            let guest = host.party(id(0)).await.unwrap();
            took.push(begin.elapsed());
            assert_eq!((guest.contacts().len(), guest.sessions().len()), (CONTACTS, 10));
            drop(guest);
            assert_eq!(host.put_away_idle().await, 1);
        }
        print("open_cold_owner", percentile(took, 50).as_secs_f64() * 1e3, "ms");
    });
}

/// A town where everybody has a hundred contacts and two sessions that are open.
///
/// Another process builds it: what is counted here is what it takes to have it open. With
/// `CLAWNET_SCALE_AT`, the town is there, and stays for the next run.
pub(crate) fn scale() {
    let full = std::env::var("CLAWNET_SCALE").is_ok_and(|scale| scale == "full");
    let (owners, suffix) = if full { (10_000, "") } else { (1000, "_tenth") };
    if let Some(folder) = std::env::var_os(BUILD) {
        return build(Path::new(&folder), owners);
    }
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = std::env::var_os("CLAWNET_SCALE_AT").map(PathBuf::from);
    let folder = at.unwrap_or_else(|| temporary.path().to_owned());
    if !folder.join(AGENTS).exists() {
        let begin = Instant::now();
        let mut builder = Command::new(std::env::current_exe().unwrap());
        let built = builder.args(["--bench", "scale_rss"]).env(BUILD, &folder).status().unwrap();
        assert!(built.success());
        print(&format!("scale_built_in{suffix}"), begin.elapsed().as_secs_f64(), "s");
    }
    print(&format!("scale_disk{suffix}"), size(&folder) / f64::from(1 << 20), "MiB");
    open((&folder, owners), suffix);
}

/// Opens everybody's kernel in a town that was built, and holds it.
fn open((folder, owners): (&Path, usize), suffix: &str) {
    let begin = Instant::now();
    let host = host(store(folder), 0..owners, roomy(owners));
    print(&format!("scale_store_opened_in{suffix}"), begin.elapsed().as_secs_f64(), "s");
    print(&format!("scale_rss_store{suffix}"), rss("VmRSS") / 1024.0, "MiB");
    let begin = Instant::now();
    let opened = (0..owners).map(|nth| block_on(host.party(id(nth))).unwrap());
    let guests: Vec<_> = opened.collect();
    print(&format!("scale_opened_in{suffix}"), begin.elapsed().as_secs_f64(), "s");
    let sum = |count: fn(&Guest) -> usize| guests.iter().map(count).sum::<usize>();
    let contacts = sum(|guest| guest.contacts().len());
    let sessions = sum(|guest| guest.sessions().len());
    assert_eq!((contacts, sessions), (owners * CONTACTS, owners * 2));
    print(&format!("scale_rss{suffix}"), rss("VmRSS") / 1024.0, "MiB");
    print(&format!("scale_rss_most{suffix}"), rss("VmHWM") / 1024.0, "MiB");
    let agents = fs::read_to_string(folder.join(AGENTS)).unwrap();
    let agents: Vec<_> = agents.lines().map(|agent| agent.parse().unwrap()).collect();
    decisions((&guests, &agents), suffix);
}

/// A ring in which everybody knows the fifty on either side, and talks to the next.
fn build(folder: &Path, owners: usize) {
    let host = host(store(folder), 0..owners, roomy(owners));
    let near = |nth: usize| -> Vec<OwnerId> {
        let around = |off| [(nth + off) % owners, (nth + owners - off) % owners];
        (1..=CONTACTS / 2).flat_map(around).map(id).collect()
    };
    let citizens = all(owners, async |nth| Citizen::join(&host, nth, &near(nth)).await);
    for off in 1..=CONTACTS / 2 {
        all(owners, async |nth| {
            let (one, other) = (&citizens[nth], &citizens[(nth + off) % owners]);
            meet(one, other).await;
            if off == 1 {
                agree(one, other, 10).await;
            }
        });
    }
    all(owners, async |nth| citizens[nth].guest.kernel().snapshot().await.unwrap());
    let agent = |citizen: &Citizen| format!("{}\n", citizen.agent.caller().agent());
    fs::write(folder.join(AGENTS), citizens.iter().map(agent).collect::<String>()).unwrap();
}

/// Does `each` for so many, on two threads, on either for some at once.
fn all<T: Send>(count: usize, each: impl AsyncFn(usize) -> T + Sync) -> Vec<T> {
    let half = |range: Range<usize>| {
        let mut done = Vec::new();
        for start in range.clone().step_by(64) {
            let some = (start..range.end.min(start + 64)).map(|nth| each(nth));
            done.extend(block_on(join_all(some)));
        }
        done
    };
    std::thread::scope(|scope| {
        let second = scope.spawn(|| half(count / 2..count));
        let mut done = half(0..count / 2);
        done.extend(second.join().unwrap());
        done
    })
}

fn roomy(owners: usize) -> HostLimits {
    let mut limits = HostLimits::default();
    limits.kernels_open_max = owners;
    limits
}

/// How long a decision takes, of whoever happens to be next.
fn decisions((guests, agents): (&[Guest], &[AgentId]), suffix: &str) {
    let owners = guests.len();
    let agents = (0..100).map(|nth| nth * 7919 % owners).map(|nth| {
        let owner = block_on(guests[nth].kernel().owner(key(nth))).unwrap();
        (owner.agent(agents[nth]).unwrap(), id((nth + 1) % owners))
    });
    let agents: Vec<_> = agents.collect();
    let mut took = Vec::new();
    for round in 0..100_000 {
        let (agent, peer) = &agents[round * 31 % agents.len()];
        let contact: Resource = format!("contact:{peer}").parse().unwrap();
        let begin = Instant::now();
        let judged = agent.judge_demands(&Demands::one(Action::Send, &contact));
        took.push(begin.elapsed());
        assert_eq!(judged.verdict, Verdict::Allow);
    }
    print(&format!("decision_p99{suffix}"), percentile(took, 99).as_secs_f64() * 1e6, "us");
}

/// A figure of this process from the kernel, in KiB.
fn rss(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    figure.unwrap_or(0.0)
}

fn size(folder: &Path) -> f64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| {
        let meta = entry.metadata().unwrap();
        if meta.is_dir() { size(&entry.path()) } else { meta.len() as f64 }
    });
    sizes.sum()
}
