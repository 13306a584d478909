//! Random plans of every change against a model of a tree: what is answered, what is there, what
//! can be undone. And in the end all of it is undone.
use proptest::{prelude::*, sample::select};

use super::*;

/// A directory holds none; a file holds its bytes.
type Model = BTreeMap<String, Option<Vec<u8>>>;

/// What comes of a command: the tree after it, or the word it is refused with.
type Expected = Result<Model, &'static str>;

#[derive(Debug, Clone)]
enum Command {
    Write { at: &'static str, content: u8, create_dirs: bool },
    Append { at: &'static str, content: u8 },
    Mkdir { at: &'static str, parents: bool },
    Delete { at: &'static str, recursive: bool },
    Copy(Course),
    Move(Course),
    Rename { at: &'static str, name: &'static str, overwrite: bool, recursive: bool },
    UndoLast,
}

#[derive(Debug, Clone)]
struct Course {
    from: &'static str,
    to: String,
    create_dirs: bool,
    overwrite: bool,
    recursive: bool,
}

const PATHS: &[&str] = &["/a", "/b", "/d", "/d/a", "/d/e", "/d/e/a", "/d/e/f", "/g"];
const NAMES: &[&str] = &["a", "b", "e", "g"];

fn course() -> impl Strategy<Value = Course> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (select(PATHS), select(PATHS), flags).prop_map(|(from, to, flags)| {
        let (create_dirs, overwrite, recursive) = flags;
        Course { from, to: to.into(), create_dirs, overwrite, recursive }
    })
}

fn command() -> impl Strategy<Value = Command> {
    let at = || select(PATHS);
    let flag = any::<bool>;
    prop_oneof![
        4 => (at(), any::<u8>(), flag())
            .prop_map(|(at, content, create_dirs)| Command::Write { at, content, create_dirs }),
        2 => (at(), any::<u8>()).prop_map(|(at, content)| Command::Append { at, content }),
        2 => (at(), flag()).prop_map(|(at, parents)| Command::Mkdir { at, parents }),
        2 => (at(), flag()).prop_map(|(at, recursive)| Command::Delete { at, recursive }),
        3 => course().prop_map(Command::Copy),
        3 => course().prop_map(Command::Move),
        2 => (at(), select(NAMES), flag(), flag()).prop_map(|(at, name, overwrite, recursive)| {
            Command::Rename { at, name, overwrite, recursive }
        }),
        3 => Just(Command::UndoLast),
    ]
}

fn above(at: &str) -> Vec<String> {
    let ends = at.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(end, _)| end);
    ends.map(|end| at[..end].to_owned()).collect()
}

fn is_beneath(at: &str, above: &str) -> bool {
    at.starts_with(&format!("{above}/"))
}

/// A file above a path is met when layer 2 looks, before anything else.
fn reach(model: &Model, at: &str) -> Result<(), &'static str> {
    let file = |name: &String| matches!(model.get(name), Some(Some(_)));
    if above(at).iter().any(file) { Err("denied wrong_kind") } else { Ok(()) }
}

/// Makes what is missing above `at`, or says that it cannot be.
fn ascend(model: &mut Model, at: &str, make: bool) -> Result<(), &'static str> {
    for directory in above(at) {
        match model.get(&directory) {
            Some(_) => {}
            None if make => drop(model.insert(directory, None)),
            None => return Err("failed parent_not_found"),
        }
    }
    Ok(())
}

fn holds(model: &Model, at: &str) -> bool {
    model.keys().any(|name| is_beneath(name, at))
}

/// What the model says comes of a command.
fn step(model: &Model, command: &Command) -> Expected {
    let mut next = model.clone();
    match command {
        Command::Write { at, content, create_dirs } => {
            reach(model, at)?;
            ascend(&mut next, at, *create_dirs)?;
            put(&mut next, at, vec![*content])?;
        }
        Command::Append { at, content } => {
            reach(model, at)?;
            ascend(&mut next, at, false)?;
            let mut bytes = model.get(*at).cloned().flatten().unwrap_or_default();
            bytes.push(*content);
            put(&mut next, at, bytes)?;
        }
        Command::Mkdir { at, parents } => {
            reach(model, at)?;
            ascend(&mut next, at, *parents)?;
            if let Some(Some(_)) = next.insert((*at).into(), None) {
                return Err("failed wrong_kind");
            }
        }
        Command::Delete { at, recursive } => {
            reach(model, at)?;
            if holds(model, at) && !recursive {
                return Err("denied not_recursive");
            }
            ascend(&mut next, at, false)?;
            next.remove(*at).ok_or("failed not_found")?;
            next.retain(|name, _| !is_beneath(name, at));
        }
        Command::Copy(course) => drop(go(&mut next, course)?),
        Command::Move(course) => leave(&mut next, course)?,
        Command::Rename { at, name, overwrite, recursive } => {
            leave(&mut next, &renamed(at, name, (*overwrite, *recursive)))?;
        }
        Command::UndoLast => {}
    }
    Ok(next)
}

fn put(model: &mut Model, at: &str, bytes: Vec<u8>) -> Result<(), &'static str> {
    match model.insert(at.into(), Some(bytes)) {
        Some(None) => Err("failed wrong_kind"),
        _ => Ok(()),
    }
}

fn renamed(at: &'static str, name: &str, flags: (bool, bool)) -> Course {
    let to = format!("{}/{name}", &at[..at.rfind('/').unwrap()]);
    Course { from: at, to, create_dirs: false, overwrite: flags.0, recursive: flags.1 }
}

/// Puts what is at one end to the other as well.
fn go(model: &mut Model, course: &Course) -> Result<(), &'static str> {
    let Course { from, to, create_dirs, overwrite, recursive } = course;
    reach(model, from)?;
    if from == to || is_beneath(to, from) || is_beneath(from, to) {
        return Err("denied into_itself");
    }
    reach(model, to)?;
    if holds(model, from) && !recursive {
        return Err("denied not_recursive");
    }
    let before = model.clone();
    ascend(model, to, *create_dirs)?;
    let source = before.get(*from).ok_or("failed not_found")?;
    match (model.get(to), source) {
        (Some(target), _) if !overwrite || (target, source) == (&None, &None) => {
            return Err("failed exists");
        }
        (None, _) | (Some(Some(_)), Some(_)) => {}
        _ => return Err("failed wrong_kind"),
    }
    model.insert(to.clone(), source.clone());
    for (name, content) in before.iter().filter(|(name, _)| is_beneath(name, from)) {
        model.insert(format!("{to}{}", &name[from.len()..]), content.clone());
    }
    Ok(())
}

fn leave(model: &mut Model, course: &Course) -> Result<(), &'static str> {
    go(model, course)?;
    model.retain(|name, _| name != course.from && !is_beneath(name, course.from));
    Ok(())
}

fn full(at: &str) -> FsPath {
    path(&format!("/work{at}"))
}

fn run(world: &World, command: &Command) -> Result<Option<u64>, Refusal> {
    let base = path("/work");
    match command {
        Command::Write { at, content, create_dirs } => {
            let mut write = Write::new(full(at), vec![*content]);
            if *create_dirs {
                write = write.creating_dirs_below(&base).unwrap();
            }
            world.submit(&write).map(|written| Some(written.intent))
        }
        Command::Append { at, content } => {
            let append = Append::new(full(at), vec![*content]);
            world.submit(&append).map(|written| Some(written.intent))
        }
        Command::Mkdir { at, parents } => {
            let mut mkdir = Mkdir::new(full(at));
            if *parents {
                mkdir = mkdir.with_parents_below(&base).unwrap();
            }
            world.submit(&mkdir).map(|made| made.created.then_some(made.intent))
        }
        Command::Delete { at, recursive } => {
            let delete = Delete { recursive: *recursive, ..Delete::new(full(at)) };
            world.submit(&delete).map(|deleted| Some(deleted.intent))
        }
        Command::Copy(Course { from, to, create_dirs, overwrite, recursive }) => {
            let copy = Copy::new(full(from), full(to));
            let mut copy = Copy { overwrite: *overwrite, recursive: *recursive, ..copy };
            if *create_dirs {
                copy = copy.creating_dirs_below(&base).unwrap();
            }
            world.submit(&copy).map(|copied| Some(copied.intent))
        }
        Command::Move(Course { from, to, create_dirs, overwrite, recursive }) => {
            let shift = Move::new(full(from), full(to));
            let mut shift = Move { overwrite: *overwrite, recursive: *recursive, ..shift };
            if *create_dirs {
                shift = shift.creating_dirs_below(&base).unwrap();
            }
            world.submit(&shift).map(|moved| Some(moved.intent))
        }
        Command::Rename { at, name, overwrite, recursive } => {
            let mut rename = Rename::new(full(at), name).unwrap();
            if *overwrite {
                rename = rename.overwriting();
            }
            if *recursive {
                rename = rename.recursive();
            }
            world.submit(&rename).map(|moved| Some(moved.intent))
        }
        Command::UndoLast => Ok(None),
    }
}

fn contents(world: &World) -> Model {
    world.tree().into_iter().map(|(name, (content, ..))| (name, content)).collect()
}

/// How often each kind of command came to what.
type Mix = BTreeMap<String, u64>;

fn play(commands: &[Command], mix: &mut Mix) {
    let world = World::new();
    let identity = world.agent.caller().identity();
    world.work.write("a", "first").unwrap();
    world.work.create_dir("d").unwrap();
    world.work.write("d/a", "first").unwrap();
    let start = world.tree();
    let mut models = vec![contents(&world)];
    let mut intents = Vec::new();
    for command in commands {
        let model = models.last().unwrap().clone();
        let kind = format!("{command:?}");
        let kind = kind.split([' ', '(']).next().unwrap();
        if matches!(command, Command::UndoLast) {
            let Some(intent) = intents.pop() else { continue };
            world.undo(intent).unwrap();
            models.pop();
            assert_eq!(world.node().undo_of(identity, intent), Err(FsError::AlreadyUndone));
            *mix.entry(format!("{kind}: ok")).or_default() += 1;
        } else {
            let expected = step(&model, command);
            let got = run(&world, command);
            let (code, expect) =
                (word(&got), expected.as_ref().map_or_else(|code| *code, |_| "ok"));
            assert_eq!(code, expect, "{command:?} in {model:?}");
            *mix.entry(format!("{kind}: {code}")).or_default() += 1;
            if let (Ok(Some(intent)), Ok(next)) = (got, expected) {
                intents.push(intent);
                models.push(next);
            }
        }
        assert_eq!(&contents(&world), models.last().unwrap(), "after {command:?}");
        if let Some(last) = intents.last() {
            assert!(world.node().undo_of(identity, *last).is_ok(), "after {command:?}");
        }
    }
    while let Some(intent) = intents.pop() {
        world.undo(intent).unwrap();
    }
    assert_eq!(world.tree(), start, "bytes, modes and times are as at the start");
}

#[test]
fn everything_undone_is_nothing_done() {
    let config =
        ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() };
    let plans = proptest::collection::vec(command(), 1..32);
    let mix = std::cell::RefCell::new(Mix::new());
    proptest::test_runner::TestRunner::new(config)
        .run(&plans, |commands| {
            play(&commands, &mut mix.borrow_mut());
            Ok(())
        })
        .unwrap();
    let mix = mix.into_inner();
    println!("{mix:#?}");
    for kind in ["Write", "Append", "Mkdir", "Delete", "Copy", "Move", "Rename", "UndoLast"] {
        let done = mix.get(&format!("{kind}: ok")).copied().unwrap_or_default();
        assert!(done > 20, "{kind}: {mix:#?}");
    }
    let refusals =
        ["exists", "not_found", "parent_not_found", "wrong_kind", "not_recursive", "into_itself"];
    for code in refusals {
        let count: u64 =
            mix.iter().filter(|(key, _)| key.ends_with(&format!(" {code}"))).map(|(_, n)| n).sum();
        assert!(count > 10, "{code}: {mix:#?}");
    }
}
