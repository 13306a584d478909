//! What may happen next: candidates, many of which the rules refuse.

use super::command::{Body, Command, Draft, Entry, Kind, Mark, Message, Reason};
use super::scene::{Menu, Scene};
use super::side::{Phase, Side};
use super::terms::{Address, LEVELS_MAX, Level, Owner, Scope, Terms, Who};
use super::world::{Contact, Stand, World};

/// All that may happen next in a scene, where owners may still intervene `left` times.
#[must_use]
pub fn moves(world: &World, scene: &Scene, left: u8) -> Vec<Command> {
    let mut all = Vec::new();
    for sent in world.wire.iter().filter(|sent| arrives(world, &sent.message)) {
        all.push(Command::Deliver(sent.message));
        if scene.has(Menu::Outsider) && !sent.taken {
            all.push(Command::Tamper(sent.message));
            all.push(Command::Forge(sent.message, Who::Manager));
            all.push(Command::Forge(sent.message, Who::Nobody));
        }
    }
    for owner in (0..scene.owners).filter(|owner| world.rules.hostile != Some(*owner)) {
        contacts(world, scene, owner, &mut all);
        drafts(world, scene, owner, &mut all);
        draws(world, scene, owner, &mut all);
        let Ok(kernel) = world.kernel(owner) else { continue };
        for side in kernel.sides.values() {
            if side.is_alive() {
                life(owner, side, scene, &mut all);
            }
        }
        if let Some(hostile) = world.rules.hostile {
            forgeries(world, (hostile, owner), &mut all);
        }
    }
    all.retain(|command| cost(command) <= left);
    all
}

/// Whether a message may arrive: there is somebody to take it, and it went out already.
fn arrives(world: &World, message: &Message) -> bool {
    let Ok(contact) = world.contact(message.from, message.to) else { return false };
    let out = message.body.act().is_none_or(|act| act <= contact.answered + 1);
    world.rules.hostile != Some(message.to) && (out || !world.rules.in_order)
}

/// How many interventions it takes: what owners and time do to a session or contact that lives.
#[must_use]
pub fn cost(command: &Command) -> u8 {
    match command {
        Command::Remove(..)
        | Command::Block(..)
        | Command::Unblock(..)
        | Command::Present(..)
        | Command::Freeze(..)
        | Command::Rekey(_)
        | Command::Amend(..)
        | Command::Pause(..)
        | Command::Close(..)
        | Command::Expire(..) => 1,
        Command::Ask(..)
        | Command::Confirm(..)
        | Command::AcceptKey(..)
        | Command::Propose(_)
        | Command::Draw(..)
        | Command::Consent(..)
        | Command::Turn(..)
        | Command::GiveBack(..)
        | Command::Resume(..)
        | Command::Deliver(_)
        | Command::Tamper(_)
        | Command::Forge(..) => 0,
    }
}

fn identities(scene: &Scene) -> impl Iterator<Item = Who> + use<> {
    let manager = scene.has(Menu::Outsider).then_some(Who::Manager);
    (1..=scene.identities).map(Who::Identity).chain(manager)
}

fn contacts(world: &World, scene: &Scene, owner: Owner, all: &mut Vec<Command>) {
    let Ok(kernel) = world.kernel(owner) else { return };
    for (peer, contact) in &kernel.contacts {
        let peer = *peer;
        if scene.has(Menu::Strangers) && contact.said < scene.acts_max {
            for who in identities(scene) {
                all.push(Command::Ask(owner, peer, who));
                all.push(Command::Confirm(owner, peer, who, contact.their_ask));
            }
        }
        if scene.has(Menu::Contacts) {
            all.push(Command::Remove(owner, peer));
            all.push(Command::Block(owner, peer));
            all.push(Command::Unblock(owner, peer));
            let others = identities(scene).filter(|who| contact.ours != Some(*who));
            all.extend(others.map(|who| Command::Present(owner, peer, who)));
        }
        if scene.has(Menu::Keys) {
            all.push(Command::AcceptKey(owner, peer));
        }
    }
    if scene.has(Menu::Freezes) {
        all.extend(identities(scene).map(|who| Command::Freeze(owner, who)));
    }
    if scene.has(Menu::Keys) && kernel.key == 0 {
        all.push(Command::Rekey(owner));
    }
}

fn drafts(world: &World, scene: &Scene, owner: Owner, all: &mut Vec<Command>) {
    let Ok(kernel) = world.kernel(owner) else { return };
    let mut draft = |parent: Option<(_, _)>, turns_max: u8| {
        let name = parent.map_or(world.next, |(_, child)| child);
        let peers = kernel.contacts.keys().copied();
        let peers = peers.filter(|peer| match parent {
            _ if scene.has(Menu::Line) => *peer == name + 1,
            Some(_) => true,
            None => *peer == 1 || scene.has(Menu::Roots),
        });
        let grant = parent.is_none();
        all.extend(peers.map(|peer| {
            Command::Propose(Draft { owner, peer, parent, turns_max, grant, depth_said: 0 })
        }));
    };
    if world.next < scene.sessions && (world.next == 0 && owner == 0 || scene.has(Menu::Roots)) {
        let turns = scene.turns.iter().copied();
        for turns_max in turns.filter(|turns| !scene.has(Menu::Line) || *turns == 3) {
            draft(None, turns_max);
        }
    }
    for side in kernel.sides.values().filter(|side| side.phase == Phase::Active) {
        let drafted = |child| kernel.sides.contains_key(&child);
        let open = side.shares.iter().filter(|share| share.back.is_none() && !drafted(share.child));
        for share in open {
            draft(Some((side.terms.session, share.child)), share.turns);
        }
    }
}

fn life(owner: Owner, side: &Side, scene: &Scene, all: &mut Vec<Command>) {
    let session = side.terms.session;
    if !side.consent.ours {
        all.push(Command::Consent(owner, side.terms));
    }
    if side.phase == Phase::Active {
        let marks = scene.marks.iter();
        all.extend(marks.map(|mark| Command::Turn(owner, session, *mark)));
        all.push(Command::Resume(owner, session));
        if scene.has(Menu::Pauses) {
            all.push(Command::Pause(owner, session));
        }
        let open = side.shares.iter().filter(|share| share.back.is_none());
        all.extend(open.map(|share| Command::GiveBack(owner, session, share.child)));
    }
    if scene.has(Menu::Amends) && side.terms.revision < scene.revisions {
        for turns_max in scene.turns.iter().copied() {
            for scope in [side.terms.scope, Scope::default().then(false)] {
                if (turns_max, scope) != (side.terms.turns_max, side.terms.scope) {
                    all.push(Command::Amend(owner, session, turns_max, scope));
                }
            }
        }
    }
    if scene.has(Menu::Closes) {
        all.push(Command::Close(owner, session));
    }
    if scene.has(Menu::Expires) {
        all.push(Command::Expire(owner, session));
    }
}

/// Turns set aside for children, as long as there may be more of them.
fn draws(world: &World, scene: &Scene, owner: Owner, all: &mut Vec<Command>) {
    let Ok(kernel) = world.kernel(owner) else { return };
    let left = world.next < scene.sessions;
    for side in kernel.sides.values().filter(|side| left && side.passes().is_ok() && side.floor) {
        let turns = scene.turns.iter().copied();
        let turns = turns.filter(|turns| !scene.has(Menu::Line) || turns + world.next == 3);
        all.extend(turns.map(|turns| Command::Draw(owner, side.terms.session, turns)));
    }
}

/// What a hostile owner may sign, near what would be taken.
fn forgeries(world: &World, (from, to): (Owner, Owner), all: &mut Vec<Command>) {
    let Ok(contact) = world.contact(to, from) else { return };
    let Ok(kernel) = world.kernel(to) else { return };
    let mut bodies = acts(contact);
    let next = contact.heard + 1;
    for side in kernel.sides.values().filter(|side| side.terms.peer(to) == Some(from)) {
        let terms = side.terms;
        bodies.extend(entries(side).map(Body::Entry));
        for after in 0..=side.number + 1 {
            bodies.push(Body::End(terms.session, after, Reason::Owner));
        }
        bodies.push(Body::Pause(next, terms.session, true));
        bodies.push(Body::Pause(next, terms.session, false));
        for turns_max in 0..=3 {
            for revision in [terms.revision, (terms.revision + 1).min(2)] {
                bodies.push(Body::Consent(next, Terms { revision, turns_max, ..terms }));
            }
        }
    }
    bodies.extend(invitations((from, to), next));
    bodies.retain(|body| body.act().is_none_or(|number| number <= ACTS_MAX));
    let forged = bodies.into_iter().map(|body| Message { from, to, key: 0, body });
    all.extend(forged.map(|message| Command::Forge(message, Who::Identity(1))));
}

/// A hostile owner's acts are not without end.
const ACTS_MAX: u8 = 3;

/// Invitations, the wrong ones too.
fn invitations((from, to): (Owner, Owner), next: u8) -> impl Iterator<Item = Body> {
    let level = |session, initiator, responder| Some(Level { session, initiator, responder });
    let ancestries = [
        [None; LEVELS_MAX],
        [level(4, 2, from), None, None],
        [level(4, to, from), None, None],
        [level(4, 2, 3), None, None],
        [level(4, to, 3), level(5, 3, from), None],
        [level(4, 2, 3), level(5, 3, 5), level(6, 5, from)],
    ];
    let whom = [Who::Identity(1), Who::Identity(2), Who::Manager, Who::Nobody];
    ancestries.into_iter().flat_map(move |ancestry| {
        whom.map(|who| {
            let terms = Terms {
                session: 3,
                revision: 0,
                turns_max: 2,
                scope: Scope::default(),
                initiator: Address { owner: from, who: Who::Identity(1) },
                responder: Address { owner: to, who },
                ancestry,
            };
            Body::Consent(next, terms)
        })
    })
}

fn acts(contact: &Contact) -> Vec<Body> {
    let next = contact.heard + 1;
    let who = Who::Identity(1);
    let mut acts = vec![Body::Ask(next, who), Body::Confirm(next, contact.our_ask, who)];
    if contact.stand == Stand::Mutual {
        acts.extend([Body::Part(next), Body::Present(next, Who::Identity(2))]);
    }
    acts
}

fn entries(side: &Side) -> impl Iterator<Item = Entry> + use<> {
    let terms = side.terms;
    let (number, chain) = (side.number, side.chain);
    let wrong = Terms { revision: terms.revision + 1, ..terms };
    let kinds = [
        Kind::Turn(Mark::Continue),
        Kind::Turn(Mark::Resolved),
        Kind::Draw(3, 1),
        Kind::Draw(3, 2),
        Kind::GiveBack(3, 0),
        Kind::GiveBack(3, 2),
    ];
    let near = [(number, chain), (number + 1, chain), (number + 1, chain ^ 1), (number + 2, chain)];
    kinds.into_iter().flat_map(move |kind| {
        near.into_iter().flat_map(move |(number, previous)| {
            [terms, wrong].map(|terms| Entry { terms, number, previous, kind })
        })
    })
}
