//! Everything one file acts upon: owners, their kernels on one store, a clock, and names.
use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use clawnet_core::{
    AgentId, Digest, Export, Frame, Import, Limits, LocalStore, ManualClock, Misbehaviour, Owner,
    OwnerId, Presented, PublicKey, Refusal, SignedCheckpoint, Transferred,
};
use futures::executor::block_on;
use serde_json::Value;

use super::{
    fault::Faults,
    home::Home,
    kept::Kept,
    name::{Id, Names},
    principal::{Principal, SignedBy, Surroundings},
    probe::Manner,
    shelf::{OpenStore, Shelf},
    sim::SimStore,
    spindle::Spindle,
    trouble::Trouble,
    wire::{Flight, Wire},
};

/// One world. A file has it for itself.
pub(super) struct World {
    pub(super) clock: ManualClock,
    pub(super) faults: Faults,
    pub(super) names: Names,
    pub(super) manner: Manner,
    pub(super) home: Home,
    pub(super) shelf: Shelf,
    store: Option<OpenStore>,
    principals: BTreeMap<String, Principal>,
    /// Whose turn it is.
    current: String,
    /// Whose kernel each agent belongs to.
    belongs: BTreeMap<AgentId, String>,
    pending: BTreeMap<String, Pending>,
    /// Changes to files that can be taken back, by the names the file gave them.
    pub(super) changes: BTreeMap<String, u64>,
    /// Rollbacks that an agent looked at, ready to be submitted.
    pub(super) plans: BTreeMap<String, Value>,
    pub(super) checkpoints: Kept<SignedCheckpoint>,
    pub(super) exports: Kept<Vec<u8>>,
    pub(super) heads: Kept<Presented>,
    pub(super) accusations: Kept<Misbehaviour>,
    pub(super) bundles: Kept<String>,
    pub(super) backups: Kept<PathBuf>,
    /// What is on its way between the owners.
    pub(super) wire: Wire,
    pub(super) messages: Kept<Flight>,
    pub(super) wordings: Kept<Digest>,
}

/// How a process starts.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// Whether every record is verified, not only those after the kept state.
    pub(super) whole: bool,
    /// A checkpoint that was kept elsewhere.
    pub(super) remembered: Option<SignedCheckpoint>,
}

/// A submission that is still on its way.
pub(super) struct Pending {
    pub(super) work: Work,
    /// Which hanging effect it waits for.
    hung: u64,
}

/// What a submission comes to. It holds all it needs.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<Value, Refusal>>>>;

impl World {
    /// A world with nobody in it, at its beginning. Its ledgers are in `store`, if one is named.
    pub(super) fn new(store: Option<&Path>) -> Result<Self, Trouble> {
        let shelf = match store {
            Some(path) => Shelf::Folder(path.join("ledger")),
            None => Shelf::Memory(Arc::new(SimStore::default())),
        };
        let mut world = Self {
            clock: ManualClock::default(),
            faults: Faults::default(),
            names: Names::default(),
            manner: Manner::default(),
            home: Home::new(store)?,
            shelf,
            store: None,
            principals: BTreeMap::new(),
            current: String::new(),
            belongs: BTreeMap::new(),
            pending: BTreeMap::new(),
            changes: BTreeMap::new(),
            plans: BTreeMap::new(),
            checkpoints: Kept::of("checkpoint"),
            exports: Kept::of("export"),
            heads: Kept::of("head"),
            accusations: Kept::of("proof of misbehaviour"),
            bundles: Kept::of("bundle"),
            backups: Kept::of("backup"),
            wire: Wire::default(),
            messages: Kept::of("message"),
            wordings: Kept::of("wording"),
        };
        world.store = Some(world.shelf.open(&world.faults)?);
        Ok(world)
    }

    /// Turns to the owner of this name, who comes into the world if they are new to it.
    pub(super) fn turn_to(&mut self, name: &str, limits: Limits) -> Result<bool, Trouble> {
        let known = self.principals.contains_key(name);
        if !known {
            self.names.check_free(name)?;
            let mut principal = Principal::new(name, limits, self.home.of(name));
            let id = principal.public_key().owner();
            principal.open_in(self.surroundings(Start::default())?)?;
            self.names.give(name, Id::Owner(id.to_string()));
            self.principals.insert(name.into(), principal);
        }
        name.clone_into(&mut self.current);
        Ok(!known)
    }

    /// Whose turn it is; an owner called `owner`, if no other was named.
    pub(super) fn principal(&mut self) -> Result<&mut Principal, Trouble> {
        if self.current.is_empty() {
            self.turn_to("owner", Limits::default())?;
        }
        let nobody = || Trouble::misread("there is no owner");
        self.principals.get_mut(&self.current).ok_or_else(nobody)
    }

    /// The hand of whose turn it is.
    pub(super) fn owner(&mut self, signed_by: Option<&SignedBy>) -> Result<Owner, Trouble> {
        self.principal()?.owner(signed_by)
    }

    /// The owner of this name.
    pub(super) fn principal_named(&mut self, name: &str) -> Result<&mut Principal, Trouble> {
        self.names.find::<String>(name).map(drop)?;
        let nobody = || Trouble::misread("there is no such owner");
        self.principals.get_mut(name).ok_or_else(nobody)
    }

    /// Whose agent this is.
    pub(super) fn principal_of(&mut self, agent: AgentId) -> Result<&mut Principal, Trouble> {
        let nobody = || Trouble::misread("it is nobody's agent");
        let name = self.belongs.get(&agent).ok_or_else(nobody)?;
        self.principals.get_mut(name).ok_or_else(nobody)
    }

    pub(super) fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values()
    }

    /// Opens a kernel that was put away, as a host does when somebody wants it.
    pub(super) fn wake(&mut self, name: &str) -> Result<bool, Trouble> {
        let surroundings = self.surroundings(Start::default())?;
        let principal = self.principal_named(name)?;
        let sleeps = !principal.is_open();
        if sleeps {
            principal.open_in(surroundings)?;
        }
        Ok(sleeps)
    }

    /// Remembers to whom an agent belongs.
    pub(super) fn belong(&mut self, agent: AgentId) {
        self.belongs.insert(agent, self.current.clone());
    }

    /// The owner of this ledger, if they are here.
    pub(super) fn principal_with(&self, ledger: OwnerId) -> Result<&Principal, Trouble> {
        let mut all = self.principals.values();
        let nobody = || Trouble::misread("the owner of this ledger is not in this world");
        all.find(|principal| principal.public_key().owner() == ledger).ok_or_else(nobody)
    }

    /// A record of a ledger as the store has it, and the one before it if there is one.
    pub(super) fn frames(&self, ledger: OwnerId, sequence: u64) -> Result<Vec<Frame>, Trouble> {
        let from = sequence.saturating_sub(1).max(1);
        let mut frames = Vec::new();
        while let Some(next) = (from..=sequence).nth(frames.len()) {
            let read = block_on(self.opened()?.bare.read(ledger, next, 1))?;
            let Some(frame) = read.into_iter().next() else { break };
            frames.push(frame);
        }
        Ok(frames)
    }

    /// The store that keeps files.
    pub(super) fn local(&self) -> Result<Arc<LocalStore>, Trouble> {
        let none = || Trouble::misread("it needs files: begin with `disk`, or run with `--store`");
        self.opened()?.local.clone().ok_or_else(none)
    }

    /// Puts every ledger to come on a simulated disk.
    pub(super) fn use_disk(&mut self) -> Result<(), Trouble> {
        if !self.principals.is_empty() {
            return Err(Trouble::misread("the disk comes before the first owner"));
        }
        self.close();
        self.shelf = Shelf::Disk(Spindle::default());
        self.open(Start::default())
    }

    /// Lets go of everything in memory, as the end of a process does.
    pub(super) fn close(&mut self) {
        self.pending.clear();
        for principal in self.principals.values_mut() {
            principal.close();
        }
        self.store = None;
        self.shelf.stopped();
    }

    /// Opens everything again.
    pub(super) fn open(&mut self, start: Start) -> Result<(), Trouble> {
        self.open_store()?;
        self.open_kernels(start)
    }

    /// Cuts the power, starts again on what the disk kept, and counts the records that are gone.
    pub(super) fn crash(&mut self) -> Result<u64, Trouble> {
        let heads = self.principals.values().filter_map(|principal| principal.opened().ok());
        let before: u64 = heads.map(|open| open.kernel.head().sequence).sum();
        self.shelf.cut();
        self.close();
        let lost = self.shelf.lose_buffered();
        self.open_store()?;
        let mut after = 0;
        for principal in self.principals.values() {
            let ledger = principal.public_key().owner();
            after += block_on(self.opened()?.bare.head(ledger))?.sequence;
        }
        self.open_kernels(Start::default())?;
        Ok(lost.unwrap_or_else(|| before.saturating_sub(after)))
    }

    /// Puts an export in the place of the present owner's ledger, or behind it, and starts again.
    /// If it is refused, everything stays as it is.
    pub(super) fn import(&mut self, export: &[u8], anew: bool) -> Result<Transferred, Trouble> {
        let founder = self.principal()?.public_key();
        let mut all = if anew { self.exports_of_others(founder)? } else { Vec::new() };
        all.push((founder, export.to_vec()));
        self.close();
        let fresh = anew.then(|| self.shelf.another(self.home.another()));
        let imported = fill(fresh.as_ref().unwrap_or(&self.shelf), all);
        if let (Ok(_), Some(fresh)) = (&imported, fresh) {
            self.shelf = fresh;
        }
        self.open(Start::default())?;
        imported
    }

    /// What moves along, whole.
    fn exports_of_others(&self, founder: PublicKey) -> Result<Vec<(PublicKey, Vec<u8>)>, Trouble> {
        let mut exports = Vec::new();
        for principal in self.principals.values().filter(|other| other.public_key() != founder) {
            let (mut bytes, how) = (Vec::new(), Export::native().with_bodies());
            block_on(principal.owner(None)?.export(&mut bytes, how, |_| ()))?;
            exports.push((principal.public_key(), bytes));
        }
        Ok(exports)
    }

    fn open_store(&mut self) -> Result<(), Trouble> {
        self.store = Some(self.shelf.open(&self.faults)?);
        Ok(())
    }

    fn open_kernels(&mut self, start: Start) -> Result<(), Trouble> {
        let surroundings = self.surroundings(start)?;
        for principal in self.principals.values_mut() {
            principal.open_in(surroundings.clone())?;
        }
        Ok(())
    }

    /// Goes on with a submission until it ends, or until its effect hangs.
    pub(super) fn drive(&mut self, mut work: Work) -> Driven {
        let before = self.manner.answers().hung;
        let manner = self.manner.clone();
        let ended = block_on(poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if manner.answers().hung > before => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }));
        match ended {
            Some(result) => Driven::Ended(result),
            None => Driven::Hangs(Pending { work, hung: before + 1 }),
        }
    }

    /// Keeps a submission that hangs.
    pub(super) fn keep_pending(&mut self, name: &str, pending: Pending) -> Result<(), Trouble> {
        if self.pending.contains_key(name) {
            return Err(Trouble::misread(format!("`{name}` is under way already")));
        }
        self.pending.insert(name.into(), pending);
        Ok(())
    }

    /// Takes a submission that hangs.
    pub(super) fn take_pending(&mut self, name: &str) -> Result<Pending, Trouble> {
        let nothing = || Trouble::misread(format!("no submission `{name}` is under way"));
        self.pending.remove(name).ok_or_else(nothing)
    }

    /// Lets the effect of a submission go on.
    pub(super) fn resume(&mut self, pending: Pending) -> Driven {
        self.manner.answers().resumed.insert(pending.hung);
        self.drive(pending.work)
    }

    fn opened(&self) -> Result<&OpenStore, Trouble> {
        let closed = || Trouble::Said("the store is not open: restart it".into());
        self.store.as_ref().ok_or_else(closed)
    }

    fn surroundings(&self, start: Start) -> Result<Surroundings, Trouble> {
        let store = self.opened()?.store.clone();
        let (clock, manner) = (self.clock.clone(), self.manner.clone());
        let Start { whole, remembered } = start;
        Ok(Surroundings { store, clock, manner, whole, remembered })
    }
}

/// Imports every export into a store, and tells what came of the last.
fn fill(shelf: &Shelf, exports: Vec<(PublicKey, Vec<u8>)>) -> Result<Transferred, Trouble> {
    let store = shelf.open(&Faults::default())?.bare;
    let mut last = Err(Trouble::misread("there is nothing to import"));
    for (founder, export) in exports {
        let source = io::Cursor::new(export);
        last = Ok(block_on(Import::of(founder).into_store(source, &*store, |_| ()))?);
    }
    last
}

/// What became of a submission so far.
pub(super) enum Driven {
    Ended(Result<Value, Refusal>),
    Hangs(Pending),
}
