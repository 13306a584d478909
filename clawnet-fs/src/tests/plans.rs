//! Random plans against a model of a tree, and all of it undone.
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::{prelude::*, sample::select};

use super::*;

/// A directory holds none; a file holds its bytes.
type Model = BTreeMap<String, Option<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Command {
    Write { at: &'static str, content: u8, create_dirs: bool },
    Mkdir { at: &'static str, parents: bool },
    Delete { at: &'static str },
    UndoLast,
}

const PATHS: &[&str] = &["/a", "/b", "/d", "/d/a", "/d/e", "/d/e/a", "/d/e/f"];

fn command() -> impl Strategy<Value = Command> {
    let at = || select(PATHS);
    prop_oneof![
        4 => (at(), any::<u8>(), any::<bool>())
            .prop_map(|(at, content, create_dirs)| Command::Write { at, content, create_dirs }),
        2 => (at(), any::<bool>()).prop_map(|(at, parents)| Command::Mkdir { at, parents }),
        2 => at().prop_map(|at| Command::Delete { at }),
        2 => Just(Command::UndoLast),
    ]
}

fn above(at: &str) -> Vec<String> {
    let ends = at.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(end, _)| end);
    ends.map(|end| at[..end].to_owned()).collect()
}

/// Makes what is missing above `at`, or says that it cannot be.
fn ascend(model: &mut Model, at: &str, make: bool) -> bool {
    let mut next = model.clone();
    for directory in above(at) {
        match next.get(&directory) {
            Some(None) => {}
            None if make => {
                next.insert(directory, None);
            }
            Some(Some(_)) | None => return false,
        }
    }
    *model = next;
    true
}

/// What the model says comes of a command. `None` if it is refused.
fn step(model: &Model, command: &Command) -> Option<Model> {
    let mut next = model.clone();
    match command {
        Command::Write { at, content, create_dirs } => {
            let fits = next.get(*at) != Some(&None) && ascend(&mut next, at, *create_dirs);
            next.insert((*at).into(), Some(vec![*content]));
            fits.then_some(next)
        }
        Command::Mkdir { at, parents } => {
            let fits = !matches!(next.get(*at), Some(Some(_))) && ascend(&mut next, at, *parents);
            next.insert((*at).into(), None);
            fits.then_some(next)
        }
        Command::Delete { at } => {
            let held = next.keys().any(|name| name.starts_with(&format!("{at}/")));
            next.remove(*at).filter(|_| !held).map(|_| next)
        }
        Command::UndoLast => None,
    }
}

fn run(world: &World, command: &Command) -> Result<Option<u64>, Refusal> {
    let full = |at: &str| path(&format!("/work{at}"));
    let base = path("/work");
    match command {
        Command::Write { at, content, create_dirs } => {
            let mut write = Write::new(full(at), vec![*content]);
            if *create_dirs {
                write = write.creating_dirs_below(&base).unwrap();
            }
            world.submit(&write).map(|written| Some(written.intent))
        }
        Command::Mkdir { at, parents } => {
            let mut mkdir = Mkdir::new(full(at));
            if *parents {
                mkdir = mkdir.with_parents_below(&base).unwrap();
            }
            world.submit(&mkdir).map(|made| made.created.then_some(made.intent))
        }
        Command::Delete { at } => {
            world.submit(&Delete::new(full(at))).map(|deleted| Some(deleted.intent))
        }
        Command::UndoLast => Ok(None),
    }
}

static DONE: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);
static UNDONE: AtomicU64 = AtomicU64::new(0);

fn contents(world: &World) -> Model {
    world.tree().into_iter().map(|(name, (content, ..))| (name, content)).collect()
}

fn play(commands: &[Command]) {
    let world = World::new();
    world.work.write("a", "first").unwrap();
    world.work.create_dir("d").unwrap();
    world.work.write("d/a", "first").unwrap();
    let start = world.tree();
    let mut models = vec![contents(&world)];
    let mut intents = Vec::new();
    for command in commands {
        let model = models.last().unwrap().clone();
        if matches!(command, Command::UndoLast) {
            let Some(intent) = intents.pop() else { continue };
            world.undo(intent).unwrap();
            models.pop();
            UNDONE.fetch_add(1, Ordering::Relaxed);
        } else {
            let expected = step(&model, command);
            let got = run(&world, command);
            assert_eq!(got.is_ok(), expected.is_some(), "{command:?} in {model:?}: {got:?}");
            let counter = if got.is_ok() { &DONE } else { &REFUSED };
            counter.fetch_add(1, Ordering::Relaxed);
            if let (Ok(Some(intent)), Some(next)) = (got, expected) {
                intents.push(intent);
                models.push(next);
            }
        }
        assert_eq!(&contents(&world), models.last().unwrap(), "after {command:?}");
    }
    while let Some(intent) = intents.pop() {
        world.undo(intent).unwrap();
    }
    assert_eq!(world.tree(), start, "bytes, modes and times are as at the start");
}

#[test]
fn everything_undone_is_nothing_done() {
    let config =
        ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    let plans = proptest::collection::vec(command(), 1..24);
    proptest::test_runner::TestRunner::new(config)
        .run(&plans, |commands| {
            play(&commands);
            Ok(())
        })
        .unwrap();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let mix = (count(&DONE), count(&REFUSED), count(&UNDONE));
    println!("done, refused, undone: {mix:?}");
    assert!(mix.0 > 100 && mix.1 > 100 && mix.2 > 50, "{mix:?}");
}
