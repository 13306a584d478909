//! What the ledger says is so: the fold of every record, and nothing else.
//!
//! State changes only by [`State::fold`], live and at replay, so no change is unaudited and
//! replaying a ledger gives the same state, digest for digest.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    approval::Question,
    denial::DenyCode,
    digest::Digest,
    fact::{FactError, Misfit, NotProjected},
    id::{AgentId, GrantId, IdentityId, OwnerId, TicketId},
    key::{BadSignature, PublicKey},
    record::{Act, Actor, Event, HeadError, Intent, Outcome, OutcomeKind, REKEYS_MAX, SignedAct},
    rule::{Grant, GrantError, Rule, RuleId},
    scope::{Held, Meter},
    time::Timestamp,
};

mod check;
mod peer;

pub(crate) use peer::Peer;

pub(crate) use check::may_cause;

/// Everything the kernel knows about one owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) owner: OwnerId,
    /// The key the ledger began with, which names it.
    pub(crate) founder: PublicKey,
    /// The key the owner signs with now.
    pub(crate) key: PublicKey,
    /// The key checkpoints are signed with now, if the owner certified one.
    pub(crate) kernel_key: Option<PublicKey>,
    /// The acts that lead from the first key to the kernel's: each change of the owner's, and the
    /// last certificate.
    pub(crate) credential: Vec<SignedAct>,
    /// Bodies that are to be gone, and are not known to be.
    pub(crate) erasing: BTreeSet<Digest>,
    /// The time of the last record.
    pub(crate) at: Timestamp,
    /// How many acts the owner has signed.
    pub(crate) acts: u64,
    /// Whether everything stands still.
    pub(crate) frozen: bool,
    /// Counts what changes every scope at once.
    epoch: u64,
    pub(crate) identities: BTreeMap<IdentityId, IdentityState>,
    pub(crate) agents: BTreeMap<AgentId, AgentState>,
    grants: BTreeMap<GrantId, Issued>,
    /// Questions that wait, or that were answered with a yes not spent yet.
    pub(crate) questions: BTreeMap<TicketId, Asked>,
    /// Intents without an outcome, and where they were to be performed.
    pub(crate) intents: BTreeMap<u64, std::sync::Arc<str>>,
    /// Interrupted intents whose endpoint has not been asked yet.
    pub(crate) interrupted: BTreeMap<u64, std::sync::Arc<str>>,
    /// Counterparts whose ledgers' heads were seen.
    pub(crate) peers: BTreeMap<OwnerId, Peer>,
    /// The latest records the owner should look at.
    pub(crate) security: VecDeque<u64>,
}

/// One identity, as far as the fold knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct IdentityState {
    pub(crate) name: String,
    pub(crate) parent: Option<IdentityId>,
    pub(crate) standing: Standing,
    /// Counts every change to what this identity itself may do.
    epoch: u64,
    grants: BTreeSet<GrantId>,
    /// Digests of what the owner said no to, the latest last.
    rejected: VecDeque<Digest>,
}

/// One agent: for whom it acts, and what it is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AgentState {
    pub(crate) identity: IdentityId,
    pub(crate) name: String,
    pub(crate) runtime: String,
    pub(crate) job: Option<String>,
}

/// Whether an identity may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It may, within its scope.
    Live,
    /// Not until the owner lets it go on.
    Frozen,
    /// Never again. Where its archive is kept.
    Retired {
        /// The archive's content digest.
        archive: Digest,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Issued {
    identity: IdentityId,
    sequence: u64,
    rules: Vec<(Rule, Option<Meter>)>,
}

/// A question and whether the owner said yes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) question: Question,
    pub(crate) granted: bool,
}

/// How deep identities may stand beneath one another; the owner's own are at depth 1.
pub(crate) const DEPTH_MAX: usize = 4;
/// How many rejections of an identity are remembered.
const REJECTED_MAX: usize = 1024;
/// How many security events are remembered by number.
const SECURITY_MAX: usize = 1024;
/// How many counterparts' heads are remembered.
const PEERS_MAX: usize = 1024;

impl State {
    pub(crate) fn new(key: PublicKey) -> Self {
        Self {
            owner: key.owner(),
            founder: key,
            key,
            kernel_key: None,
            credential: Vec::new(),
            erasing: BTreeSet::new(),
            at: Timestamp::default(),
            acts: 0,
            frozen: false,
            epoch: 0,
            identities: BTreeMap::new(),
            agents: BTreeMap::new(),
            grants: BTreeMap::new(),
            questions: BTreeMap::new(),
            intents: BTreeMap::new(),
            interrupted: BTreeMap::new(),
            peers: BTreeMap::new(),
            security: VecDeque::new(),
        }
    }

    /// Folds one record in, which [`State::check`] let pass.
    pub(crate) fn fold(&mut self, sequence: u64, (at, actor): (Timestamp, Actor), event: &Event) {
        self.at = self.at.max(at);
        match event {
            Event::Act(signed) => self.act(sequence, at, signed),
            Event::Asked(question) => self.ask(question),
            Event::Delegated { grant, identity, name, rules, .. } => {
                if let Actor::Agent { identity: parent, .. } = actor {
                    self.identity(*identity, name, Some(parent));
                    self.grant(sequence, *grant, (*identity, rules));
                }
            }
            Event::Intent(intent) => self.intend(sequence, at, intent),
            Event::Outcome(outcome) => self.conclude(sequence, outcome),
            Event::Recalled { intent, .. } => {
                self.interrupted.remove(intent);
                self.notice(sequence);
            }
            Event::Denied(_) | Event::Recovered { .. } => self.notice(sequence),
            Event::Erased { body } => {
                self.erasing.remove(body);
            }
            Event::Misbehaved(proof) => {
                self.mark(sequence, proof.owner());
                self.notice(sequence);
            }
            Event::Witnessed { checkpoint, credential } => {
                self.witness(sequence, checkpoint, credential.as_ref());
            }
            Event::Checkpoint(_)
            | Event::Declared { .. }
            | Event::Opened { .. }
            | Event::Snapshot { .. } => {}
        }
    }

    /// The policy epoch of `identity`: it grows with every change to its scope or to one it
    /// descends from, and never falls.
    pub(crate) fn epoch(&self, identity: IdentityId) -> u64 {
        let chain = self.chain(identity);
        let own = chain.iter().filter_map(|id| self.identities.get(id)).map(|state| state.epoch);
        self.epoch + own.sum::<u64>()
    }

    /// Counts every change to what `identity` itself was granted.
    pub(crate) fn own_epoch(&self, identity: IdentityId) -> u64 {
        self.identities.get(&identity).map_or(0, |state| state.epoch)
    }

    /// `identity` and those it descends from, the outermost first. Empty if it is unknown.
    pub(crate) fn chain(&self, identity: IdentityId) -> SmallVec<[IdentityId; DEPTH_MAX]> {
        let mut chain = SmallVec::new();
        let mut next = Some(identity);
        while let Some((id, state)) = next.and_then(|id| Some((id, self.identities.get(&id)?))) {
            chain.insert(0, id);
            next = state.parent;
        }
        chain
    }

    /// Why `identity` may do nothing at all, if so.
    pub(crate) fn barred(&self, identity: IdentityId) -> Option<DenyCode> {
        let chain = self.chain(identity);
        if chain.is_empty() {
            return Some(DenyCode::Foreign);
        }
        if self.frozen {
            return Some(DenyCode::KernelFrozen);
        }
        let standings = chain.iter().filter_map(|id| self.identities.get(id));
        standings.map(|state| state.standing).fold(None, |found, standing| match standing {
            Standing::Retired { .. } => Some(DenyCode::Retired),
            Standing::Frozen => found.or(Some(DenyCode::Frozen)),
            Standing::Live => found,
        })
    }

    /// What `identity` was granted, for compiling; and the epoch of just that.
    pub(crate) fn held(&self, identity: IdentityId) -> (u64, Vec<Held>) {
        let Some(state) = self.identities.get(&identity) else { return (0, Vec::new()) };
        let issued = state.grants.iter().filter_map(|id| Some((*id, self.grants.get(id)?)));
        let rules = issued.flat_map(|(grant, issued)| {
            let numbered = (0..).zip(&issued.rules);
            numbered.map(move |(index, (rule, meter))| Held {
                id: RuleId { grant, index },
                issued: issued.sequence,
                rule: rule.clone(),
                meter: meter.clone(),
            })
        });
        (state.epoch, rules.collect())
    }

    /// The grants `identity` holds.
    pub(crate) fn grants(&self, identity: IdentityId) -> Vec<(GrantId, Grant)> {
        let Some(state) = self.identities.get(&identity) else { return Vec::new() };
        let issued = state.grants.iter().filter_map(|id| Some((*id, self.grants.get(id)?)));
        let whole = issued.map(|(id, issued)| {
            let rules = issued.rules.iter().map(|(rule, _)| rule.clone());
            (id, rules.fold(Grant::new(), Grant::rule))
        });
        whole.collect()
    }

    /// Whether the owner said no to exactly this before.
    pub(crate) fn is_rejected(&self, identity: IdentityId, digest: Digest) -> bool {
        self.identities.get(&identity).is_some_and(|state| state.rejected.contains(&digest))
    }

    /// The question about this operation that is not over, if there is one.
    pub(crate) fn asked(&self, identity: IdentityId, digest: Digest) -> Option<&Asked> {
        self.questions.values().find(|asked| {
            let question = &asked.question;
            question.digest == digest && question.identity == identity
        })
    }

    /// The questions of `identity` that wait at `now`.
    pub(crate) fn waiting(
        &self,
        identity: IdentityId,
        now: Timestamp,
    ) -> impl Iterator<Item = &Asked> {
        let own = self.questions.values().filter(move |asked| asked.question.identity == identity);
        own.filter(move |asked| !asked.granted && now < asked.question.expires)
    }

    fn act(&mut self, sequence: u64, at: Timestamp, signed: &SignedAct) {
        self.acts = signed.number;
        match &signed.act {
            Act::Approve(approval) => {
                if let Some(asked) = self.questions.get_mut(&approval.ticket) {
                    asked.granted = true;
                }
            }
            Act::Bind { agent, identity, job, name, runtime } => {
                let (name, runtime, job) = (name.clone(), runtime.clone(), job.clone());
                self.agents.insert(*agent, AgentState { identity: *identity, name, runtime, job });
            }
            Act::Certify { key } => {
                self.kernel_key = Some(*key);
                self.credential.retain(|signed| matches!(signed.act, Act::Rekey { .. }));
                self.credential.push(signed.clone());
            }
            Act::Declare { .. } => {}
            Act::Dismiss { agent } => {
                if let Some(AgentState { identity, .. }) = self.agents.remove(agent) {
                    self.changed(identity);
                }
            }
            Act::Erase { body } => {
                self.erasing.insert(*body);
            }
            Act::Freeze { identity } => self.stand(*identity, Standing::Frozen),
            Act::Unfreeze { identity } => self.stand(*identity, Standing::Live),
            Act::Grant { grant, identity, rules } => {
                self.grant(sequence, *grant, (*identity, rules));
            }
            Act::Identity { identity, name, parent } => self.identity(*identity, name, *parent),
            Act::Reject { ticket } => self.reject(*ticket),
            Act::Rekey { key, .. } => {
                self.key = *key;
                self.credential.push(signed.clone());
            }
            Act::Retire { archive, identity } => {
                self.retire(*identity, *archive);
            }
            Act::Revoke { grant } => {
                if let Some(issued) = self.grants.remove(grant) {
                    if let Some(state) = self.identities.get_mut(&issued.identity) {
                        state.grants.remove(grant);
                    }
                    self.changed(issued.identity);
                }
            }
        }
        self.questions.retain(|_, asked| at < asked.question.expires);
    }

    fn identity(&mut self, identity: IdentityId, name: &str, parent: Option<IdentityId>) {
        let state = IdentityState {
            name: name.into(),
            parent,
            standing: Standing::Live,
            epoch: 1,
            grants: BTreeSet::new(),
            rejected: VecDeque::new(),
        };
        self.identities.insert(identity, state);
    }

    fn grant(&mut self, sequence: u64, grant: GrantId, (identity, rules): (IdentityId, &Grant)) {
        let metered = |rule: &Rule| (rule.clone(), rule.budget().map(|_| Meter::default()));
        let rules = rules.rules().iter().map(metered).collect();
        self.grants.insert(grant, Issued { identity, sequence, rules });
        if let Some(state) = self.identities.get_mut(&identity) {
            state.grants.insert(grant);
        }
        self.changed(identity);
    }

    fn stand(&mut self, identity: Option<IdentityId>, standing: Standing) {
        match identity {
            None => {
                self.frozen = standing == Standing::Frozen;
                self.epoch += 1;
                self.questions.clear();
            }
            Some(identity) => {
                if let Some(state) = self.identities.get_mut(&identity) {
                    state.standing = standing;
                }
                self.changed(identity);
            }
        }
    }

    fn retire(&mut self, identity: IdentityId, archive: Digest) {
        self.stand(Some(identity), Standing::Retired { archive });
        self.agents.retain(|_, agent| agent.identity != identity);
        if let Some(state) = self.identities.get_mut(&identity) {
            state.rejected.clear();
            for grant in std::mem::take(&mut state.grants) {
                self.grants.remove(&grant);
            }
        }
    }

    fn reject(&mut self, ticket: TicketId) {
        let Some(asked) = self.questions.remove(&ticket) else { return };
        if let Some(state) = self.identities.get_mut(&asked.question.identity) {
            state.rejected.push_back(asked.question.digest);
            if state.rejected.len() > REJECTED_MAX {
                state.rejected.pop_front();
            }
        }
    }

    /// What `identity` may do has changed: decisions and approvals from before are void, of those
    /// who descend from it too.
    fn changed(&mut self, identity: IdentityId) {
        if let Some(state) = self.identities.get_mut(&identity) {
            state.epoch += 1;
        }
        let void =
            |state: &Self, asked: &Asked| state.chain(asked.question.identity).contains(&identity);
        let tickets: Vec<_> =
            self.questions.iter().filter(|(_, asked)| void(self, asked)).collect();
        let tickets: Vec<_> = tickets.into_iter().map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            self.questions.remove(&ticket);
        }
    }

    fn ask(&mut self, question: &Question) {
        let (digest, identity) = (question.digest, question.identity);
        self.questions.retain(|_, asked| {
            let same = asked.question.digest == digest && asked.question.identity == identity;
            !same && self.at < asked.question.expires
        });
        let asked = Asked { question: question.clone(), granted: false };
        self.questions.insert(question.ticket, asked);
    }

    fn intend(&mut self, sequence: u64, at: Timestamp, intent: &Intent) {
        if let Some(ticket) = intent.approval {
            self.questions.remove(&ticket);
        }
        for rule in &intent.rules {
            if let Some((budget, meter)) = self.meter(*rule) {
                meter.spend(budget, at);
            }
        }
        self.intents.insert(sequence, intent.mount.clone());
    }

    /// Whether one of `rules` counts its uses.
    pub(crate) fn is_metered(&self, rules: &[RuleId]) -> bool {
        rules.iter().any(|rule| self.meter(*rule).is_some())
    }

    fn meter(&self, rule: RuleId) -> Option<(crate::rule::Budget, &Meter)> {
        let issued = self.grants.get(&rule.grant)?;
        let (rule, meter) = issued.rules.get(usize::from(rule.index))?;
        Some((rule.budget()?, meter.as_ref()?))
    }

    fn conclude(&mut self, sequence: u64, outcome: &Outcome) {
        let mount = self.intents.remove(&outcome.intent);
        match (&outcome.result, mount) {
            (OutcomeKind::Interrupted, Some(mount)) => {
                self.interrupted.insert(outcome.intent, mount);
                if self.interrupted.len() > SECURITY_MAX {
                    self.interrupted.pop_first();
                }
                self.notice(sequence);
            }
            (OutcomeKind::Failed { .. }, _) => self.notice(sequence),
            (OutcomeKind::Done | OutcomeKind::Interrupted, _) => {}
        }
    }

    /// Remembers a record that the owner should look at.
    pub(crate) fn notice(&mut self, sequence: u64) {
        self.security.push_back(sequence);
        if self.security.len() > SECURITY_MAX {
            self.security.pop_front();
        }
    }
}

/// Why an act of the owner cannot be. Nothing was changed or recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
    /// No such identity in this ledger. It may be one of another owner.
    #[error("no identity {0} here")]
    UnknownIdentity(IdentityId),
    /// No such agent in this ledger, or it was dismissed.
    #[error("no agent {0} here")]
    UnknownAgent(AgentId),
    /// No such grant in this ledger, or it was revoked.
    #[error("no grant {0} here")]
    UnknownGrant(GrantId),
    /// No such question waits: it was answered, lapsed, or was voided by a change of policy.
    #[error("no question {0} waits")]
    UnknownTicket(TicketId),
    /// The identity is retired, for good.
    #[error("{0} is retired")]
    Retired(IdentityId),
    /// There is nothing frozen to let go on.
    #[error("it is not frozen")]
    NotFrozen,
    /// Identities stand at most four deep.
    #[error("identities stand at most {DEPTH_MAX} deep")]
    TooDeep,
    /// A name is empty, longer than 64 characters, or has characters that do not show.
    #[error("a name has 1 to 64 visible characters")]
    Name,
    /// The grant says what can never be.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// Written down, it would exceed what one record may hold.
    #[error("it has {size_bytes} bytes, more than a record may hold")]
    TooLarge {
        /// How many it has.
        size_bytes: usize,
    },
    /// The identifier is taken, or the name, where an agent chose it.
    #[error("the name or identifier is taken")]
    Taken,
    /// An agent made as many identities beneath its own as it may.
    #[error("there are too many identities beneath it")]
    TooMany,
    /// The signed yes is not one to the question that waits.
    #[error("the approval is not for what was asked")]
    ApprovalMismatch,
    /// The key is in use already, as the owner's or the kernel's.
    #[error("the key is in use already")]
    KeyInUse,
    /// The owner changed keys as often as a ledger bears.
    #[error("the owner's key was changed {REKEYS_MAX} times")]
    TooManyKeys,
    /// The act is not the next one, or its signature is not the owner's.
    #[error("act {number} is not the owner's next")]
    NotTheOwners {
        /// The number it bears.
        number: u64,
    },
    /// What a counterpart showed is not what it should be.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The fact may not follow.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// It is no fact of the projection it names.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// Nobody folds such facts here.
    #[error(transparent)]
    NotProjected(#[from] NotProjected),
    /// A signature the fact rests on is not what it should be.
    #[error("a signature the fact rests on: {0}")]
    Claim(#[from] BadSignature),
    /// As many counterparts are remembered as a ledger bears.
    #[error("the heads of {PEERS_MAX} counterparts are remembered, and of no more")]
    TooManyPeers,
    /// A record that cannot follow what stands before it: an outcome of no intent, say.
    #[error("the record does not follow from those before it")]
    OutOfPlace,
}
