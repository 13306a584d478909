//! Owners whose parties talk, their bytes carried by the test: set up once, and opened anew from
//! their ledgers for every schedule.
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

use clawnet_core::{
    Action, Agent, DenyCode, Grant, GrantId, IdentityId, Kernel, Owner, OwnerId, Refusal, Region,
    Signer as _, SoftwareKey, Timestamp,
};
use clawnet_net::*;
use shuttle::{
    future,
    rand::{Rng as _, thread_rng},
    thread,
};

use super::{history::History, slow::Slow};

/// One owner, two agents of one identity, and their party.
pub(super) struct Side {
    pub(super) agents: [Agent; 2],
    pub(super) grant: GrantId,
    pub(super) identity: IdentityId,
    pub(super) owner: Owner,
    pub(super) party: Party,
    seed: u8,
    store: Arc<Slow>,
}

/// What one thread does on one side.
pub(super) type Part = Box<dyn FnOnce(&Side) + Send>;

/// Everybody, before anything happens at once.
pub(super) struct Scene {
    each: Vec<Side>,
    /// What was let out and not carried.
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) sessions: Vec<SessionId>,
}

/// A scene that is set up by the first schedule, and opened again by all.
pub(super) struct Script(OnceLock<Scene>);

/// How often a thread lets others go first before it begins, at most.
const DAWDLES_MAX: usize = 48;

fn key(seed: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[seed; 32])
}

pub(super) fn id(seed: u8) -> OwnerId {
    key(seed).public_key().owner()
}

async fn kernel(seed: u8, store: &Arc<Slow>) -> Kernel {
    let breathing = store.clone();
    let clock = move || {
        breathing.breathe();
        Timestamp::from_millis(1_795_000_000_000)
    };
    let governing = Kernel::governing(key(seed).public_key()).project::<Relations>();
    let kernel = governing.open_shared(store.clone(), clock).await.unwrap();
    kernel.sign_with(key(seed + 100));
    kernel
}

impl Side {
    /// The owner with this seed, who lets agents speak to the others.
    fn new(seed: u8) -> Self {
        wait(async {
            let store = Arc::new(Slow::default());
            let kernel = kernel(seed, &store).await;
            let owner = kernel.owner(key(seed)).await.unwrap();
            owner.certify(key(seed + 100).public_key()).await.unwrap();
            let identity = owner.identity("work").await.unwrap();
            let mut rules = Grant::new();
            for other in (1..=3).filter(|other| *other != seed) {
                rules = rules.allow(Action::Send, contact(other));
            }
            let grant = owner.grant(identity, rules).await.unwrap();
            let one = owner.bind(identity, "assistant", "test").await.unwrap();
            let other = owner.bind(identity, "by hand", "desk").await.unwrap();
            let party = Party::of(Arc::new(kernel)).unwrap();
            Self { agents: [one, other], grant, identity, owner, party, seed, store }
        })
    }

    /// The same, from a copy of the ledger.
    fn opened(&self) -> Self {
        wait(async {
            let store = Arc::new(self.store.copy(self.id()).await);
            let kernel = kernel(self.seed, &store).await;
            let owner = kernel.owner(key(self.seed)).await.unwrap();
            let agents = [0, 1].map(|nth: usize| {
                let bound: &Agent = &self.agents[nth];
                owner.agent(bound.caller().agent()).unwrap()
            });
            let party = Party::of(Arc::new(kernel)).unwrap();
            let Self { grant, identity, seed, .. } = *self;
            Self { agents, grant, identity, owner, party, seed, store }
        })
    }

    pub(super) fn id(&self) -> OwnerId {
        id(self.seed)
    }

    fn shown(&self) -> Presenting {
        Presenting::new(self.identity, format!("office {}", self.seed))
    }

    /// Says `text`, or tells the code of what kept it from being said.
    pub(super) async fn say(
        &self,
        agent: usize,
        session: SessionId,
        text: &str,
    ) -> Result<u64, Unsaid> {
        let open = self.party.open(session).map_err(|error| Unsaid::Over(error.to_string()))?;
        let floor = open.floor(&self.agents[agent]).await.map_err(Unsaid::NoFloor)?;
        floor.say(text, Mark::Continue).await.map_err(Unsaid::Refused)
    }

    /// Words terms beneath a session.
    pub(super) async fn propose(
        &self,
        above: SessionId,
        proposal: Proposal,
    ) -> Result<SessionId, Unsaid> {
        let open = self.party.open(above).map_err(|error| Unsaid::Over(error.to_string()))?;
        let floor = open.floor(&self.agents[0]).await.map_err(Unsaid::NoFloor)?;
        floor.propose(proposal).await.map_err(Unsaid::Refused)
    }

    /// Takes in a message. What is answered rests on nothing that a power cut could take back.
    pub(super) async fn hear_well(&self, bytes: &[u8], from: OwnerId) -> Vec<Vec<u8>> {
        let answers = self.hear(bytes, from).await;
        let safe = self.store.safe();
        let heard = History::of(self).await.last_of(from).unwrap_or(0);
        let taken = answers.iter().any(|it| matches!(letter(it), Letter::Taken { .. }));
        assert!(!taken || heard <= safe, "taken, before it was on disk");
        answers
    }

    pub(super) async fn hear(&self, bytes: &[u8], from: OwnerId) -> Vec<Vec<u8>> {
        self.party.receive(bytes, &Proven::on_the_word_of_a_transport([from])).await
    }

    /// What leaves for `peer`, all of it, whatever left before. Nothing does that a power cut could
    /// still take back.
    pub(super) async fn letting_out(&self, peer: OwnerId) -> Vec<SignedEntry> {
        self.party.again(peer);
        let frames = self.party.outgoing(peer).await;
        let safe = self.store.safe();
        let history = History::of(self).await;
        let mut entries = Vec::new();
        for frame in &frames {
            let letter = letter(frame);
            let place = history.place_of(&letter).expect("what left is not in the ledger");
            assert!(place <= safe, "it left before it was on disk: {letter:?}");
            if let Letter::Entry { signed, .. } = letter {
                entries.push(*signed);
            }
        }
        entries
    }

    /// Runs all at once, with a disk that takes its time, and waits for the last.
    pub(super) fn at_once(self, each: Vec<Part>) -> Self {
        let disk = Slow::run(&self.store);
        let this = Arc::new(self);
        let spawn = |part: Part| {
            let side = Arc::clone(&this);
            let dawdles = thread_rng().gen_range(0..DAWDLES_MAX);
            thread::spawn(move || {
                // Some take many steps and others few: who begins late may still be between them.
                (0..dawdles).for_each(|_| thread::yield_now());
                part(&side);
            })
        };
        let parts: Vec<_> = each.into_iter().map(spawn).collect();
        for part in parts {
            part.join().unwrap();
        }
        this.store.stop();
        disk.join().unwrap();
        Arc::into_inner(this).unwrap()
    }
}

/// Why a turn was not said.
#[derive(Debug)]
pub(super) enum Unsaid {
    NoFloor(NoFloor),
    Over(String),
    Refused(Refusal),
}

impl Unsaid {
    /// In one word.
    pub(super) fn code(&self) -> String {
        match self {
            Self::NoFloor(NoFloor::Refused(reason)) => reason.code().to_owned(),
            Self::NoFloor(NoFloor::Denied(denial)) | Self::Refused(Refusal::Denied(denial)) => {
                if let DenyCode::Endpoint(code) = &denial.code {
                    code.as_str().to_owned()
                } else {
                    format!("{:?}", denial.code)
                }
            }
            Self::NoFloor(other) => other.to_string(),
            Self::Over(what) => what.clone(),
            Self::Refused(Refusal::Failed(fault)) => fault.code().to_owned(),
            Self::Refused(Refusal::Escalated(_)) => "asked".to_owned(),
            Self::Refused(Refusal::Ledger(error)) => panic!("{error}"),
        }
    }

    /// Nothing went wrong but what is one of these.
    pub(super) fn check(&self, codes: &[&str]) {
        let code = self.code();
        assert!(codes.contains(&&*code), "refused as {code}: {self:?}");
    }
}

/// What a message carries.
pub(super) fn letter(frame: &[u8]) -> Letter {
    Envelope::decode(frame).unwrap().body
}

pub(super) fn contact(seed: u8) -> Region {
    Region::exact(&format!("contact:{}", id(seed))).unwrap()
}

impl Script {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(OnceLock::new()))
    }

    /// Everybody, opened from their ledgers as `begin` left them.
    pub(super) fn play(&self, begin: impl FnOnce() -> Scene) -> Scene {
        let scene = self.0.get_or_init(begin);
        let each = scene.each.iter().map(Side::opened).collect();
        Scene { each, frames: scene.frames.clone(), sessions: scene.sessions.clone() }
    }
}

impl Scene {
    /// So many owners, each a contact of the next.
    pub(super) fn of(count: u8) -> Self {
        let each: Vec<_> = (1..=count).map(Side::new).collect();
        let scene = Self { each, frames: Vec::new(), sessions: Vec::new() };
        for two in scene.each.windows(2) {
            let [one, other] = two else { continue };
            wait(one.party.ask(&one.owner, other.id(), one.shown(), "valves")).unwrap();
            scene.settle();
            wait(other.party.confirm(&other.owner, one.id(), other.shown())).unwrap();
            scene.settle();
        }
        scene
    }

    /// And a session that two of them have agreed to.
    pub(super) fn agreeing(mut self, (one, other): (usize, usize), proposal: Proposal) -> Self {
        let [one, other] = [one, other].map(|nth: usize| &self.each[nth]);
        let session = wait(one.party.propose(&one.owner, proposal)).unwrap();
        self.settle();
        let digest = other.party.session(session).unwrap().wording.digest;
        wait(other.party.consent(&other.owner, session, digest)).unwrap();
        self.settle();
        self.sessions.push(session);
        self
    }

    /// And what was said in the last of them, in turn.
    pub(super) fn saying(self, speakers: &[usize]) -> Self {
        for nth in speakers {
            let session = *self.sessions.last().unwrap();
            wait(self.each[*nth].say(0, session, "go on")).unwrap();
            self.settle();
        }
        self
    }

    /// And what one of them did since, of which the other has not heard yet.
    pub(super) fn letting_out(
        mut self,
        (from, to): (usize, usize),
        act: impl AsyncFnOnce(&Side),
    ) -> Self {
        let [from, to] = [from, to].map(|nth: usize| &self.each[nth]);
        let frames = wait(async {
            act(from).await;
            from.party.outgoing(to.id()).await
        });
        self.frames = frames;
        self
    }

    /// And what one of them decided, of which everybody knows.
    pub(super) fn deciding(self, nth: usize, act: impl AsyncFnOnce(&Side)) -> Self {
        wait(act(&self.each[nth]));
        self.settle();
        self
    }

    pub(super) fn side(&self, nth: usize) -> &Side {
        &self.each[nth]
    }

    /// Runs parts at once on one side.
    pub(super) fn at_once(mut self, nth: usize, parts: Vec<Part>) -> Self {
        let side = self.each.remove(nth).at_once(parts);
        self.each.insert(nth, side);
        self
    }

    /// Carries everything between everybody until nobody has anything to say.
    pub(super) fn settle(&self) {
        for round in 0..64 {
            assert!(round < 63, "they never stop sending");
            let mut wire: VecDeque<(usize, usize, Vec<u8>)> = VecDeque::new();
            for (from, one) in self.each.iter().enumerate() {
                for (to, other) in self.each.iter().enumerate().filter(|(to, _)| *to != from) {
                    let frames = wait(one.party.outgoing(other.id()));
                    wire.extend(frames.into_iter().map(|frame| (from, to, frame)));
                }
            }
            if wire.is_empty() {
                break;
            }
            while let Some((from, to, frame)) = wire.pop_front() {
                let answers = wait(self.each[to].hear(&frame, self.each[from].id()));
                wire.extend(answers.into_iter().map(|answer| (to, from, answer)));
            }
        }
    }

    /// The same, as after a link came up.
    pub(super) fn settle_again(&self) {
        for one in &self.each {
            self.each.iter().for_each(|other| one.party.again(other.id()));
        }
        self.settle();
    }

    /// Carries everything, and finds both sides of a session with the same.
    pub(super) fn agrees(&self, session: SessionId) -> Vec<Dialogue> {
        self.settle_again();
        let held = self.each.iter().filter_map(|side| side.party.session(session));
        let held: Vec<_> = held.collect();
        for dialogue in &held {
            let first = &held[0];
            assert_eq!((dialogue.last, dialogue.used), (first.last, first.used));
            assert_eq!(dialogue.ended.is_some(), first.ended.is_some());
        }
        held
    }
}

/// What a thread waits for.
pub(super) fn wait<T>(what: impl Future<Output = T>) -> T {
    future::block_on(what)
}
