//! Real parties, driven by the model's commands.
use std::{collections::BTreeMap, sync::Arc};

use clawnet_core::{
    Act, Action, Agent, Event, Grant, IdentityId, Kernel, ManualClock, MemoryStore, OwnerId,
    Refusal, Region, Signer as _, SoftwareKey, Timestamp,
};
use clawnet_net::{
    Amendment, Bond, Decision, Dialogue, Ending, Envelope, Floor, Letter, Mark, NOBODY, Party,
    PartyError, Presenting, Proposal, Proven, Relations, Said, SessionId, Side,
};
use futures::executor::block_on;

use super::super::{
    command::{self, Body, Command, Draft, Message, Reason},
    side::{self, Phase},
    terms::{Owner, Session, Who},
    world::{Contact, Stand, World},
};

/// What a kernel answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    Refused(&'static str),
    No,
}

/// Tells one message from the others.
type Picks = Box<dyn Fn(&Body) -> bool>;

/// One owner, with all they have.
struct One {
    agents: [Agent; 2],
    identities: [IdentityId; 2],
    id: OwnerId,
    owner: clawnet_core::Owner,
    party: Party,
    link: Proven,
}

impl One {
    fn new(seed: u8, all: &[OwnerId]) -> Self {
        block_on(async {
            let key = |seed: u8| SoftwareKey::from_secret(&[seed; 32]);
            let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
            let governing = Kernel::governing(key(seed).public_key()).project::<Relations>();
            let kernel = governing.open(MemoryStore::new(), clock).await.unwrap();
            let owner = kernel.owner(key(seed)).await.unwrap();
            owner.certify(key(seed + 100).public_key()).await.unwrap();
            kernel.sign_with(key(seed + 100));
            let (mut identities, mut agents) = (Vec::new(), Vec::new());
            for name in ["one", "two"] {
                let identity = owner.identity(name).await.unwrap();
                let mut rules = Grant::new();
                for other in all.iter().filter(|other| **other != kernel.owner_id()) {
                    let contact = Region::exact(&format!("contact:{other}")).unwrap();
                    rules = rules.allow(Action::Send, contact);
                }
                owner.grant(identity, rules).await.unwrap();
                agents.push(owner.bind(identity, name, "tests").await.unwrap());
                identities.push(identity);
            }
            let (id, party) = (kernel.owner_id(), Party::of(Arc::new(kernel)).unwrap());
            let link = Proven::on_the_word_of_a_transport([id]);
            let (agents, identities) = (agents.try_into().unwrap(), identities.try_into().unwrap());
            Self { agents, identities, id, owner, party, link }
        })
    }

    fn who(&self, identity: IdentityId) -> Option<Who> {
        let place = self.identities.iter().position(|own| *own == identity)?;
        Some(Who::Identity(u8::try_from(place).ok()? + 1))
    }

    fn shown(&self, who: Who) -> Option<Presenting> {
        let Who::Identity(number) = who else { return None };
        let identity = *self.identities.get(usize::from(number.checked_sub(1)?))?;
        Some(Presenting::new(identity, format!("role {number}")))
    }
}

/// All of them, and what they have sent.
pub(super) struct Real {
    all: Vec<One>,
    names: BTreeMap<Session, SessionId>,
    /// The real numbers of an owner's acts towards another, in order.
    acts: BTreeMap<(Owner, Owner), Vec<u64>>,
    frames: BTreeMap<Message, Vec<u8>>,
    texts: u64,
    /// What was sent and is not the model's.
    strange: Vec<String>,
}

impl Real {
    pub(super) fn new(owners: u8) -> Self {
        let keys = (1..=owners).map(|seed| SoftwareKey::from_secret(&[seed; 32]));
        let ids: Vec<OwnerId> = keys.map(|key| key.public_key().owner()).collect();
        let all = (1..=owners).map(|seed| One::new(seed, &ids)).collect();
        let (names, acts, frames) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { all, names, acts, frames, texts: 0, strange: Vec::new() }
    }

    fn one(&self, owner: Owner) -> &One {
        &self.all[usize::from(owner)]
    }

    /// A name nobody knows stands for a session the model does not know either.
    fn name(&self, session: Session) -> SessionId {
        let nobodys = || format!("ses_{session:032x}").parse().unwrap();
        self.names.get(&session).copied().unwrap_or_else(nobodys)
    }

    /// Whether it can be done: a message must have been seen.
    pub(super) fn knows(&self, command: &Command) -> bool {
        match command {
            Command::Deliver(message) => self.frames.contains_key(message),
            _ => true,
        }
    }

    /// Does it. None if it cannot be said to the real ones.
    pub(super) fn run(&mut self, now: &World, command: &Command, next: &World) -> Option<Answer> {
        if let Command::Deliver(message) = *command {
            return self.deliver(&message, next);
        }
        let owner = by(command)?;
        let head = self.one(owner).party.kernel().head().sequence;
        let answer = self.act(now, command)?;
        self.note_acts(owner, head);
        self.harvest(owner, next);
        Some(answer)
    }

    fn act(&mut self, now: &World, command: &Command) -> Option<Answer> {
        self.texts += 1;
        let one = self.one(by(command)?);
        let (party, owner) = (&one.party, &one.owner);
        let id = |peer: Owner| self.one(peer).id;
        match *command {
            Command::Turn(_, session, mark) => return Some(self.speak(one, session, mark)),
            Command::GiveBack(_, parent, child) => return Some(self.give_back(one, parent, child)),
            Command::Freeze(_, who) => {
                let frozen = block_on(owner.freeze(one.shown(who)?.identity));
                return Some(if frozen.is_ok() { Answer::Yes } else { Answer::No });
            }
            _ => {}
        }
        let done = block_on(async {
            Some(match *command {
                Command::Ask(_, peer, who) => party.ask(owner, id(peer), one.shown(who)?, "").await,
                Command::Confirm(by, peer, who, asked) => {
                    let waits = now.contact(by, peer).ok()?.their_ask;
                    if waits != asked {
                        return None;
                    }
                    party.confirm(owner, id(peer), one.shown(who)?).await
                }
                Command::Remove(_, peer) => party.remove(owner, id(peer)).await,
                Command::Block(_, peer) => party.block(owner, id(peer)).await,
                Command::Unblock(_, peer) => party.unblock(owner, id(peer)).await,
                Command::Present(_, peer, who) => {
                    party.present(owner, id(peer), one.shown(who)?).await
                }
                Command::Consent(_, terms) => {
                    let session = self.name(terms.session);
                    let dialogue = party.session(session);
                    let wording = dialogue.as_ref().map(wording);
                    let same =
                        wording.filter(|it| it.terms.revision == u32::from(terms.revision) + 1);
                    let digest = same.map_or(clawnet_core::Digest::ZERO, |it| it.digest);
                    party.consent(owner, session, digest).await
                }
                Command::Amend(by, session, turns_max, scope) => {
                    let mut other = Amendment::new().turns(turns_max.into());
                    let terms = now.side(by, session).ok().map(|side| side.terms);
                    if terms.is_some_and(|terms| terms.scope != scope) {
                        // What comes from above is not to be amended.
                        terms.filter(|terms| terms.depth() == 0)?;
                        let region = Region::subtree("fs:/amended").unwrap();
                        other = other.scope(Grant::new().allow(Action::Read, region));
                    }
                    party.amend(owner, self.name(session), other).await.map(drop)
                }
                Command::Pause(_, session) => party.pause(owner, self.name(session)).await,
                Command::Resume(_, session) => party.resume(owner, self.name(session)).await,
                Command::Close(_, session) => party.close(owner, self.name(session)).await,
                _ => return None,
            })
        });
        Some(answer(&done?))
    }

    /// The agent of the session's own identity takes the floor.
    fn agent<'a>(&self, one: &'a One, session: Session) -> Option<&'a Agent> {
        let dialogue = one.party.session(self.name(session))?;
        let place = one.identities.iter().position(|own| *own == dialogue.ours().identity())?;
        one.agents.get(place)
    }

    fn speak(&self, one: &One, session: Session, mark: command::Mark) -> Answer {
        let mark = match mark {
            command::Mark::Continue => Mark::Continue,
            command::Mark::Resolved => Mark::Resolved,
            command::Mark::Deadlock => Mark::Deadlock,
        };
        let text = format!("turn {}", self.texts);
        self.hold(one, session, &async |floor| floor.say(&text, mark).await)
    }

    fn give_back(&self, one: &One, parent: Session, child: Session) -> Answer {
        let child = self.name(child);
        self.hold(one, parent, &async |floor| floor.give_back(child).await)
    }

    /// Takes the floor and uses it; where the owner is asked, the owner says yes.
    fn hold(
        &self,
        one: &One,
        session: Session,
        used: &impl AsyncFn(Floor<'_>) -> Result<u64, Refusal>,
    ) -> Answer {
        let done = block_on(async {
            let open = one.party.open(self.name(session)).ok()?;
            let agent = self.agent(one, session)?;
            let first = used(open.floor(agent).await.ok()?).await;
            let Err(Refusal::Escalated(ticket)) = first else { return first.ok() };
            one.owner.approve(ticket.id).await.ok()?;
            used(open.floor(agent).await.ok()?).await.ok()
        });
        if done.is_some() { Answer::Yes } else { Answer::No }
    }

    /// Draws if it is to be beneath another, drafts, and consents.
    pub(super) fn propose(&mut self, draft: Draft, name: Session, next: &World) -> Answer {
        let one = self.one(draft.owner);
        let head = one.party.kernel().head().sequence;
        let mut proposal =
            Proposal::to(self.one(draft.peer).id, "valves").turns(draft.turns_max.into());
        if let Some((parent, _)) = draft.parent {
            proposal = proposal.within(self.name(parent));
        }
        let done = block_on(one.party.propose(&one.owner, proposal));
        let found = done.as_ref().ok().copied().or_else(|| self.stray(draft.owner));
        if let Some(session) = found {
            self.names.insert(name, session);
        }
        self.note_acts(draft.owner, head);
        self.harvest(draft.owner, next);
        answer(&done.map(drop))
    }

    /// A session that was begun and not finished.
    fn stray(&self, owner: Owner) -> Option<SessionId> {
        let known = |id: &SessionId| self.names.values().any(|known| known == id);
        let sessions = self.one(owner).party.sessions();
        let drawn = sessions.iter().flat_map(|(_, it)| it.drawn.keys().copied());
        let mut all = sessions.iter().map(|(id, _)| *id).chain(drawn);
        all.find(|id| !known(id))
    }

    /// Which of the owner's new acts were said to whom.
    fn note_acts(&mut self, owner: Owner, head: u64) {
        let records = block_on(self.one(owner).owner.records(head + 1, usize::MAX)).unwrap();
        for record in records {
            let Event::Act(signed) = record.event else { continue };
            let Act::Declare { .. } = &signed.act else { continue };
            let Some(Said::Decided(decision)) = signed.declared::<Relations>() else { continue };
            let session =
                |id: SessionId| self.one(owner).party.session(id).map(|dialogue| dialogue.peer());
            let peer = match decision {
                Decision::Ask { peer, .. }
                | Decision::Confirm { peer, .. }
                | Decision::Remove { peer }
                | Decision::Present { peer, .. } => Some(peer),
                Decision::Consent { session: id, .. }
                | Decision::Pause { session: id }
                | Decision::Resume { session: id } => session(id),
                _ => None,
            };
            let place = self.all.iter().position(|one| Some(one.id) == peer);
            if let Some(peer) = place.and_then(|place| u8::try_from(place).ok()) {
                self.acts.entry((owner, peer)).or_default().push(signed.number);
            }
        }
    }

    /// Everything an owner has to send goes on the wire.
    fn harvest(&mut self, owner: Owner, world: &World) {
        for peer in (0..u8::try_from(self.all.len()).unwrap()).filter(|peer| *peer != owner) {
            let party = &self.one(owner).party;
            party.again(self.one(peer).id);
            for frame in block_on(party.outgoing(self.one(peer).id)) {
                self.sent((owner, peer), frame, world);
            }
        }
    }

    fn sent(&mut self, (from, to): (Owner, Owner), frame: Vec<u8>, world: &World) {
        let Some(is_it) = self.reads((from, to), &frame) else { return };
        let sent = world.wire.iter().map(|sent| sent.message);
        let mut of = sent.filter(|message| (message.from, message.to) == (from, to));
        let message = of.find(|message| is_it(&message.body));
        let Some(message) = message else {
            let frame = String::from_utf8_lossy(&frame);
            self.strange.push(format!("{from} says to {to} what the model does not: {frame}"));
            return;
        };
        self.frames.entry(message).or_insert(frame);
    }

    /// Which of the model's messages a frame is.
    fn reads(&self, between: (Owner, Owner), frame: &[u8]) -> Option<Picks> {
        let session = |id: SessionId| {
            let found = self.names.iter().find(|(_, known)| **known == id);
            found.map(|(name, _)| *name)
        };
        match Envelope::decode(frame).unwrap().body {
            Letter::Act { shown, .. } => {
                let acts = self.acts.get(&between)?;
                let place = acts.iter().position(|number| *number == shown.act.number)?;
                let act = u8::try_from(place).ok()? + 1;
                Some(Box::new(move |body| body.act() == Some(act)))
            }
            Letter::Entry { signed, .. } => {
                let name = session(signed.entry.session);
                let number = u8::try_from(signed.entry.number).ok()?;
                Some(Box::new(move |body| match body {
                    Body::Entry(entry) => {
                        Some(entry.terms.session) == name && entry.number == number
                    }
                    _ => false,
                }))
            }
            Letter::End(signed) => {
                let name = session(signed.end.session);
                Some(Box::new(
                    move |body| matches!(body, Body::End(session, ..) if Some(*session) == name),
                ))
            }
            _ => None,
        }
    }

    fn deliver(&mut self, message: &Message, next: &World) -> Option<Answer> {
        let frame = self.frames.get(message)?.clone();
        let (from, to) = (message.from, message.to);
        let answers = block_on(self.one(to).party.receive(&frame, &self.one(from).link));
        let mut answer = None;
        for letter in answers {
            let said = if letter == NOBODY {
                Some(Answer::Refused("unknown"))
            } else {
                match Envelope::decode(&letter).unwrap().body {
                    Letter::Taken { .. } => Some(Answer::Yes),
                    Letter::Refused { reason, .. } => Some(Answer::Refused(reason.code())),
                    _ => None,
                }
            };
            if said.is_some() {
                answer = answer.or(said);
                let link = &self.one(to).link;
                drop(block_on(self.one(from).party.receive(&letter, link)));
            } else {
                self.sent((to, from), letter, next);
            }
        }
        self.harvest(to, next);
        self.harvest(from, next);
        Some(answer.unwrap_or(Answer::No))
    }

    /// A byte is another on the way. Whatever is answered: what came before is answered as it was,
    /// by its number alone; nothing may come of it.
    pub(super) fn tamper(&self, message: &Message, roll: u64) {
        let Some(frame) = self.frames.get(message) else { return };
        let mut frame = frame.clone();
        // What leads to a key that is known already is not verified again.
        let text = String::from_utf8_lossy(&frame);
        let end = text.find("\"credential\"").unwrap_or(frame.len());
        let place = usize::try_from(roll >> 8).unwrap() % end;
        frame[place] ^= 1 << (roll % 7);
        let link = &self.one(message.from).link;
        drop(block_on(self.one(message.to).party.receive(&frame, link)));
    }

    /// It arrives at somebody else, and from somebody else.
    pub(super) fn misdeliver(&self, message: &Message, owners: u8) {
        let Some(frame) = self.frames.get(message) else { return };
        for at in (0..owners).filter(|at| *at != message.to) {
            let link = &self.one(message.from).link;
            let answers = block_on(self.one(at).party.receive(frame, link));
            assert_eq!(answers, [NOBODY.to_vec()]);
        }
        for by in (0..owners).filter(|by| *by != message.from) {
            let link = &self.one(by).link;
            let answers = block_on(self.one(message.to).party.receive(frame, link));
            assert_eq!(answers, [NOBODY.to_vec()]);
        }
    }

    /// Everything in which the kernels hold something else than the model.
    pub(super) fn differs(&self, world: &World) -> Vec<String> {
        let mut differs = self.strange.clone();
        for (owner, kernel) in (0..).zip(&world.kernels) {
            let one = self.one(owner);
            for (peer, contact) in &kernel.contacts {
                let (model, real) = (held(contact), self.contact(one, *peer));
                if model != real {
                    differs.push(format!("{owner} of {peer}: model {model:?}, kernel {real:?}"));
                }
            }
            for (session, side) in &kernel.sides {
                let model = Some(state(side));
                let real = one.party.session(self.name(*session)).map(|it| real_state(&it));
                if model != real {
                    differs
                        .push(format!("{owner} in {session}:\n model {model:?}\nkernel {real:?}"));
                }
            }
            let (model, real) = (kernel.sides.len(), one.party.sessions().len());
            if model != real {
                differs.push(format!("{owner} has {real} sessions, in the model {model}"));
            }
        }
        differs
    }

    fn contact(&self, one: &One, peer: Owner) -> (Stand, bool, Option<Who>, Option<Who>) {
        let Some(contact) = one.party.contact(self.one(peer).id) else {
            return (Stand::Ended, false, None, None);
        };
        let stand = match contact.bond {
            Bond::Asked => Stand::Asked,
            Bond::Asking => Stand::Asking,
            Bond::Mutual => Stand::Mutual,
            Bond::Ended => Stand::Ended,
        };
        let ours = contact.ours.and_then(|shown| one.who(shown.identity));
        let theirs = contact.theirs.and_then(|shown| self.one(peer).who(shown.identity));
        (stand, contact.blocked, ours, theirs)
    }
}

/// What both hold of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    phase: Phase,
    used: u32,
    drawn: u32,
    number: u64,
    floor: bool,
    consent: Option<(bool, bool)>,
    paused: (bool, bool),
    revision: Option<u32>,
    turns_max: Option<u32>,
    initiated: bool,
    levels: usize,
}

fn real_state(dialogue: &Dialogue) -> State {
    let wording = wording(dialogue);
    let phase = match dialogue.ended {
        Some(ended) => Phase::Closed(reason(ended.reason)),
        None if dialogue.opened => Phase::Active,
        None => Phase::Invited,
    };
    let phase = alike(phase);
    let alive = dialogue.ended.is_none();
    State {
        phase,
        used: dialogue.used,
        drawn: dialogue.set_aside(),
        number: dialogue.last,
        floor: dialogue.floor == dialogue.role,
        consent: alive.then_some((wording.ours.is_some(), wording.theirs.is_some())),
        paused: (dialogue.pauses.ours, dialogue.pauses.theirs),
        revision: alive.then_some(wording.terms.revision),
        turns_max: alive.then_some(wording.terms.turns_max),
        initiated: dialogue.role == Side::Initiator,
        levels: wording.terms.ancestry.len(),
    }
}

fn state(side: &side::Side) -> State {
    let alive = side.is_alive();
    State {
        phase: alike(side.phase),
        used: side.used.into(),
        drawn: side.drawn.into(),
        number: side.number.into(),
        floor: side.floor,
        consent: alive.then_some((side.consent.ours, side.consent.theirs)),
        paused: (side.paused.ours, side.paused.theirs),
        revision: alive.then_some(u32::from(side.terms.revision) + 1),
        turns_max: alive.then_some(side.terms.turns_max.into()),
        initiated: side.initiated,
        levels: side.terms.depth(),
    }
}

/// Where several sessions end at once, which of them ends another one is a matter of their names.
fn alike(phase: Phase) -> Phase {
    match phase {
        Phase::Closed(Reason::Parent | Reason::Frozen | Reason::Contact) => {
            Phase::Closed(Reason::Owner)
        }
        other => other,
    }
}

fn held(contact: &Contact) -> (Stand, bool, Option<Who>, Option<Who>) {
    let stand = match contact.stand {
        Stand::None | Stand::Ended => Stand::Ended,
        Stand::Asking | Stand::Crossed => Stand::Asking,
        Stand::Asked => Stand::Asked,
        Stand::Mutual => Stand::Mutual,
    };
    (stand, contact.blocked, contact.ours, contact.theirs)
}

fn wording(dialogue: &Dialogue) -> &clawnet_net::Wording {
    dialogue.amended.as_deref().unwrap_or(&dialogue.wording)
}

fn reason(ending: Ending) -> Reason {
    match ending {
        Ending::Contact => Reason::Contact,
        Ending::Deadlock => Reason::Deadlock,
        Ending::Declined => Reason::Declined,
        Ending::Frozen => Reason::Frozen,
        Ending::Lapsed => Reason::Lapsed,
        Ending::Limit => Reason::Limit,
        Ending::Owner => Reason::Owner,
        Ending::Parent => Reason::Parent,
        Ending::Resolved => Reason::Resolved,
        _ => Reason::Expired,
    }
}

fn answer(done: &Result<(), PartyError>) -> Answer {
    if done.is_ok() { Answer::Yes } else { Answer::No }
}

/// Who does it, if an owner does.
fn by(command: &Command) -> Option<Owner> {
    match *command {
        Command::Ask(owner, ..)
        | Command::Confirm(owner, ..)
        | Command::Remove(owner, _)
        | Command::Block(owner, _)
        | Command::Unblock(owner, _)
        | Command::Present(owner, ..)
        | Command::Freeze(owner, _)
        | Command::Consent(owner, _)
        | Command::Amend(owner, ..)
        | Command::Turn(owner, ..)
        | Command::GiveBack(owner, ..)
        | Command::Pause(owner, _)
        | Command::Resume(owner, _)
        | Command::Close(owner, _) => Some(owner),
        _ => None,
    }
}
