//! Kernels that are opened, held, put away, and fail.
use std::sync::{
    Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use clawnet_core::{
    Batch, Commit, Digest, Durability, Frame, Head, HousePolicy, IndexEntry, IndexRange, Snapshot,
    StoreError,
};

use super::*;

/// A store that counts what is asked of it, takes its time, and fails for some.
pub(super) struct Watched {
    broken: Mutex<BTreeSet<OwnerId>>,
    calls: AtomicU64,
    inner: MemoryStore,
    /// How often whoever reads has to wait.
    waits: AtomicUsize,
}

impl Watched {
    pub(super) fn new() -> Arc<Self> {
        let (broken, calls, waits) = (Mutex::default(), AtomicU64::new(0), AtomicUsize::new(0));
        Arc::new(Self { broken, calls, inner: MemoryStore::new(), waits })
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn be_slow(&self) {
        self.waits.store(1_000_000, Ordering::SeqCst);
    }

    async fn ask(&self, log: OwnerId) -> Result<&MemoryStore, StoreError> {
        for _ in 0..self.waits.load(Ordering::SeqCst) {
            yield_once().await;
        }
        self.ask_now(log)
    }

    fn ask_now(&self, log: OwnerId) -> Result<&MemoryStore, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let broken = self.broken.lock().unwrap().contains(&log);
        if broken { Err(StoreError::Poisoned) } else { Ok(&self.inner) }
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[async_trait::async_trait]
impl Store for Watched {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.ask(log).await?.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        match self.ask_now(log) {
            Ok(inner) => inner.append(log, expected, batch, class),
            Err(error) => Commit::ready(Err(error)),
        }
    }

    async fn read(
        &self,
        log: OwnerId,
        sequence: u64,
        size_bytes_max: usize,
    ) -> Result<Vec<Frame>, StoreError> {
        self.ask(log).await?.read(log, sequence, size_bytes_max).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.ask(log).await?.keep_snapshot(log, snapshot).await
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.ask(log).await?.snapshot(log).await
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.ask(log).await?.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.ask(log).await?.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.ask(log).await?.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.ask(log).await?.keep_body(log, body).await
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask(log).await?.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.ask(log).await?.erase_body(log, digest).await
    }
}

/// Goes into a kernel and counts how many of them there are at once.
struct Token(Arc<Live>);

#[derive(Default)]
struct Live {
    now: AtomicUsize,
    most: AtomicUsize,
    ever: AtomicUsize,
}

impl Token {
    fn new(live: &Arc<Live>) -> Self {
        let now = live.now.fetch_add(1, Ordering::SeqCst) + 1;
        live.most.fetch_max(now, Ordering::SeqCst);
        live.ever.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(live))
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl HousePolicy for Token {
    fn name(&self) -> &'static str {
        "token"
    }

    fn restrict(
        &self,
        _: &clawnet_core::HouseQuestion<'_>,
    ) -> Result<clawnet_core::Restriction, clawnet_core::HouseFault> {
        Ok(clawnet_core::Restriction::None)
    }
}

/// A host of these owners whose kernels are counted, with nobody's kernel open.
fn counted(seeds: &[u16], limits: HostLimits) -> (Host, Arc<Watched>, Arc<Live>, ManualClock) {
    let (watched, live, clock) = (Watched::new(), Arc::new(Live::default()), start());
    let (store, count): (Arc<dyn Store>, _) = (watched.clone(), Arc::clone(&live));
    let hosting = Host::over(store, clock.clone(), Ring::of(seeds.iter().copied())).limits(limits);
    let host = hosting.governing(move |governing| governing.house(Token::new(&count))).open();
    for seed in seeds {
        One::join(&host, *seed);
    }
    clock.advance(limits.idle);
    block_on(host.put_away_idle());
    assert_eq!((host.counts().open_now, live.now.load(Ordering::SeqCst)), (0, 0));
    live.most.store(0, Ordering::SeqCst);
    (host, watched, live, clock)
}

fn limits(with: impl FnOnce(&mut HostLimits)) -> HostLimits {
    let mut limits = HostLimits::default();
    with(&mut limits);
    limits
}

#[test]
fn everybody_who_wants_a_kernel_at_once_has_the_same() {
    let (host, watched, live, _) = counted(&[1], HostLimits::default());
    let opened = host.counts().opened;
    watched.waits.store(3, Ordering::SeqCst);
    let all = (0..50).map(|_| host.party(id(1)));
    let guests = block_on(futures::future::join_all(all));
    assert!(guests.iter().all(Result::is_ok));
    assert_eq!(host.counts().opened - opened, 1);
    assert_eq!(live.most.load(Ordering::SeqCst), 1);
}

#[test]
fn a_kernel_that_is_put_away_is_gone_before_it_is_opened_again() {
    let (host, watched, live, _) = counted(&[1, 2], limits(|it| it.idle = Duration::ZERO));
    let before = live.ever.load(Ordering::SeqCst);
    for waits in 0..6 {
        watched.waits.store(waits, Ordering::SeqCst);
        for round in 0..40 {
            let comers = (0..round % 5 + 2).map(|nth| {
                let host = host.clone();
                async move {
                    for _ in 0..nth {
                        yield_once().await;
                    }
                    if nth % 2 == 0 {
                        drop(host.party(id(1)).await.unwrap());
                    } else {
                        host.put_away_idle().await;
                    }
                }
            });
            block_on(futures::future::join_all(comers));
        }
    }
    assert_eq!(live.most.load(Ordering::SeqCst), 1);
    let opened = live.ever.load(Ordering::SeqCst) - before;
    assert!(opened > 100, "it was opened {opened} times only");
    block_on(host.put_away_idle());
    assert!(host.0.houses.known_now() == 0, "a place nobody is at is still known");
}

#[test]
fn nobody_opens_a_kernel_whose_state_is_still_being_kept() {
    let (host, watched, live, _) = counted(&[1], limits(|it| it.idle = Duration::ZERO));
    for waits in 0..8 {
        watched.waits.store(0, Ordering::SeqCst);
        let guest = block_on(host.party(id(1))).unwrap();
        let owner = block_on(guest.kernel().owner(key(1))).unwrap();
        for nth in 0..20 {
            block_on(owner.identity(&format!("{waits} {nth}"))).unwrap();
        }
        drop((guest, owner));
        watched.waits.store(waits, Ordering::SeqCst);
        let opened = host.counts().opened;
        let (gone, came) = block_on(futures::future::join(host.put_away_idle(), host.party(id(1))));
        assert_eq!((gone, host.counts().opened - opened), (1, 1));
        drop(came.unwrap());
    }
    assert_eq!(live.most.load(Ordering::SeqCst), 1);
}

#[test]
fn a_host_that_keeps_no_kernel_open_comes_to_rest() {
    let (host, _, live, _) = counted(&[1], limits(|it| it.idle = Duration::ZERO));
    drop(block_on(host.party(id(1))).unwrap());
    host.wake([id(1)]);
    let steps = (0..100).take_while(|_| block_on(host.step()).is_some()).count();
    assert!(steps < 10, "{steps} steps and no end");
    assert_eq!(live.now.load(Ordering::SeqCst), 0);
}

#[test]
fn nobody_puts_away_what_somebody_holds() {
    let (host, _, live, clock) = counted(&[1], HostLimits::default());
    let held = |what: &str| {
        clock.advance(Duration::from_hours(1));
        assert_eq!(block_on(host.put_away_idle()), 0, "put away under {what}");
        assert_eq!(live.now.load(Ordering::SeqCst), 1);
    };
    let guest = block_on(host.party(id(1))).unwrap();
    held("a guest");
    let party = crate::party::Party::clone(&guest);
    drop(guest);
    held("a party");
    let kernel = Arc::clone(party.kernel());
    drop(party);
    held("a kernel");
    let owner = block_on(kernel.owner(key(1))).unwrap();
    drop(kernel);
    held("an owner's handle");
    let identity = block_on(owner.identity("other")).unwrap();
    let agent = block_on(owner.bind(identity, "assistant", "test")).unwrap();
    drop(owner);
    held("an agent");
    drop(agent);
    clock.advance(Duration::from_hours(1));
    assert_eq!(block_on(host.put_away_idle()), 1);
    assert_eq!(live.now.load(Ordering::SeqCst), 0);
}

#[test]
fn no_more_kernels_are_open_than_may_be() {
    let (host, _, live, clock) = counted(&[1, 2, 3, 4, 5, 6], limits(|it| it.kernels_open_max = 2));
    for nth in 0..30 {
        clock.advance(Duration::from_millis(1));
        drop(block_on(host.party(id(nth % 6 + 1))).unwrap());
    }
    assert_eq!(live.most.load(Ordering::SeqCst), 2);
    // Who was here last stays.
    let opened = host.counts().opened;
    let held = [6, 5].map(|seed| block_on(host.party(id(seed))).unwrap());
    assert_eq!(host.counts().opened, opened);
    assert!(matches!(block_on(host.party(id(1))), Err(HostError::Full)));
    drop(held);
    assert!(block_on(host.party(id(1))).is_ok());
    assert_eq!(live.most.load(Ordering::SeqCst), 2);
}

#[test]
fn an_owner_whose_disk_fails_is_busy_and_others_go_on() {
    let (network, clock) = (SimulatedNetwork::new(1, Faults::none()), start());
    let watched = Watched::new();
    let mut there = Site::new(&[2, 3], &network, &clock);
    there.store = watched.clone();
    let there = there.restarted();
    let here = Site::new(&[1], &network, &clock);
    let one = One::join(&here.host, 1);
    let (two, three) = (One::join(&there.host, 2), One::join(&there.host, 3));
    watched.broken.lock().unwrap().insert(two.id());
    for peer in [two, three] {
        one.ask(&here.host, peer.id());
    }
    for _ in 0..50 {
        here.turn();
        network.deliver();
        there.turn();
        clock.advance(Duration::from_millis(200));
    }
    assert_eq!(three.bond(&there.host, one.id()), Some(Bond::Asking));
    assert_eq!(three.propose_refused(&there.host, two.id()), "nobody is known by that name");
    let failed = block_on(there.host.party(two.id()));
    assert!(matches!(failed, Err(HostError::Failed { .. })), "{failed:?}");
    assert!(here.host.trying(one.id(), two.id()).is_some());
    watched.broken.lock().unwrap().clear();
    settle(&[&here, &there]);
    assert_eq!(two.bond(&there.host, one.id()), Some(Bond::Asking));
}

#[test]
fn who_failed_is_not_asked_of_the_disk_again_for_a_while() {
    let (host, watched, _, clock) = counted(&[1], HostLimits::default());
    watched.broken.lock().unwrap().insert(id(1));
    let knock = || {
        let from = id(9);
        let frame = format!(r#"{{"body":0,"from":"{from}","to":"{}"}}"#, id(1)).into_bytes();
        host.deliver(Arrived::new(frame, Proven::on_the_word_of_a_transport([from])));
        block_on(host.work());
        assert_eq!(host.leaving(), [(from, BUSY.to_vec())]);
        watched.calls()
    };
    let calls = knock();
    for _ in 0..10 {
        assert_eq!(knock(), calls);
    }
    clock.advance(HostLimits::default().failed_for);
    assert!(knock() > calls);
}

#[test]
fn what_was_kept_when_a_kernel_was_put_away_is_not_replayed() {
    let (host, ..) = counted(&[1], limits(|it| it.idle = Duration::ZERO));
    let guest = block_on(host.party(id(1))).unwrap();
    let owner = block_on(guest.kernel().owner(key(1))).unwrap();
    for nth in 0..40 {
        block_on(owner.identity(&format!("identity {nth}"))).unwrap();
    }
    drop((owner, guest));
    assert_eq!(block_on(host.put_away_idle()), 1);
    let guest = block_on(host.party(id(1))).unwrap();
    assert_eq!(guest.kernel().recovery().replayed, 0);
}

#[test]
fn what_is_over_by_time_ends_in_a_kernel_that_was_put_away() {
    let (network, clock) = (SimulatedNetwork::new(1, Faults::none()), start());
    let (here, there) = (Site::new(&[1], &network, &clock), Site::new(&[2], &network, &clock));
    let (one, other) = (One::join(&here.host, 1), One::join(&there.host, 2));
    one.ask(&here.host, other.id());
    settle(&[&here, &there]);
    other.confirm(&there.host, one.id());
    settle(&[&here, &there]);
    let session = one.propose(&here.host, other.id(), 4);
    settle(&[&here, &there]);
    clock.advance(Duration::from_mins(10));
    for site in [&here, &there] {
        block_on(site.host.put_away_idle());
        assert_eq!(site.host.counts().open_now, 0);
        assert!(site.host.next_at().unwrap() <= clock.now().after(Duration::from_mins(20)));
    }
    clock.advance(Duration::from_mins(21));
    settle(&[&here, &there]);
    assert!(here.host.counts().open_now + there.host.counts().open_now > 0);
    for (who, site) in [(one, &here), (other, &there)] {
        let lapsed = Some(Standing::Ended(Ending::Lapsed));
        assert_eq!(who.standing(&site.host, session), lapsed);
    }
}
