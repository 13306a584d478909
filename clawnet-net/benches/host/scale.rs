//! Many owners with many contacts over one store on disk.
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use clawnet_core::{Action, AgentId, Demands, LocalStore, OwnerId, Resource, Store, Verdict};
use clawnet_net::{Guest, Host, HostLimits};
use futures::{executor::block_on, future::join_all};

use crate::{
    percentile, print,
    town::{Citizen, agree, host, id, key, meet},
};

/// How many contacts each has.
const CONTACTS: usize = 100;

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
pub(crate) fn scale() {
    let full = std::env::var("CLAWNET_SCALE").is_ok_and(|scale| scale == "full");
    let owners = if full { 10_000 } else { 1000 };
    let suffix = if full { "" } else { "_tenth" };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut limits = HostLimits::default();
    limits.kernels_open_max = owners;
    let begin = Instant::now();
    let agents = build(&host(store(folder.path()), 0..owners, limits), owners);
    print("scale_built_in", begin.elapsed().as_secs_f64(), "s");
    print(&format!("scale_disk{suffix}"), size(folder.path()) / f64::from(1 << 20), "MiB");
    print(&format!("scale_rss_built{suffix}"), rss("VmHWM") / 1024.0, "MiB");
    let before = rss("VmRSS");
    let host = host(store(folder.path()), 0..owners, limits);
    let begin = Instant::now();
    let guests = block_on(async {
        let mut guests = Vec::new();
        for nth in 0..owners {
            guests.push(host.party(id(nth)).await.unwrap());
        }
        guests
    });
    print("scale_opened_in", begin.elapsed().as_secs_f64(), "s");
    let contacts: usize = guests.iter().map(|guest| guest.contacts().len()).sum();
    let sessions: usize = guests.iter().map(|guest| guest.sessions().len()).sum();
    assert_eq!((contacts, sessions), (owners * CONTACTS, owners * 2));
    print(&format!("scale_rss{suffix}"), rss("VmRSS") / 1024.0, "MiB");
    print(&format!("scale_rss_before{suffix}"), before / 1024.0, "MiB");
    decisions((&guests, &agents), suffix);
}

/// A ring in which everybody knows the fifty on either side, and talks to the next.
fn build(host: &Host, owners: usize) -> Vec<AgentId> {
    let near = |nth: usize| -> Vec<OwnerId> {
        let half = CONTACTS / 2;
        (1..=half)
            .flat_map(|off| [(nth + off) % owners, (nth + owners - off) % owners])
            .map(id)
            .collect()
    };
    block_on(async {
        let mut citizens = Vec::new();
        for start in (0..owners).step_by(64) {
            let each = (start..owners.min(start + 64)).map(|nth| {
                let peers = near(nth);
                async move { Citizen::join(host, nth, &peers).await }
            });
            citizens.extend(join_all(each).await);
        }
        for off in 1..=CONTACTS / 2 {
            for start in (0..owners).step_by(64) {
                let each = (start..owners.min(start + 64)).map(|nth| {
                    let (one, other) = (&citizens[nth], &citizens[(nth + off) % owners]);
                    async move {
                        meet(one, other).await;
                        if off == 1 {
                            agree(one, other, 10).await;
                        }
                    }
                });
                join_all(each).await;
            }
        }
        for citizen in &citizens {
            citizen.guest.kernel().snapshot().await.unwrap();
        }
        citizens.iter().map(|citizen| citizen.agent.caller().agent()).collect()
    })
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
