//! A made-up operation, and the endpoint in memory that answers as it was told to.
//!
//! A probe demands whatever a file says, so any rule can be tried without the thing it is about:
//! a tool, an environment, a repository. There is one kind for each effect.
use std::{
    collections::BTreeSet,
    future::poll_fn,
    marker::PhantomData,
    panic::resume_unwind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Digest, Effect, Endpoint, Fault,
    Operation, OwnerId, Recall, Recalled, Resource, Version,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An operation that touches what it says it touches.
#[derive(Debug, Serialize)]
pub(super) struct Probe<E> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_digest: Option<Digest>,
    demands: Vec<(Action, Resource)>,
    payload: Value,
    #[serde(skip)]
    content: Option<String>,
    #[serde(skip)]
    first: (Action, Resource),
    #[serde(skip)]
    effect: PhantomData<E>,
}

/// What a probe does to the world.
pub(super) trait Effective: Send + Sync + 'static {
    const KIND: &'static str;
    const EFFECT: Effect;
}

/// It only looks.
#[derive(Debug)]
pub(super) struct Observe;
/// It changes something.
#[derive(Debug)]
pub(super) struct Change;
/// It lets something leave.
#[derive(Debug)]
pub(super) struct Release;

impl Effective for Observe {
    const KIND: &'static str = "probe.observe";
    const EFFECT: Effect = Effect::Observe;
}

impl Effective for Change {
    const KIND: &'static str = "probe.change";
    const EFFECT: Effect = Effect::Change;
}

impl Effective for Release {
    const KIND: &'static str = "probe.release";
    const EFFECT: Effect = Effect::Release;
}

impl<E> Probe<E> {
    /// A probe of these demands, or none if there are none: an operation touches something.
    pub(super) fn new(
        demands: Vec<(Action, Resource)>,
        payload: Value,
        content: Option<String>,
    ) -> Option<Self> {
        let first = demands.first()?.clone();
        let content_digest = content.as_ref().map(|text| Digest::of_content(text.as_bytes()));
        Some(Self { content_digest, demands, payload, content, first, effect: PhantomData })
    }
}

impl<E: Effective> Operation for Probe<E> {
    const KIND: &'static str = E::KIND;
    type Output = Value;
    const EFFECT: Effect = E::EFFECT;

    fn demands(&self) -> Demands<'_> {
        let demands = Demands::one(self.first.0, &self.first.1);
        let more = self.demands.iter().skip(1);
        more.fold(demands, |demands, (action, resource)| demands.and(*action, resource))
    }

    fn content(&self) -> Option<&[u8]> {
        self.content.as_ref().map(String::as_bytes)
    }
}

/// What the endpoint will say and do, and what it did. Clones share it; it outlives a restart, as
/// the world outside does.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner(Arc<Mutex<Answers>>);

#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) admit: Admit,
    pub(super) perform: Perform,
    pub(super) recall: Option<Recalled>,
    /// Whether it checks, right before the effect, that nothing was revoked.
    pub(super) confirm: bool,
    pub(super) performed: u64,
    /// How many effects have hung so far, and which of them may go on.
    pub(super) hung: u64,
    pub(super) resumed: BTreeSet<u64>,
}

/// Layer 2's answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Admit {
    #[default]
    Yes,
    /// Yes, on the thing in this state.
    Version(String),
    Deny(String),
    Panic,
}

/// How performing goes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Perform {
    #[default]
    Ok,
    Fail(String),
    Panic,
    /// It waits until it is resumed or dropped.
    Hang,
}

impl Manner {
    pub(super) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this very effect is resumed. Whoever resumes it polls it again.
    async fn hang(&self) {
        let number = {
            let mut answers = self.answers();
            answers.hung += 1;
            answers.hung
        };
        poll_fn(|_| {
            let resumed = self.answers().resumed.remove(&number);
            if resumed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The endpoint of all probes.
#[derive(Debug)]
pub(super) struct Mirror(pub(super) Manner);

impl<E: Effective> Endpoint<Probe<E>> for Mirror {
    fn admit(&self, _: &Probe<E>, _: &Caller) -> Result<Admission, Denial> {
        let said = self.0.answers().admit.clone();
        match said {
            Admit::Yes => Ok(Admission::unversioned()),
            Admit::Version(version) => Ok(Admission::at(Version::of(&[version.as_bytes()]))),
            Admit::Deny(reason) => Err(Denial::by_endpoint("veto", reason)),
            Admit::Panic => resume_unwind(Box::new("told to")),
        }
    }

    async fn perform(&self, task: Authorized<'_, Probe<E>>) -> Result<Value, Fault> {
        let (said, confirm) = {
            let answers = self.0.answers();
            (answers.perform.clone(), answers.confirm)
        };
        match said {
            Perform::Ok => {}
            Perform::Fail(what) => return Err(Fault::new("failed", what)),
            Perform::Panic => resume_unwind(Box::new("told to")),
            Perform::Hang => self.0.hang().await,
        }
        if confirm {
            task.confirm()?;
        }
        self.0.answers().performed += 1;
        Ok(task.operation().payload.clone())
    }
}

impl Recall for Mirror {
    fn recall(&self, _: OwnerId, _: u64) -> Recalled {
        self.0.answers().recall.unwrap_or(Recalled::Unknown)
    }
}
