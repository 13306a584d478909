//! Each of the two layers forced open, and what the other alone still stops.
use std::{cell::RefCell, fs, sync::Mutex};

use clawnet_core::{
    Action, Admission, Agent, Authorized, Caller, Denial, Endpoint, Fault, Grant, Mount, Operation,
    Region, Timestamp,
};
use clawnet_fs::{
    Append, Copy, Delete, FsPath, History, List, Mkdir, Move, Node, Read, Rename, Rollback, Search,
    Selection, Stat, Write,
};
use futures::executor::block_on;

use super::yard::{Yard, path, snapshot, word};

/// Paths in and around the folder and the part of it that layer 1 allows below.
const PATHS: &[&str] = &[
    "/",
    "/etc/passwd",
    "/outside",
    "/outside/file",
    "/outside/new",
    "/state",
    "/state/journal",
    "/work",
    "/work/.env",
    "/work/.ssh",
    "/work/.ssh/key",
    "/work/a",
    "/work/ab",
    "/work/ab/file",
    "/work/a/file",
    "/work/a/new",
    "/work/b/file",
    "/work/b/new",
    "/work/out/file",
    "/work/out/new",
    "/work/in/file",
    "/work/in/new",
    "/work/a/out/new",
    "/works",
    "/wor",
    "/Work/a/file",
    "/work/A/file",
    "/work/a/denied/file",
];

/// Asks for everything at a path, and answers what each came to.
fn everything(at: &FsPath, ask: &impl Ask) -> Vec<String> {
    let parents = Mkdir::new(at.clone()).with_parents_below(&path("/"));
    let deep = Write::new(at.clone(), "changed").creating_dirs_below(&path("/"));
    let mut told = vec![
        ask.ask(&Read::of(at.clone())),
        ask.ask(&Stat::of(at.clone())),
        ask.ask(&List::of(at.clone()).with_hidden().recursive(9)),
        ask.ask(&Write::new(at.clone(), "changed")),
        ask.ask(&Mkdir::new(at.clone())),
    ];
    told.extend(deep.map(|deep| ask.ask(&deep)));
    told.extend(parents.map(|parents| ask.ask(&parents)));
    told.push(ask.ask(&Search::at(at.clone(), ["inside", "outside"]).with_hidden()));
    told.push(ask.ask(&History::of(at.clone())));
    let since = Selection::Since(Timestamp::from_millis(0));
    told.push(ask.ask(&Rollback::look(at.clone(), since)));
    told.push(ask.ask(&Append::new(at.clone(), "changed")));
    for other in ["/work/a/file", "/work/a/other", "/outside/taken", "/work/.env"].map(path) {
        told.push(ask.ask(&Copy::new(at.clone(), other.clone()).overwriting().recursive()));
        told.push(ask.ask(&Copy::new(other.clone(), at.clone()).overwriting().recursive()));
        told.push(ask.ask(&Move::new(at.clone(), other.clone()).overwriting().recursive()));
        told.push(ask.ask(&Move::new(other, at.clone()).overwriting().recursive()));
    }
    let renamed = Rename::new(at.clone(), "renamed").into_iter();
    told.extend(renamed.map(|rename| ask.ask(&rename.overwriting().recursive())));
    told.push(ask.ask(&Delete::new(at.clone())));
    told.push(ask.ask(&Delete::new(at.clone()).recursive()));
    told
}

/// Somebody who asks an endpoint that serves all operations on files.
trait Ask {
    fn ask<O: Operation>(&self, operation: &O) -> String
    where
        Node: Endpoint<O>;
}

/// Layer 1 lets everything through.
impl Ask for Yard {
    fn ask<O: Operation>(&self, operation: &O) -> String
    where
        Node: Endpoint<O>,
    {
        self.code(operation)
    }
}

#[test]
fn with_layer_one_open_nothing_outside_the_folders_moves() {
    let yard = Yard::new();
    let at = |name: &str| yard.path("work").join(name);
    for dir in ["a", "b", ".ssh"] {
        fs::create_dir(at(dir)).unwrap();
        fs::write(at(dir).join("file"), "inside").unwrap();
    }
    std::os::unix::fs::symlink("../outside", at("out")).unwrap();
    std::os::unix::fs::symlink(".ssh", at("in")).unwrap();
    std::os::unix::fs::symlink("../../outside", at("a/out")).unwrap();
    let protected = [yard.path("outside"), yard.path("work/.ssh")];
    let look = || protected.clone().map(|dir| snapshot(&dir));
    let (before, beside) = (look(), fs::read_dir(yard.base.path()).unwrap().count());
    let (done, stopped) = (RefCell::new(0), RefCell::new(0));
    for text in PATHS {
        let told = everything(&path(text), &yard);
        let (ok, no): (Vec<_>, Vec<_>) = told.into_iter().partition(|word| word == "ok");
        assert!(ok.is_empty() || text.starts_with("/work"), "{text}: {ok:?}");
        *done.borrow_mut() += ok.len();
        *stopped.borrow_mut() += no.iter().filter(|word| word.starts_with("denied")).count();
        assert_eq!(look(), before, "{text}");
    }
    assert_eq!(fs::read_dir(yard.base.path()).unwrap().count(), beside);
    let counts = (done.into_inner(), stopped.into_inner());
    println!("> layer 1 open: {} done in the folder, {} stopped by layer 2", counts.0, counts.1);
    assert!(counts.0 > 15 && counts.1 > 80, "{counts:?}");
}

/// An endpoint without a layer 2: it lets everything through, and notes what it then did.
#[derive(Default)]
struct Open(Mutex<Vec<(Action, String)>>);

impl<O: Operation> Endpoint<O> for Open
where
    Node: Endpoint<O>,
{
    fn admit(&self, _: &O, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, O>) -> Result<O::Output, Fault> {
        let demands = task.operation().demands();
        let told = demands.iter().map(|demand| (demand.action, demand.resource.to_string()));
        self.0.lock().unwrap().extend(told);
        Err(Fault::new("open", "it was done"))
    }
}

struct Stuck<'a> {
    agent: &'a Agent,
    open: &'a Mount<Open>,
}

/// Layer 2 lets everything through.
impl Ask for Stuck<'_> {
    fn ask<O: Operation>(&self, operation: &O) -> String
    where
        Node: Endpoint<O>,
    {
        word(&block_on(self.agent.submit(self.open, operation)))
    }
}

#[test]
fn with_layer_two_open_nothing_outside_the_scope_runs() {
    let yard = Yard::new();
    let agent = block_on(async {
        let identity = yard.owner.identity("narrow").await.unwrap();
        let below = |text: &str| Region::subtree(text).unwrap();
        let rules = Grant::new()
            .allow(Action::Read, below("fs:/work/a"))
            .allow(Action::List, below("fs:/work/a"))
            .allow(Action::Write, below("fs:/work/a"))
            .allow(Action::Delete, Region::exact("fs:/work/a/file").unwrap())
            .deny(Action::Read, below("fs:/work/a/denied"))
            .deny(Action::Write, below("fs:/work/a/denied"))
            .deny(Action::List, below("fs:/work/a/denied"));
        yard.owner.grant(identity, rules).await.unwrap();
        yard.owner.bind(identity, "agent", "test").await.unwrap()
    });
    let open = yard.mount_open(Open::default());
    let told: Vec<String> = PATHS
        .iter()
        .flat_map(|text| everything(&path(text), &Stuck { agent: &agent, open: &open }))
        .collect();
    let ran = open.endpoint().0.lock().unwrap();
    for (action, at) in ran.iter() {
        let inside = at == "fs:/work/a" || at.starts_with("fs:/work/a/");
        let allowed = match action {
            Action::Delete => at == "fs:/work/a/file",
            Action::Read | Action::List | Action::Write => !at.starts_with("fs:/work/a/denied"),
            other => panic!("{other:?} on {at}"),
        };
        assert!(inside && allowed, "{action:?} ran on {at}");
    }
    let stopped = told.iter().filter(|word| word.starts_with("denied")).count();
    println!("> layer 2 open: {} ran in scope, {stopped} stopped by layer 1", told.len() - stopped);
    assert!(ran.len() > 10 && stopped > 100, "{} {stopped}", ran.len());
    assert!(
        told.iter().all(|word| word.starts_with("denied") || word == "failed open"),
        "{told:?}"
    );
    assert_eq!(fs::read_dir(yard.path("work")).unwrap().count(), 0);
}
