//! The outbox: where what an agent says leaves, and layer 2 for it.
//!
//! It decides from the state of the session alone: who may speak there, what comes next, how much is
//! left. No rule of any scope is asked.
use std::{fmt::Display, sync::Arc};

use clawnet_core::{
    Admission, Authorized, Caller, DeclareError, Denial, Endpoint, Fault, Kernel, Operation,
    Projection, Timestamp,
};

use crate::{
    address::Address,
    dialogue::Dialogue,
    entry::{ENTRY, Entry, LedgerHead, SignedEntry, What, said_of},
    id::SessionId,
    lanes::{Lanes, Token},
    reason::Reason,
    relations::{Because, Relations},
    said::Said,
    terms::Proposal,
    wire::{Envelope, Letter, To},
};

mod operations;

pub(crate) use operations::{GiveBack, Place, Propose, Say, contact};

/// The endpoint of everything that is said in sessions.
pub(crate) struct Outbox {
    kernel: Arc<Kernel>,
    lanes: Arc<Lanes>,
}

/// What leaves has to continue this, and goes there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// The size of this ledger that the other side will have been shown by then.
    shown: Option<u64>,
    to: Address,
}

/// One entry on its way out.
pub(crate) struct Leaving<'a> {
    pub(crate) at: Timestamp,
    pub(crate) place: Place,
    pub(crate) text: Option<&'a str>,
    pub(crate) way: Way,
    pub(crate) what: What,
}

impl Outbox {
    pub(crate) fn new(kernel: Arc<Kernel>, lanes: Arc<Lanes>) -> Self {
        Self { kernel, lanes }
    }

    /// The session, as far as `look` wants to see it.
    fn look<T>(
        &self,
        session: SessionId,
        look: impl FnOnce(&Relations, &Dialogue) -> Result<T, Denial>,
    ) -> Result<T, Denial> {
        let looked = self.kernel.read(|net: &Relations| match net.session(session) {
            Some(dialogue) => look(net, dialogue),
            None => Err(denied(Reason::Unknown)),
        });
        looked.unwrap_or_else(|error| Err(Denial::by_endpoint("not_projected", error.to_string())))
    }

    /// Whether `caller` may say `what` there, next.
    fn admits(&self, place: &Place, caller: &Caller, what: &What) -> Result<Way, Denial> {
        let now = self.kernel.now();
        self.look(place.session, |net, dialogue| {
            let ours = dialogue.ours();
            if (caller.owner(), caller.identity()) != (ours.owner(), ours.identity()) {
                return Err(Denial::by_endpoint("identity", "another identity speaks there"));
            }
            if dialogue.speaker.is_some_and(|speaker| speaker != caller.agent()) {
                return Err(Denial::by_endpoint("speaker", "the owner lets another agent speak"));
            }
            let because = cause(caller);
            let wordless = because == Some(Because::Turns(place.session)) && what.turn().is_none();
            if !wordless && because != Some(Because::Words(place.session)) {
                let what = "only who acts because of the session speaks in it";
                return Err(Denial::by_endpoint("cause", what));
            }
            let contact = net.contact(dialogue.peer()).ok_or_else(|| denied(Reason::Unknown))?;
            contact.check_open().map_err(denied)?;
            way(place, dialogue, (what, now)).map_err(denied)
        })
    }

    /// The way out for what this owner decides by hand.
    pub(crate) fn way(&self, place: &Place, what: &What) -> Result<Way, Denial> {
        let now = self.kernel.now();
        self.look(place.session, |_, dialogue| way(place, dialogue, (what, now)).map_err(denied))
    }

    /// Lets an entry leave because the owner says so.
    pub(crate) async fn utter_by_hand(&self, leaving: Leaving<'_>) -> Result<u64, Fault> {
        self.utter(leaving, None::<&Authorized<'_, Say>>).await
    }

    /// Signs an entry, records that it leaves, and lets it: for the task, as long as it may.
    async fn utter<O: Operation>(
        &self,
        leaving: Leaving<'_>,
        task: Option<&Authorized<'_, O>>,
    ) -> Result<u64, Fault> {
        let Leaving { at, place, text, way, what } = leaving;
        let Place { number, previous, session, terms } = place;
        let grown = self.kernel.growth(way.shown.unwrap_or(0)).await.map_err(failed)?;
        let entry = Entry { at, number, previous, session, terms, what };
        let head = LedgerHead { root: grown.root, size: grown.size };
        let of = entry.digest();
        let signature = self.kernel.vouch(ENTRY, &said_of(of, head)).map_err(failed)?;
        let signed = Box::new(SignedEntry::new(entry, head, signature));
        let said = Said::Sent(signed.clone());
        let body = text.map(str::as_bytes);
        let peer = way.to.owner();
        let stirring = self.lanes.stirring(peer);
        let declared = match task {
            Some(task) => {
                task.confirm()?;
                task.declare::<Relations>(&said, body).await
            }
            None => self.kernel.declare::<Relations>(&said, body).await,
        };
        declared.map_err(misfit)?;
        // From here on it is the ledger's to be told: what is not handed out now is later.
        let letter = Letter::Entry { path: grown.path, signed, text: text.map(str::to_owned) };
        let envelope = Envelope::new(self.kernel.owner_id(), To::Identity(way.to), letter);
        if let Ok(frame) = envelope.encode() {
            self.lanes.put(peer, (of, Token::Entry(session, number)), frame);
            stirring.calm();
        }
        Ok(number)
    }

    /// Words terms. Nobody has agreed to them.
    pub(crate) fn draft(
        &self,
        proposal: &Proposal,
        session: SessionId,
    ) -> Result<Said, DeclareError> {
        let now = self.kernel.now();
        let terms = self.kernel.read(|net: &Relations| net.draft(proposal, session, now))?;
        let terms = terms.map_err(clawnet_core::Misfit::from)?;
        Ok(Said::Drafted(Box::new(terms)))
    }

    /// What a session proposed behind record `sequence` is called.
    pub(crate) fn name(&self, proposal: &Proposal, sequence: u64) -> SessionId {
        let mut head = self.kernel.head();
        head.sequence = sequence;
        SessionId::drafted(self.kernel.owner_id(), head, proposal.peer)
    }
}

/// Whether `what` may be said at `place`, and how it gets out.
fn way(place: &Place, dialogue: &Dialogue, (what, now): (&What, Timestamp)) -> Result<Way, Reason> {
    dialogue.check_next(dialogue.role, what, now)?;
    if *place != Place::next(dialogue) {
        return Err(Reason::Stale);
    }
    let flying = dialogue.in_flight.back().map(|sent| sent.head.size);
    Ok(Way { shown: flying.or(dialogue.proven), to: dialogue.theirs() })
}

/// Because of what in which session somebody acts, if because of one.
fn cause(caller: &Caller) -> Option<Because> {
    let cause = caller.cause().filter(|cause| cause.projection() == Relations::NAME)?;
    Because::of(cause)
}

impl Endpoint<Say> for Outbox {
    fn admit(&self, say: &Say, caller: &Caller) -> Result<Admission, Denial> {
        // No text grows more than sixfold.
        if say.text.len() > TEXT_BYTES_MAX / 6 && say.escaped_size() > TEXT_BYTES_MAX {
            return Err(denied(Reason::Oversize));
        }
        let way = self.admits(&say.place, caller, &say.what())?;
        Ok(Admission::unversioned().holding(way))
    }

    async fn perform(&self, task: Authorized<'_, Say>) -> Result<u64, Fault> {
        let say = task.operation();
        let way = held(&task)?;
        let (at, place, what) = (task.at(), say.place, say.what());
        let leaving = Leaving { at, place, text: Some(&say.text), way, what };
        self.utter(leaving, Some(&task)).await
    }
}

impl Endpoint<GiveBack> for Outbox {
    fn admit(&self, give: &GiveBack, caller: &Caller) -> Result<Admission, Denial> {
        let way = self.admits(&give.place, caller, &give.what())?;
        Ok(Admission::unversioned().holding(way))
    }

    async fn perform(&self, task: Authorized<'_, GiveBack>) -> Result<u64, Fault> {
        let give = task.operation();
        let way = held(&task)?;
        let (at, place, what) = (task.at(), give.place, give.what());
        self.utter(Leaving { at, place, text: None, way, what }, Some(&task)).await
    }
}

impl Endpoint<Propose> for Outbox {
    fn admit(&self, propose: &Propose, caller: &Caller) -> Result<Admission, Denial> {
        let place = propose.place();
        // Whoever acts because of a session proposes within it, or gets out of what limits it.
        if cause(caller).map(Because::session) != place.map(|place| place.session)
            || caller.cause().is_some() != place.is_some()
        {
            let what = "who acts because of a session proposes within it, and nobody else";
            return Err(Denial::by_endpoint("cause", what));
        }
        let proposal = propose.proposal();
        let session = self.name(proposal, 0);
        let now = self.kernel.now();
        let drafted = self.kernel.read(|net: &Relations| net.draft(proposal, session, now));
        let terms = drafted.map_err(|error| Denial::by_endpoint("net", error.to_string()))?;
        let terms = terms.map_err(denied)?;
        terms.check().map_err(|error| Denial::by_endpoint("terms", error.to_string()))?;
        if terms.initiator.identity() != caller.identity() {
            return Err(Denial::by_endpoint("identity", "the contact meets another identity"));
        }
        let admission = Admission::unversioned();
        let Some(place) = place else { return Ok(admission) };
        let way = self.admits(&place, caller, &propose.draw(session))?;
        Ok(admission.holding(way))
    }

    async fn perform(&self, task: Authorized<'_, Propose>) -> Result<SessionId, Fault> {
        let propose = task.operation();
        let proposal = propose.proposal();
        let session = self.name(proposal, task.intent());
        if let Some(place) = propose.place() {
            let (at, way, what) = (task.at(), held(&task)?, propose.draw(session));
            self.utter(Leaving { at, place, text: None, way, what }, Some(&task)).await?;
        }
        task.confirm()?;
        let said = self.draft(proposal, session).map_err(misfit)?;
        task.declare::<Relations>(&said, None).await.map_err(misfit)?;
        Ok(session)
    }
}

fn held<O: Operation>(task: &Authorized<'_, O>) -> Result<Way, Fault> {
    let way: Option<&Way> = task.held();
    way.copied().ok_or_else(|| Fault::new("way", "nobody looked where it goes"))
}

fn denied(reason: Reason) -> Denial {
    Denial::by_endpoint(reason.code(), reason.to_string())
}

fn failed(error: impl Display) -> Fault {
    Fault::new("ledger", error.to_string())
}

/// Why the ledger did not take it.
fn misfit(error: DeclareError) -> Fault {
    if let DeclareError::Misfit(misfit) = error {
        return Fault::relayed(misfit.code, misfit.what);
    }
    failed(error)
}

/// How many bytes of an envelope a text may take: the rest of the entry needs some as well.
const TEXT_BYTES_MAX: usize = Envelope::SIZE_BYTES_MAX - (24 << 10);
