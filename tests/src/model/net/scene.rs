//! Where a search starts and how far it goes.

use super::command::{Command, Mark};
use super::terms::{Owner, Session, Who};
use super::world::{Bug, Rules, World, step};

/// What may happen in a scene, beside drafts, consents and turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Menu {
    /// Owners ask and confirm.
    Strangers,
    /// Owners remove, block, and change what they present.
    Contacts,
    /// Identities are frozen.
    Freezes,
    /// Keys change.
    Keys,
    /// Terms are amended.
    Amends,
    /// Sessions are paused.
    Pauses,
    /// Sessions are closed.
    Closes,
    /// Time passes.
    Expires,
    /// Anybody may draft a session with anybody, not just the first owner with the second.
    Roots,
    /// Each session asks the next owner, for one turn less than the session before.
    Line,
    /// The wire changes fields, addresses managers and nobody, and drafts lie about their depth.
    Outsider,
}

/// Bounds of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scene {
    /// What it is called.
    pub name: &'static str,
    /// How many owners.
    pub owners: u8,
    /// Identities of each.
    pub identities: u8,
    /// Everybody is everybody's contact at the start.
    pub acquainted: bool,
    /// Sessions drafted at most.
    pub sessions: Session,
    /// Limits of turns that are proposed.
    pub turns: &'static [u8],
    /// How turns may leave the dialogue.
    pub marks: &'static [Mark],
    /// Amendments of one session at most.
    pub revisions: u8,
    /// Acts of one owner towards another, before it asks no more.
    pub acts_max: u8,
    /// How often owners and time may intervene.
    pub interventions: u8,
    /// Levels above a session at most.
    pub depth_max: usize,
    /// What may happen.
    pub menu: &'static [Menu],
    /// Acts arrive in order; else also where an answer was forged, and one is sent too early.
    pub in_order: bool,
    /// Who signs whatever it likes.
    pub hostile: Option<Owner>,
    /// The rule that is off.
    pub bug: Option<Bug>,
}

impl Scene {
    /// Whether something may happen here.
    #[must_use]
    pub fn has(&self, item: Menu) -> bool {
        self.menu.contains(&item)
    }

    /// The same with so many interventions.
    #[must_use]
    pub const fn until(self, interventions: u8) -> Self {
        Self { interventions, ..self }
    }

    /// The same with a rule turned off.
    #[must_use]
    pub fn with(self, bug: Bug) -> Self {
        Self { bug: Some(bug), ..self }
    }

    /// The world it starts from.
    #[must_use]
    pub fn start(&self) -> World {
        let rules = Rules {
            depth_max: self.depth_max,
            children_max: 2,
            acquainted: false,
            in_order: false,
            hostile: None,
            bug: None,
        };
        let mut world = World::of_strangers(self.owners, rules);
        if self.acquainted {
            for (one, other) in self.meetings() {
                world = acquaint(&world, one, other);
            }
            world.wire.clear();
        }
        for (one, other) in self.meetings().filter(|_| self.in_order) {
            answered(&mut world, one, other);
        }
        let (acquainted, in_order) = (self.acquainted, self.in_order);
        let (hostile, bug) = (self.hostile, self.bug);
        world.rules = Rules { acquainted, in_order, hostile, bug, ..rules };
        world
    }

    fn meetings(&self) -> impl Iterator<Item = (Owner, Owner)> + use<> {
        let owners = self.owners;
        (0..owners).flat_map(move |one| (one + 1..owners).map(move |other| (one, other)))
    }
}

/// What both have said so far was answered.
fn answered(world: &mut World, one: Owner, other: Owner) {
    for (owner, peer) in [(one, other), (other, one)] {
        if let Ok(contact) = world.contact_mut(owner, peer) {
            contact.answered = contact.said;
        }
    }
}

/// One asks, the other confirms, and both hear of it.
fn acquaint(world: &World, one: Owner, other: Owner) -> World {
    let mut world = world.clone();
    let who = Who::Identity(1);
    for command in [Command::Ask(one, other, who), Command::Confirm(other, one, who, 1)] {
        world = step(&world, &command).0;
        for sent in world.wire.clone().into_iter().filter(|sent| !sent.taken) {
            world = step(&world, &Command::Deliver(sent.message)).0;
        }
    }
    world
}

const GOES_ON: &[Mark] = &[Mark::Continue];
const MARKS: &[Mark] = &[Mark::Continue, Mark::Resolved];

/// Two owners and all that can happen between them.
pub const PAIR: Scene = Scene {
    name: "pair",
    owners: 2,
    identities: 1,
    acquainted: true,
    sessions: 1,
    turns: &[0, 1, 2, 3],
    marks: MARKS,
    revisions: 1,
    acts_max: 6,
    interventions: 2,
    depth_max: 2,
    menu: &[Menu::Contacts, Menu::Freezes, Menu::Amends, Menu::Pauses, Menu::Closes, Menu::Expires],
    in_order: false,
    hostile: None,
    bug: None,
};

/// The same, where acts arrive in order.
pub const ORDERED: Scene = Scene { name: "ordered", in_order: true, ..PAIR };

/// Two owners who never met.
pub const STRANGERS: Scene = Scene {
    name: "strangers",
    identities: 2,
    acquainted: false,
    turns: &[1],
    marks: GOES_ON,
    acts_max: 2,
    interventions: 2,
    menu: &[Menu::Strangers, Menu::Contacts, Menu::Outsider],
    ..PAIR
};

/// Three owners, and a session below a session.
pub const THREE: Scene = Scene {
    name: "three",
    owners: 3,
    identities: 2,
    sessions: 2,
    turns: &[1, 3],
    marks: GOES_ON,
    interventions: 1,
    ..PAIR
};

/// Four owners, and sessions as deep as they go.
pub const FOUR: Scene = Scene {
    name: "four",
    owners: 4,
    sessions: 3,
    turns: &[1, 2, 3],
    marks: GOES_ON,
    interventions: 1,
    menu: &[Menu::Closes],
    ..PAIR
};

/// The same, each with somebody new and one turn less.
pub const LINE: Scene = Scene { name: "line", menu: &[Menu::Closes, Menu::Line], ..FOUR };

/// Three owners, and as many sessions as would lead back to the first.
pub const CIRCLE: Scene =
    Scene { name: "circle", owners: 3, turns: &[1, 2, 3], interventions: 0, menu: &[], ..FOUR };

/// Three owners, and nothing may be below anything.
pub const SHALLOW: Scene =
    Scene { name: "shallow", depth_max: 0, sessions: 2, menu: &[Menu::Outsider], ..CIRCLE };

/// Two owners who change their keys.
pub const KEYS: Scene =
    Scene { name: "keys", interventions: 2, menu: &[Menu::Keys, Menu::Closes], ..PAIR };

/// One owner, and another who signs whatever it likes.
pub const HOSTILE: Scene = Scene {
    name: "hostile",
    hostile: Some(1),
    turns: &[2, 3],
    interventions: 1,
    menu: &[Menu::Amends, Menu::Contacts, Menu::Pauses, Menu::Closes],
    ..PAIR
};

/// Two owners who cannot agree.
pub const AGAIN: Scene = Scene {
    name: "again",
    turns: &[2, 3],
    marks: GOES_ON,
    revisions: 2,
    menu: &[Menu::Amends],
    ..ORDERED
};

/// Three owners who change what they agreed on while turns are set aside.
pub const FEWER: Scene =
    Scene { name: "fewer", owners: 3, sessions: 2, turns: &[1, 3], interventions: 1, ..AGAIN };

/// All of them, each so far that together they take some minutes.
pub const SCENES: [Scene; 12] = [
    PAIR.until(3),
    ORDERED,
    STRANGERS,
    THREE.until(2),
    FOUR,
    LINE.until(2),
    CIRCLE,
    SHALLOW,
    KEYS.until(3),
    AGAIN.until(4),
    FEWER,
    HOSTILE,
];

/// All of them, each so far that together they take some seconds.
pub const SMALL_SCENES: [Scene; 11] = [
    PAIR,
    ORDERED,
    STRANGERS.until(1),
    THREE,
    LINE,
    CIRCLE,
    SHALLOW,
    KEYS,
    AGAIN,
    FEWER,
    HOSTILE.until(0),
];

/// Each rule that can be turned off, and a scene that shows it.
pub const PLANTED: [(Bug, Scene); 24] = [
    (Bug::LimitOffByOne, PAIR),
    (Bug::InitiatorConsents, PAIR),
    (Bug::AmendKeepsConsent, PAIR),
    (Bug::GrandchildrenStay, LINE),
    (Bug::CycleOfParentOnly, CIRCLE),
    (Bug::OwnScopeOnly, CIRCLE),
    (Bug::DepthAsSaid, SHALLOW),
    (Bug::UsedStays, PAIR),
    (Bug::DrawNotCounted, CIRCLE),
    (Bug::ConfirmUnasked, STRANGERS),
    (Bug::PauseIgnored, PAIR),
    (Bug::ReplayRevives, PAIR),
    (Bug::FloorIgnored, HOSTILE),
    (Bug::BlockIgnored, PAIR),
    (Bug::ManagerAnswers, STRANGERS),
    (Bug::NumberIgnored, PAIR),
    (Bug::GiveBackForgetsDrawn, LINE),
    (Bug::GiveBackTakenBack, LINE),
    (Bug::AmendInFlight, ORDERED),
    (Bug::EarlierForgotten, AGAIN),
    (Bug::FewerInFlight, FEWER),
    (Bug::BoundsWhenItComes, FEWER),
    (Bug::DrawIsNobodys, CIRCLE),
    (Bug::ChildOutgrowsDraw, THREE),
];
