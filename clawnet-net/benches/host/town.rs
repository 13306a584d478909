//! Owners who know each other, and sessions between them.
use std::{collections::HashMap, sync::Arc};

use clawnet_core::{
    Action, Agent, Grant, IdentityId, Owner, OwnerId, PublicKey, Region, Signer as _, SoftwareKey,
    Store, Timestamp,
};
use clawnet_net::{
    Guest, Host, HostLimits, Keyring, Mark, Open, Presenting, Proposal, Proven, Session, SessionId,
};

/// One owner, with the handles their clients hold.
pub(crate) struct Citizen {
    pub(crate) agent: Agent,
    pub(crate) guest: Guest,
    pub(crate) id: OwnerId,
    pub(crate) identity: IdentityId,
    pub(crate) link: Proven,
    pub(crate) owner: Owner,
}

pub(crate) fn key(nth: usize) -> SoftwareKey {
    let mut secret = [7; 32];
    secret.iter_mut().zip(nth.to_le_bytes()).for_each(|(to, from)| *to = from);
    SoftwareKey::from_secret(&secret)
}

pub(crate) fn id(nth: usize) -> OwnerId {
    key(nth).public_key().owner()
}

/// Owners by number, and their kernels' keys.
pub(crate) struct Register(HashMap<OwnerId, (usize, PublicKey)>);

impl Register {
    pub(crate) fn of(numbers: impl IntoIterator<Item = usize>) -> Self {
        let entry = |nth: usize| {
            let founder = key(nth).public_key();
            (founder.owner(), (nth, founder))
        };
        Self(numbers.into_iter().map(entry).collect())
    }
}

impl Keyring for Register {
    fn founder(&self, owner: OwnerId) -> Option<PublicKey> {
        self.0.get(&owner).map(|(_, founder)| *founder)
    }

    fn kernel_key(&self, owner: OwnerId) -> Option<SoftwareKey> {
        self.0.get(&owner).map(|(nth, _)| key(nth + (1 << 32)))
    }
}

pub(crate) fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

pub(crate) fn host(
    store: Arc<dyn Store>,
    numbers: impl IntoIterator<Item = usize>,
    limits: HostLimits,
) -> Host {
    Host::over(store, now, Register::of(numbers)).limits(limits).open()
}

impl Citizen {
    /// Takes owner `nth` in at `host`, with an agent who may speak to `peers`.
    pub(crate) async fn join(host: &Host, nth: usize, peers: &[OwnerId]) -> Self {
        host.certify(id(nth), key(nth)).await.unwrap();
        let guest = host.party(id(nth)).await.unwrap();
        let owner = guest.kernel().owner(key(nth)).await.unwrap();
        let identity = owner.identity("work").await.unwrap();
        for peers in peers.chunks(Grant::RULES_MAX) {
            let rules = peers.iter().fold(Grant::new(), |rules, peer| {
                rules.allow(Action::Send, Region::exact(&format!("contact:{peer}")).unwrap())
            });
            owner.grant(identity, rules).await.unwrap();
        }
        let agent = owner.bind(identity, "assistant", "bench").await.unwrap();
        let link = Proven::on_the_word_of_a_transport([id(nth)]);
        Self { agent, guest, id: id(nth), identity, link, owner }
    }

    fn shown(&self) -> Presenting {
        Presenting::new(self.identity, "the office")
    }

    /// Speaks once in `session`.
    pub(crate) async fn say(&self, session: &Session<Open>, text: &str) {
        let floor = session.floor(&self.agent).await.unwrap();
        floor.say(text, Mark::Continue).await.unwrap();
    }
}

/// Carries everything from one to the other, and the answers back.
pub(crate) async fn carry(one: &Citizen, other: &Citizen) {
    for frame in one.guest.outgoing(other.id).await {
        for answer in other.guest.receive(&frame, &one.link).await {
            for more in one.guest.receive(&answer, &other.link).await {
                drop(other.guest.receive(&more, &one.link).await);
            }
        }
    }
}

/// Makes contacts of two.
pub(crate) async fn meet(one: &Citizen, other: &Citizen) {
    one.guest.ask(&one.owner, other.id, one.shown(), "about valves").await.unwrap();
    carry(one, other).await;
    other.guest.confirm(&other.owner, one.id, other.shown()).await.unwrap();
    carry(other, one).await;
}

/// A session both have agreed to, begun by the first.
pub(crate) async fn agree(one: &Citizen, other: &Citizen, turns: u32) -> SessionId {
    let proposal = Proposal::to(other.id, "2,000 valves, delivery in March").turns(turns);
    let session = one.guest.propose(&one.owner, proposal).await.unwrap();
    carry(one, other).await;
    let digest = other.guest.session(session).unwrap().wording.digest;
    other.guest.consent(&other.owner, session, digest).await.unwrap();
    carry(other, one).await;
    session
}
