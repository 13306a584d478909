//! Anything at all, and then all of it taken back: the tree as it was, byte for byte.
use std::{cell::RefCell, time::Duration};

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::*;

type Tree = BTreeMap<String, (Option<Vec<u8>>, u32, u128)>;

#[derive(Debug, Clone)]
enum Command {
    Write {
        at: &'static str,
        content: u8,
        create_dirs: bool,
    },
    Mkdir {
        at: &'static str,
    },
    Delete {
        at: &'static str,
        recursive: bool,
    },
    Append {
        at: &'static str,
    },
    Copy {
        at: &'static str,
        to: &'static str,
    },
    Move {
        at: &'static str,
        to: &'static str,
        create_dirs: bool,
    },
    Rename {
        at: &'static str,
        name: &'static str,
    },
    /// Takes back one of the last changes, if it can be.
    Undo {
        nth: usize,
    },
    /// Takes back one of the last undos and rollbacks, if it can be.
    Redo {
        nth: usize,
    },
    /// Takes back what was done since some moments ago, if all of it can be.
    Rollback {
        moments: usize,
    },
}

const PATHS: &[&str] = &["/a", "/b", "/d", "/d/a", "/d/e", "/d/e/a", "/d/e/f"];

fn command() -> impl Strategy<Value = Command> {
    let at = || select(PATHS);
    prop_oneof![
        6 => (at(), any::<u8>(), any::<bool>())
            .prop_map(|(at, content, create_dirs)| Command::Write { at, content, create_dirs }),
        2 => at().prop_map(|at| Command::Mkdir { at }),
        3 => (at(), any::<bool>()).prop_map(|(at, recursive)| Command::Delete { at, recursive }),
        2 => at().prop_map(|at| Command::Append { at }),
        3 => (at(), at()).prop_map(|(at, to)| Command::Copy { at, to }),
        5 => (at(), at(), any::<bool>())
            .prop_map(|(at, to, create_dirs)| Command::Move { at, to, create_dirs }),
        1 => (at(), select(&["a", "e", "z"][..]))
            .prop_map(|(at, name)| Command::Rename { at, name }),
        3 => (0..4_usize).prop_map(|nth| Command::Undo { nth }),
        4 => (0..3_usize).prop_map(|nth| Command::Redo { nth }),
        2 => (1..8_usize).prop_map(|moments| Command::Rollback { moments }),
    ]
}

/// How often what came about.
#[derive(Debug, Default, Clone)]
struct Mix(BTreeMap<String, u32>);

impl Mix {
    fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn of(&self, what: &str) -> u32 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

/// A world, and what its tree was at every moment.
struct Story {
    world: World,
    /// Something was taken back before what was done after it.
    out_of_order: bool,
    moments: Vec<(Timestamp, Tree)>,
}

impl Story {
    fn new() -> Self {
        let world = World::new();
        world.work.write("a", "first").unwrap();
        world.work.create_dir_all("d/e").unwrap();
        world.work.write("d/a", "first").unwrap();
        let mut story = Self { world, out_of_order: false, moments: Vec::new() };
        story.passes();
        story
    }

    /// Time passes: what is there now is what was there before the next command.
    fn passes(&mut self) {
        self.world.clock.advance(Duration::from_millis(10));
        self.moments.push((self.now(), self.world.tree()));
    }

    fn now(&self) -> Timestamp {
        clawnet_core::Clock::now(&self.world.clock)
    }

    fn since(&self, nth: usize) -> Rollback {
        Rollback::look(path("/work"), Selection::Since(self.moments[nth].0))
    }

    fn past(&self) -> Vec<PastChange> {
        self.world.submit(&History::of(path("/work")).at_most(1000)).unwrap().changes
    }

    fn run(&mut self, command: &Command) -> String {
        let world = &self.world;
        let full = |at: &str| path(&format!("/work{at}"));
        match command {
            Command::Write { at, content, create_dirs } => {
                let mut write = Write::new(full(at), vec![*content]);
                if *create_dirs {
                    write = write.creating_dirs_below(&path("/work")).unwrap();
                }
                format!("write {}", world.code(&write))
            }
            Command::Mkdir { at } => format!("mkdir {}", world.code(&Mkdir::new(full(at)))),
            Command::Delete { at, recursive } => {
                let delete = Delete { recursive: *recursive, ..Delete::new(full(at)) };
                format!("delete {}", world.code(&delete))
            }
            Command::Append { at } => {
                format!("append {}", world.code(&Append::new(full(at), "more")))
            }
            Command::Copy { at, to } => {
                let copy = Copy::new(full(at), full(to)).recursive().overwriting();
                format!("copy {}", world.code(&copy))
            }
            Command::Move { at, to, create_dirs } => {
                let mut shift = Move::new(full(at), full(to)).recursive().overwriting();
                if *create_dirs {
                    shift = shift.creating_dirs_below(&path("/work")).unwrap();
                }
                format!("move {}", world.code(&shift))
            }
            Command::Rename { at, name } => {
                let rename = Rename::new(full(at), name).unwrap().recursive().overwriting();
                format!("rename {}", world.code(&rename))
            }
            Command::Undo { nth } => {
                let mut past = self.past().into_iter().filter(|change| change.undo.is_some());
                let Some(change) = past.nth(*nth) else { return "undo of nothing".into() };
                let undo = Undo::new(change.intent, change.undo.unwrap());
                let code = world.code(&undo);
                self.out_of_order |= code == "ok" && *nth > 0;
                format!("undo {code}")
            }
            Command::Redo { nth } => {
                let mut past = self.past();
                past.retain(|change| change.undo.is_some());
                let newest = past.first().map(|change| change.intent);
                past.retain(|change| !change.reverses.is_empty());
                let Some(change) = past.get(*nth) else { return "redo of nothing".into() };
                let redo = Redo::new(change.intent, change.undo.clone().unwrap());
                let code = world.code(&redo);
                self.out_of_order |= code == "ok" && newest != Some(change.intent);
                format!("redo {code}")
            }
            Command::Rollback { moments } => self.roll_back(*moments),
        }
    }

    /// Takes back all since some moments ago, if that can be, and compares with what was there.
    fn roll_back(&self, moments: usize) -> String {
        let nth = self.moments.len().saturating_sub(moments);
        let before = (self.world.tree(), self.world.slots());
        let looked = self.world.submit(&self.since(nth)).unwrap();
        assert_eq!((self.world.tree(), self.world.slots()), before, "a look changes nothing");
        let Some(operation) = looked.operation else {
            let why =
                looked.items.iter().find_map(|item| Some(item.refused.as_ref()?.code.as_str()));
            return format!("rollback refused {}", why.unwrap_or("nothing"));
        };
        self.world.submit(&operation).unwrap();
        assert_eq!(self.world.tree(), self.moments[nth].1, "as it was then");
        "rollback ok".into()
    }
}

const CASES: u32 = 128;

/// Runs many stories, always the same.
fn tell<S: Strategy>(cases: u32, plans: &S, play: impl Fn(S::Value)) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let told = TestRunner::new_with_rng(config, rng).run(plans, |plan| {
        play(plan);
        Ok(())
    });
    told.unwrap();
}

#[test]
fn anything_and_then_all_of_it_back_and_again() {
    let mix = RefCell::new(Mix::default());
    let plans = proptest::collection::vec(command(), 1..24);
    tell(CASES, &plans, |commands| {
        let mut story = Story::new();
        let outside = story.world.folder("outside").read("file").unwrap();
        for command in &commands {
            let came = story.run(command);
            mix.borrow_mut().count(came);
            story.passes();
        }
        let (start, end) = (story.moments[0].1.clone(), story.world.tree());
        let looked = story.world.submit(&story.since(0)).unwrap();
        let Some(operation) = looked.operation else {
            if !looked.items.is_empty() {
                assert!(story.out_of_order, "everything can be taken back: {commands:?}");
                assert_eq!(story.world.tree(), end);
                mix.borrow_mut().count("refused");
                return;
            }
            assert_eq!(end, start, "nothing is in force: {commands:?}");
            mix.borrow_mut().count("nothing in force");
            return;
        };
        let back = story.world.submit(&operation).unwrap();
        assert_eq!(story.world.tree(), start, "{commands:?}");
        let identity = story.world.agent.caller().identity();
        let redo = story.world.node().redo_of(identity, back.intent.unwrap()).unwrap();
        let redone = story.world.submit(&redo).unwrap();
        assert_eq!(story.world.tree(), end, "{commands:?}");
        story.world.undo(redone.intent).unwrap();
        assert_eq!(story.world.tree(), start, "{commands:?}");
        assert_eq!(story.world.reopen(Durability::ProcessSafe), Recovered::default());
        assert_eq!(story.world.folder("outside").read("file").unwrap(), outside);
        mix.borrow_mut().count("all taken back");
    });
    let mix = mix.into_inner();
    for lie in ["undo denied invalid_request", "redo denied invalid_request"] {
        assert_eq!(mix.of(lie), 0, "the history tells what is needed");
    }
    println!("{mix:#?}");
    assert!(mix.of("refused") <= CASES / 20, "{mix:?}");
    for (what, least) in [
        ("write ok", 150),
        ("mkdir ok", 40),
        ("delete ok", 50),
        ("undo ok", 40),
        ("redo ok", 10),
        ("append ok", 30),
        ("copy ok", 20),
        ("move ok", 40),
        ("rename ok", 5),
        ("rollback ok", 30),
        ("undo failed conflict", 3),
        ("all taken back", 50),
    ] {
        assert!(mix.of(what) >= least, "{what}: {mix:?}");
    }
}

#[test]
fn what_a_person_does_in_between_is_never_undone() {
    let mix = RefCell::new(Mix::default());
    let plans = (proptest::collection::vec(command(), 1..16), select(PATHS), 0..16_usize);
    tell(CASES, &plans, |(commands, at, when)| {
        let mut story = Story::new();
        let mut mine = None;
        for (nth, command) in commands.iter().enumerate() {
            if nth == when.min(commands.len() - 1) {
                mine = story.world.work.write(&at[1..], "mine").ok();
            }
            // What was there at a moment is no measure any more: only whether it is looked at.
            if let Command::Rollback { .. } = command {
                continue;
            }
            let came = story.run(command);
            mix.borrow_mut().count(came);
            story.passes();
        }
        if mine.is_none() {
            return;
        }
        let before = (story.world.tree(), story.world.slots());
        let all = story.world.submit(&story.since(0)).unwrap();
        let is_mine = |content: &[u8]| content == b"mine";
        let visible = |tree: &Tree| {
            tree.values().any(|(content, ..)| content.as_deref().is_some_and(is_mine))
        };
        if let Some(operation) = all.operation {
            story.world.submit(&operation).unwrap();
            assert!(visible(&story.world.tree()), "{commands:?} {at} {when}");
            mix.borrow_mut().count("taken back around it");
        } else if !all.items.is_empty() {
            let undoes = all.items.iter();
            let undoes = undoes.map(|item| Back::new(item.intent, item.needs.clone().unwrap()));
            let forced = story.since(0).run(undoes.collect());
            let code = story.world.code(&forced);
            assert_eq!(code, "failed rollback_refused", "{commands:?} {at} {when}");
            assert_eq!((story.world.tree(), story.world.slots()), before);
            let mut kept = Tree::new();
            walk(&story.world.folder("state"), "", &mut kept);
            assert!(visible(&before.0) || visible(&kept), "{commands:?} {at} {when}");
            mix.borrow_mut().count("refused");
        }
    });
    let mix = mix.into_inner();
    println!("{mix:#?}");
    for (what, least) in [("refused", 15), ("taken back around it", 10)] {
        assert!(mix.of(what) >= least, "{what}: {mix:?}");
    }
}
