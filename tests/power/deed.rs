//! What is done, where its effects land, and that they stay whatever becomes of the disk.
use std::sync::{Arc, Mutex};

use clawnet_core::*;
use clawnet_tests::disk::SimDisk;
use serde::Serialize;

pub(super) const OBSERVE: u8 = 0;
pub(super) const CHANGE: u8 = 1;
pub(super) const RELEASE: u8 = 2;

/// An operation to submit, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Of which owner and which of their agents.
    pub(super) owner: usize,
    pub(super) agent: usize,
    /// Its own number: no other operation has it.
    pub(super) id: u64,
    pub(super) effect: u8,
    pub(super) on: &'static str,
    /// Whether there is content to read before saying yes.
    pub(super) content: bool,
}

/// The operation. Only its number tells it from others.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Deed<const EFFECT: u8> {
    content: Option<Digest>,
    id: u64,
    on: Resource,
    #[serde(skip)]
    body: Option<Vec<u8>>,
}

impl<const EFFECT: u8> Deed<EFFECT> {
    pub(super) fn of(plan: &Plan) -> Self {
        let body = plan.content.then(|| body(plan.id));
        let content = body.as_deref().map(Digest::of_content);
        Self { content, id: plan.id, on: plan.on.parse().unwrap(), body }
    }
}

/// The content of the operation with this number.
pub(super) fn body(id: u64) -> Vec<u8> {
    id.to_le_bytes().repeat(100)
}

impl<const EFFECT: u8> Operation for Deed<EFFECT> {
    const KIND: &'static str = match EFFECT {
        OBSERVE => "deed.observe",
        CHANGE => "deed.change",
        _ => "deed.release",
    };
    type Output = u64;
    const EFFECT: Effect = match EFFECT {
        OBSERVE => Effect::Observe,
        CHANGE => Effect::Change,
        _ => Effect::Release,
    };

    fn demands(&self) -> Demands<'_> {
        Demands::one(ACTIONS[usize::from(EFFECT)], &self.on)
    }

    fn content(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }
}

pub(super) const ACTIONS: [Action; 3] = [Action::Read, Action::Write, Action::Send];

/// An effect that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    /// Where on the disk's tape.
    pub(super) at: usize,
    pub(super) owner: usize,
    pub(super) intent: u64,
    pub(super) id: u64,
    pub(super) effect: u8,
}

/// Everything outside the kernel: nothing that happened there is undone by a power cut.
#[derive(Debug, Clone)]
pub(super) struct World {
    disk: SimDisk,
    done: Arc<Mutex<Vec<Done>>>,
}

impl World {
    pub(super) fn beside(disk: &SimDisk) -> Self {
        Self { disk: disk.clone(), done: Arc::default() }
    }

    pub(super) fn done(&self) -> Vec<Done> {
        self.done.lock().unwrap().clone()
    }
}

/// One owner's way to the world. It trusts the kernel: what keeps it from acting twice is not here.
#[derive(Debug, Clone)]
pub(super) struct Hand {
    pub(super) world: World,
    pub(super) owner: usize,
}

impl<const EFFECT: u8> Endpoint<Deed<EFFECT>> for Hand {
    fn admit(&self, _: &Deed<EFFECT>, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Deed<EFFECT>>) -> Result<u64, Fault> {
        let deed = task.operation();
        if deed.on.as_str() == BROKEN {
            return Err(Fault::new("broken", "before the effect"));
        }
        let (owner, intent, id) = (self.owner, task.intent(), deed.id);
        let at = self.world.disk.note();
        let done = Done { at, owner, intent, id, effect: EFFECT };
        self.world.done.lock().unwrap().push(done);
        if deed.on.as_str() == HALF {
            return Err(Fault::new("half", "after the effect"));
        }
        Ok(intent)
    }
}

/// Where the endpoint fails before anything happened, and where after.
pub(super) const BROKEN: &str = "fs:/work/broken";
pub(super) const HALF: &str = "fs:/work/half";
