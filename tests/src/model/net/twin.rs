//! The same commands for the model and for real kernels: four parties over memory, their bytes
//! carried by hand. After each command both must say the same of it, and of everything they hold.
//!
//! Of the commands, 55 % are such that the model allows them, 30 % are such a one with one thing
//! changed, and 15 % are the wire's: what was carried before comes again, to somebody else, or with
//! a byte changed. `TWIN_LISTS` sets how many lists are told, `TWIN_SEED` where they begin.
#![expect(clippy::wildcard_enum_match_arm, reason = "what cannot be said to both is left out")]
use std::env;

use super::command::{Command, Draft, Mark, Outcome, Refusal};
use super::moves::{cost, moves};
use super::scene::{Menu, PAIR, Scene};
use super::terms::{Owner, Who};
use super::world::{World, step};
use crate::model::generate::Dice;

use real::{Answer, Real};

mod real;

/// Four owners with two identities each, who may do to each other whatever the model knows of.
const SCENE: Scene = Scene {
    name: "twin",
    owners: 4,
    identities: 2,
    sessions: 12,
    turns: &[1, 2, 5, 7],
    marks: &[Mark::Continue, Mark::Continue, Mark::Continue, Mark::Continue, Mark::Resolved],
    revisions: 3,
    acts_max: 200,
    interventions: 200,
    menu: &[
        Menu::Strangers,
        Menu::Contacts,
        Menu::Freezes,
        Menu::Amends,
        Menu::Pauses,
        Menu::Closes,
        Menu::Roots,
    ],
    in_order: false,
    ..PAIR
};

const COMMANDS: usize = 60;

/// One list being told.
struct Tale {
    dice: Dice,
    world: World,
    real: Real,
    told: Vec<String>,
}

impl Tale {
    fn begin(seed: u64) -> Self {
        let real = Real::new(SCENE.owners);
        let mut tale = Self { dice: Dice::new(seed), world: SCENE.start(), real, told: Vec::new() };
        tale.world.rules.acquainted = false;
        tale.acquaint();
        tale
    }

    /// The real ones do what the model's start has done.
    fn acquaint(&mut self) {
        let mut world = World::of_strangers(SCENE.owners, self.world.rules);
        std::mem::swap(&mut self.world, &mut world);
        for one in 0..SCENE.owners {
            for other in one + 1..SCENE.owners {
                let who = Who::Identity(1);
                self.run(Command::Ask(one, other, who));
                self.deliver_all();
                self.run(Command::Confirm(other, one, who, 1));
                self.deliver_all();
            }
        }
    }

    fn deliver_all(&mut self) {
        let sent = self.world.wire.clone().into_iter().filter(|sent| !sent.taken);
        for sent in sent.collect::<Vec<_>>() {
            self.run(Command::Deliver(sent.message));
        }
    }

    /// Does it on both sides, and compares.
    fn run(&mut self, command: Command) {
        let (next, said) = step(&self.world, &command);
        self.told.push(format!("{command:?} -> {said:?}"));
        let Some(answer) = self.real.run(&self.world, &command, &next) else {
            self.told.pop();
            return;
        };
        self.world = next;
        let same = match (said, answer) {
            (Outcome::Done | Outcome::Again, Answer::Yes) | (Outcome::Refused(_), Answer::No) => {
                true
            }
            // Which of the two it is of an outdated consent depends on what came along with it.
            (Outcome::Refused(Refusal::Stale | Refusal::Mismatch), Answer::Refused(code)) => {
                ["stale", "mismatch"].contains(&code)
            }
            (Outcome::Refused(refusal), Answer::Refused(code)) => code == word(refusal),
            _ => false,
        };
        assert!(same, "the kernel says {answer:?}\n{}", self.told.join("\n"));
        self.compare();
    }

    fn compare(&self) {
        let differs = self.real.differs(&self.world);
        assert!(differs.is_empty(), "{}\n{}", differs.join("\n"), self.told.join("\n"));
    }

    fn tell(&mut self) {
        match self.dice.below(100) {
            0..55 => {
                let command = self.enabled();
                self.run_all(command);
            }
            55..85 => {
                let command = self.enabled();
                let command = self.changed(command);
                self.run_all(command);
            }
            _ => self.adversary(),
        }
    }

    /// Drafts come with their owner's consent, and children with the turns set aside for them.
    fn run_all(&mut self, command: Command) {
        match command {
            Command::Propose(Draft { parent: Some(_), .. }) | Command::Expire(..) => {}
            Command::Propose(draft) => {
                self.propose(&[Command::Propose(draft)], draft);
            }
            Command::Draw(owner, parent, turns_max) => {
                let peer = self.peer(owner);
                let child = self.world.next;
                let parent = Some((parent, child));
                let draft = Draft { owner, peer, parent, turns_max, grant: false, depth_said: 0 };
                self.propose(&[command, Command::Propose(draft)], draft);
            }
            command => self.run(command),
        }
    }

    /// One call of the real party does it all, and stops where the model stops.
    fn propose(&mut self, commands: &[Command], draft: Draft) {
        let name = self.world.next;
        let mut world = self.world.clone();
        let mut done = true;
        for command in commands {
            let (next, said) = step(&world, command);
            self.told.push(format!("{command:?} -> {said:?}"));
            done &= said == Outcome::Done;
            // Nothing is set aside for terms that are not drafted.
            let refused = matches!(said, Outcome::Refused(_));
            world = if refused { self.world.clone() } else { next };
        }
        if done && let Ok(side) = world.side(draft.owner, name) {
            let command = Command::Consent(draft.owner, side.terms);
            let (next, said) = step(&world, &command);
            self.told.push(format!("{command:?} -> {said:?}"));
            done = said == Outcome::Done;
            world = next;
        }
        let answer = self.real.propose(draft, name, &world);
        self.world = world;
        assert!(
            (answer == Answer::Yes) == done,
            "the kernel says {answer:?}\n{}",
            self.told.join("\n")
        );
        self.compare();
    }

    fn peer(&mut self, owner: Owner) -> Owner {
        let step = 1 + u8::try_from(self.dice.below(u64::from(SCENE.owners) - 1)).unwrap();
        (owner + step) % SCENE.owners
    }

    /// Something the model allows. A kind first, so that what can be said in many ways is not said
    /// all the time; and what ends things is rarer.
    fn enabled(&mut self) -> Command {
        let mut all = moves(&self.world, &SCENE, SCENE.interventions);
        let rare = self.dice.chance(12);
        all.retain(|command| {
            let (next, said) = step(&self.world, command);
            let useful = said == Outcome::Done && next != self.world && self.real.knows(command);
            let beneath = matches!(command, Command::Propose(draft) if draft.parent.is_some());
            useful && !beneath && rare == (weight(command) == 0)
        });
        let kinds: Vec<_> = all.iter().map(std::mem::discriminant).collect();
        let kinds: Vec<_> = kinds
            .iter()
            .zip(&all)
            .enumerate()
            .filter(|(place, (kind, _))| !kinds[..*place].contains(kind))
            .flat_map(|(_, (kind, command))| vec![*kind; weight(command).max(1)])
            .collect();
        let kind = self.dice.pick(&kinds).copied();
        all.retain(|command| Some(std::mem::discriminant(command)) == kind);
        self.dice.pick(&all).copied().unwrap_or(Command::Resume(0, 0))
    }

    /// The same with one thing changed.
    fn changed(&mut self, command: Command) -> Command {
        let other = |owner: Owner| (owner + 1) % SCENE.owners;
        let coin = self.dice.chance(50);
        match command {
            Command::Ask(owner, peer, who) if coin => Command::Ask(peer, owner, who),
            Command::Ask(owner, peer, _) => Command::Confirm(owner, peer, Who::Identity(1), 0),
            Command::Consent(owner, mut terms) => {
                if coin {
                    terms.revision += 1;
                    Command::Consent(owner, terms)
                } else {
                    Command::Consent(other(owner), terms)
                }
            }
            Command::Amend(owner, session, _, scope) if coin => {
                Command::Amend(owner, session, 0, scope)
            }
            Command::Amend(owner, session, turns, scope) => {
                Command::Amend(other(owner), session, turns, scope)
            }
            Command::Turn(owner, session, mark) if coin => {
                Command::Turn(other(owner), session, mark)
            }
            Command::Turn(owner, session, mark) => Command::Turn(owner, session + 1, mark),
            Command::Propose(draft) => Command::Propose(Draft { turns_max: 0, ..draft }),
            Command::Draw(owner, parent, turns) if coin => {
                Command::Draw(other(owner), parent, turns)
            }
            Command::Draw(owner, parent, _) => Command::Draw(owner, parent, 3),
            Command::GiveBack(owner, parent, child) => {
                Command::GiveBack(other(owner), parent, child)
            }
            Command::Pause(owner, session) => Command::Pause(owner, session + 1),
            Command::Resume(owner, session) => Command::Resume(other(owner), session),
            Command::Close(owner, session) => Command::Close(other(owner), session),
            Command::Present(owner, peer, who) => Command::Present(peer, owner, who),
            Command::Remove(owner, peer) => Command::Remove(peer, owner),
            Command::Block(owner, peer) => Command::Unblock(owner, peer),
            Command::Unblock(owner, peer) => Command::Block(peer, owner),
            same => same,
        }
    }

    fn adversary(&mut self) {
        let known = |message| self.real.knows(&Command::Deliver(message));
        let known = self.world.wire.iter().filter(|sent| known(sent.message));
        let known: Vec<_> = known.copied().collect();
        let Some(sent) = self.dice.pick(&known).copied() else { return };
        match self.dice.below(3) {
            0 => self.run(Command::Deliver(sent.message)),
            1 => {
                let roll = self.dice.roll();
                self.told.push(format!("tamper {sent:?} {roll}"));
                self.real.tamper(&sent.message, roll);
                self.compare();
            }
            _ => {
                self.told.push(format!("misdeliver {sent:?}"));
                self.real.misdeliver(&sent.message, SCENE.owners);
                self.compare();
            }
        }
    }
}

/// How often a kind of command is told, of those that are possible; 0 for what ends or changes what
/// there is.
fn weight(command: &Command) -> usize {
    match command {
        Command::Deliver(_) => 12,
        Command::Turn(..) | Command::Draw(..) | Command::Consent(..) => 4,
        Command::Amend(..) | Command::GiveBack(..) | Command::Resume(..) => 2,
        Command::Pause(..) | Command::Confirm(..) | Command::Ask(..) | Command::Propose(_) => 1,
        _ if cost(command) == 0 => 1,
        _ => 0,
    }
}

/// The word of the real protocol for a refusal.
fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Unknown => "unknown",
        Refusal::Forged => "forged",
        Refusal::WrongParty => "wrong_party",
        Refusal::WrongTurn => "wrong_turn",
        Refusal::OutOfOrder => "out_of_order",
        Refusal::Stale => "stale",
        Refusal::Closed => "closed",
        Refusal::Paused => "paused",
        Refusal::Limit => "limit",
        Refusal::KeyChanged => "key_changed",
        Refusal::NotOpen => "not_open",
        Refusal::Mismatch => "mismatch",
        Refusal::Malformed => "malformed",
    }
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn kernels_do_what_the_model_does() {
    let (seed, lists) = (number("TWIN_SEED", 1), number("TWIN_LISTS", 1000));
    let mut tally = std::collections::BTreeMap::<String, u64>::new();
    for seed in seed..seed + lists {
        let mut tale = Tale::begin(seed);
        for _ in 0..COMMANDS {
            tale.tell();
        }
        for line in &tale.told {
            let kind: String = line.chars().take_while(|c| c.is_alphanumeric()).collect();
            let said = line.rsplit("-> ").next().filter(|said| said.len() < 40);
            *tally.entry(format!("{kind} {}", said.unwrap_or_default())).or_default() += 1;
        }
    }
    println!("{lists} lists of {COMMANDS} commands");
    for (what, count) in tally {
        println!("{count:>8}  {what}");
    }
}
