//! Kernels that are open, one for each owner at most, opened when somebody needs one and put away
//! when nobody does.
use std::{
    collections::BTreeMap,
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use clawnet_core::{
    Clock, Governing, Kernel, OwnerError, OwnerId, Signer, Store, StoreError, Timestamp,
};
use futures_util::lock::Mutex as Turnstile;

use super::{keyring::Keyring, limits::HostLimits};
use crate::{
    party::{InUse, Party, PartyError},
    relations::Relations,
};

/// All kernels that are open, and what opens them.
///
/// **Promises** that there is never more than one kernel of one owner: whoever wants it while it is
/// opened waits for that one, and whoever wants it while it is put away waits until nothing of it
/// is left.
pub(super) struct Houses {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keyring: Box<dyn Keyring>,
    governing: Box<dyn Fn(Governing) -> Governing + Send + Sync>,
    store: Arc<dyn Store>,
    limits: HostLimits,
    /// Every owner whose kernel is open, or whom somebody waits for. An entry goes only while
    /// nobody else holds it: see [`Houses::forget`].
    known: Mutex<BTreeMap<OwnerId, Arc<House>>>,
    gone: Mutex<Vec<(OwnerId, Option<Timestamp>)>>,
    seats: Arc<AtomicUsize>,
    opened: AtomicU64,
}

/// What a host is opened with.
pub(super) struct Ground {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) governing: Box<dyn Fn(Governing) -> Governing + Send + Sync>,
    pub(super) keyring: Box<dyn Keyring>,
    pub(super) limits: HostLimits,
    pub(super) store: Arc<dyn Store>,
}

/// The place of one owner's kernel.
struct House {
    owner: OwnerId,
    stage: Turnstile<Stage>,
    /// When it was asked for last.
    used_ms: AtomicU64,
}

enum Stage {
    Away,
    Home(Home),
    Failed { until: Timestamp, why: StoreError },
}

struct Home {
    party: Party,
    _seat: Seat,
}

/// One of the kernels that may be open at once.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One owner's side of collaboration, kept open while this is held.
#[derive(Clone)]
pub struct Guest {
    party: Party,
    /// Whoever holds it keeps the entry, too.
    house: Arc<House>,
}

impl Deref for Guest {
    type Target = Party;

    fn deref(&self) -> &Party {
        &self.party
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guest of {}", self.house.owner)
    }
}

/// Why there is no kernel to be had.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Not one of this host's owners.
    #[error("`{owner}` is not hosted here")]
    NotHosted {
        /// Who.
        owner: OwnerId,
    },
    /// The ledger failed, or was found broken. It is opened again after a while.
    #[error("the kernel of `{owner}` failed: {source}")]
    Failed {
        /// Whose.
        owner: OwnerId,
        /// How.
        source: StoreError,
    },
    /// As many kernels are open as may be, and somebody holds each of them.
    #[error("too many kernels are open at once")]
    Full,
    /// The ledger opened, and nobody can speak for it.
    #[error("nobody can speak for `{owner}`: {source}")]
    Mute {
        /// Whose.
        owner: OwnerId,
        /// Why not.
        source: PartyError,
    },
    /// The owner did not certify the key of their kernel.
    #[error("`{owner}` did not certify their kernel's key: {source}")]
    Owner {
        /// Who.
        owner: OwnerId,
        /// Why not.
        source: OwnerError,
    },
    /// The transport ended.
    #[error("the transport is closed")]
    Closed,
}

impl Houses {
    pub(super) fn new(ground: Ground) -> Self {
        let Ground { clock, governing, keyring, limits, store } = ground;
        let (known, gone) = (Mutex::default(), Mutex::default());
        let (seats, opened) = (Arc::default(), AtomicU64::new(0));
        Self { clock, keyring, governing, store, limits, known, gone, seats, opened }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How many kernels are open.
    pub(super) fn open_now(&self) -> usize {
        self.seats.load(Ordering::Acquire)
    }

    /// How many were opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(super) fn known_now(&self) -> usize {
        self.known().len()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<OwnerId, Arc<House>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That `owner` is one of this host's.
    pub(super) fn hosts(&self, owner: OwnerId) -> Result<(), HostError> {
        self.keyring.founder(owner).map(drop).ok_or(HostError::NotHosted { owner })
    }

    /// The owner's party: found, or opened. Says whether it was opened just now.
    pub(super) async fn party(&self, owner: OwnerId) -> Result<(Guest, Found), HostError> {
        if self.keyring.founder(owner).is_none() {
            return Err(HostError::NotHosted { owner });
        }
        let house = self.house(owner);
        let entered = self.enter(&house).await;
        if entered.is_err() {
            self.forget(&house);
        }
        entered
    }

    /// The owner's party, if it is open and nobody opens or puts it away just now.
    pub(super) fn if_open(&self, owner: OwnerId) -> Option<Guest> {
        let house = self.known().get(&owner)?.clone();
        let party = match &*house.stage.try_lock()? {
            Stage::Home(home) => home.party.clone(),
            Stage::Away | Stage::Failed { .. } => return None,
        };
        Some(Guest { party, house })
    }

    async fn enter(&self, house: &Arc<House>) -> Result<(Guest, Found), HostError> {
        let owner = house.owner;
        let mut stage = house.stage.lock().await;
        let now = self.now();
        house.used_ms.store(now.as_millis(), Ordering::Release);
        if let Stage::Home(home) = &*stage
            && let Some(why) = home.party.kernel().failure().cloned()
        {
            *stage = Stage::Failed { until: now.after(self.limits.failed_for), why };
        }
        let found = match &*stage {
            Stage::Home(home) => {
                let guest = Guest { party: home.party.clone(), house: Arc::clone(house) };
                return Ok((guest, Found::Open));
            }
            Stage::Failed { until, why } if now < *until => {
                return Err(HostError::Failed { owner, source: why.clone() });
            }
            Stage::Failed { .. } | Stage::Away => Found::Opened,
        };
        let seat = self.seat(owner).await?;
        let party = match self.open(owner).await {
            Ok(party) => party,
            Err(error) => {
                if let HostError::Failed { source, .. } = &error {
                    let until = now.after(self.limits.failed_for);
                    *stage = Stage::Failed { until, why: source.clone() };
                }
                return Err(error);
            }
        };
        *stage = Stage::Home(Home { party: party.clone(), _seat: seat });
        drop(stage);
        Ok((Guest { party, house: Arc::clone(house) }, found))
    }

    /// Has the owner certify the key of their kernel here, if they have not.
    pub(super) async fn certify(
        &self,
        owner: OwnerId,
        signer: impl Signer + 'static,
    ) -> Result<(), HostError> {
        self.hosts(owner)?;
        let house = self.house(owner);
        let stage = house.stage.lock().await;
        let certified = match &*stage {
            // A party speaks with a certified key, or is none.
            Stage::Home(_) => Ok(()),
            Stage::Away | Stage::Failed { .. } => self.certify_here(owner, signer).await,
        };
        drop(stage);
        self.forget(&house);
        certified
    }

    async fn certify_here(
        &self,
        owner: OwnerId,
        signer: impl Signer + 'static,
    ) -> Result<(), HostError> {
        let _seat = self.seat(owner).await?;
        let kernel = self.kernel(owner).await?;
        let key = self.keyring.kernel_key(owner).map(|key| key.public_key());
        if let Some(key) = key.filter(|key| kernel.certified_key() != Some(*key)) {
            let refused = |source| HostError::Owner { owner, source };
            kernel.owner(signer).await.map_err(refused)?.certify(key).await.map_err(refused)?;
        }
        Ok(())
    }

    async fn open(&self, owner: OwnerId) -> Result<Party, HostError> {
        let kernel = self.kernel(owner).await?;
        if let Some(key) = self.keyring.kernel_key(owner) {
            kernel.sign_with(key);
        }
        self.opened.fetch_add(1, Ordering::AcqRel);
        Party::of(Arc::new(kernel)).map_err(|source| HostError::Mute { owner, source })
    }

    async fn kernel(&self, owner: OwnerId) -> Result<Kernel, HostError> {
        let founder = self.keyring.founder(owner).filter(|key| key.owner() == owner);
        let founder = founder.ok_or(HostError::NotHosted { owner })?;
        let governing = Kernel::governing(founder).project::<Relations>();
        let governing = (self.governing)(governing);
        let clock = Arc::clone(&self.clock);
        let opened = governing.open_shared(Arc::clone(&self.store), move || clock.now()).await;
        let kernel = opened.map_err(|source| HostError::Failed { owner, source })?;
        if let Some(source) = kernel.failure().cloned() {
            return Err(HostError::Failed { owner, source });
        }
        Ok(kernel)
    }

    fn house(&self, owner: OwnerId) -> Arc<House> {
        let house = || {
            let (stage, used_ms) = (Turnstile::new(Stage::Away), AtomicU64::new(0));
            Arc::new(House { owner, stage, used_ms })
        };
        Arc::clone(self.known().entry(owner).or_insert_with(house))
    }

    /// A seat for `owner`'s kernel: if all are taken, that of whom nobody asked for the longest.
    async fn seat(&self, owner: OwnerId) -> Result<Seat, HostError> {
        loop {
            let max = self.limits.kernels_open_max.max(1);
            let take = |taken| (taken < max).then_some(taken + 1);
            if self.seats.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok() {
                return Ok(Seat(Arc::clone(&self.seats)));
            }
            self.put_away_oldest(owner).await?;
        }
    }

    async fn put_away_oldest(&self, but: OwnerId) -> Result<(), HostError> {
        let mut idle = self.unattended();
        idle.retain(|house| house.owner != but);
        idle.sort_unstable_by_key(|house| house.used_ms.load(Ordering::Acquire));
        for house in idle {
            if self.put_away(house).await.is_ok() {
                return Ok(());
            }
        }
        Err(HostError::Full)
    }

    /// Those whom nobody but the list itself holds.
    fn unattended(&self) -> Vec<Arc<House>> {
        let known = self.known();
        let alone = known.values().filter(|house| Arc::strong_count(house) == 1);
        alone.map(Arc::clone).collect()
    }

    /// Puts away everybody whom nobody asked for since `before`, and says how many.
    pub(super) async fn put_away_since(&self, before: Timestamp) -> usize {
        let mut gone = 0;
        for house in self.unattended() {
            if house.used_ms.load(Ordering::Acquire) <= before.as_millis()
                && self.put_away(house).await.is_ok()
            {
                gone += 1;
            }
        }
        gone
    }

    /// Keeps the state of a kernel nobody holds a handle of, and ends it. It can be opened again
    /// when this is done, or dropped.
    async fn put_away(&self, house: Arc<House>) -> Result<(), InUse> {
        let mut stage = house.stage.try_lock().ok_or(InUse)?;
        let Home { party, _seat: seat } = match std::mem::replace(&mut *stage, Stage::Away) {
            Stage::Home(home) if home.party.check_unused().is_err() => {
                *stage = Stage::Home(home);
                return Err(InUse);
            }
            Stage::Home(home) => home,
            Stage::Failed { until, why } if self.now() < until => {
                *stage = Stage::Failed { until, why };
                return Err(InUse);
            }
            Stage::Failed { .. } | Stage::Away => {
                drop(stage);
                self.forget(&house);
                return Err(InUse);
            }
        };
        let kernel = party.kernel();
        let next = kernel.read::<Relations, _>(Relations::over_next).ok().flatten();
        self.gone().push((house.owner, next));
        let found = kernel.recovery();
        let since = kernel.head().sequence.saturating_sub(found.records);
        if since.saturating_add(found.replayed) >= REPLAYED_MAX {
            // A state that cannot be kept is replayed.
            drop(kernel.snapshot().await);
        }
        drop(party);
        drop(seat);
        drop(stage);
        self.forget(&house);
        Ok(())
    }

    /// Whose kernels were put away, and when each has to be looked at again.
    pub(super) fn gone(&self) -> MutexGuard<'_, Vec<(OwnerId, Option<Timestamp>)>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a place nobody is at.
    ///
    /// INVARIANT: places are handed out under the lock of the list alone, so one that only the list
    /// and the caller hold is nobody's to open a kernel at.
    fn forget(&self, house: &Arc<House>) {
        let mut known = self.known();
        let away = house.stage.try_lock().is_some_and(|stage| matches!(*stage, Stage::Away));
        if away && Arc::strong_count(house) == 2 {
            known.remove(&house.owner);
        }
    }
}

/// Whether a kernel was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Open,
    Opened,
}

/// How many records may be replayed at the next opening, before the state is kept at the end.
const REPLAYED_MAX: u64 = 16;
