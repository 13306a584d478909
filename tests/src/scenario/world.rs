//! Everything one file acts upon: owners, their kernels on one store, a clock, and names.
use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    path::Path,
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use clawnet_core::{AgentId, Limits, ManualClock, Owner, Refusal, Store};
use futures::executor::block_on;
use serde_json::Value;

use super::{
    fault::Faults,
    home::Home,
    name::{Id, Names},
    principal::{Principal, SignedBy, Surroundings},
    probe::Manner,
    shelf::Shelf,
    sim::SimStore,
    trouble::Trouble,
};

/// One world. A file has it for itself.
pub(super) struct World {
    pub(super) clock: ManualClock,
    pub(super) faults: Faults,
    pub(super) names: Names,
    pub(super) manner: Manner,
    home: Home,
    pub(super) shelf: Shelf,
    store: Option<Arc<dyn Store>>,
    principals: BTreeMap<String, Principal>,
    /// Whose turn it is.
    current: String,
    /// Whose kernel each agent belongs to.
    belongs: BTreeMap<AgentId, String>,
    pending: BTreeMap<String, Pending>,
    /// Changes to files that can be taken back, by the names the file gave them.
    pub(super) changes: BTreeMap<String, u64>,
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
            principal.open_in(self.surroundings(false)?)?;
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

    /// Remembers to whom an agent belongs.
    pub(super) fn belong(&mut self, agent: AgentId) {
        self.belongs.insert(agent, self.current.clone());
    }

    /// Lets go of everything in memory, as the end of a process does.
    pub(super) fn close(&mut self) {
        self.pending.clear();
        for principal in self.principals.values_mut() {
            principal.close();
        }
        self.store = None;
    }

    /// Opens everything again.
    pub(super) fn open(&mut self, whole: bool) -> Result<(), Trouble> {
        self.store = Some(self.shelf.open(&self.faults)?);
        let surroundings = self.surroundings(whole)?;
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

    fn surroundings(&self, whole: bool) -> Result<Surroundings, Trouble> {
        let closed = || Trouble::Said("the store is not open: restart it".into());
        let store = self.store.clone().ok_or_else(closed)?;
        Ok(Surroundings { store, clock: self.clock.clone(), manner: self.manner.clone(), whole })
    }
}

/// What became of a submission so far.
pub(super) enum Driven {
    Ended(Result<Value, Refusal>),
    Hangs(Pending),
}
