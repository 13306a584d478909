//! Every operation, there and here: what a node on another machine answers is what one here would.
#![expect(clippy::drop_non_drop, reason = "what is told is compared where it is asked")]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// A node to ask, wherever it is.
trait Side {
    fn ask<O: Served>(&self, operation: &O) -> Result<O::Output, Refusal>
    where
        Node: Endpoint<O>;
}

impl Side for Far {
    fn ask<O: Served>(&self, operation: &O) -> Result<O::Output, Refusal>
    where
        Node: Endpoint<O>,
    {
        self.submit(operation)
    }
}

impl Side for World {
    fn ask<O: Served>(&self, operation: &O) -> Result<O::Output, Refusal>
    where
        Node: Endpoint<O>,
    {
        self.submit(operation)
    }
}

/// What a side was asked, and what it answered: without what is each side's own, as intents and
/// times are.
struct Asked<'s, S> {
    side: &'s S,
    intents: Vec<Value>,
    told: Vec<(&'static str, Value)>,
    done: BTreeSet<&'static str>,
}

impl<S: Side> Asked<'_, S> {
    fn ask<O: Served>(&mut self, operation: &O) -> Option<O::Output>
    where
        Node: Endpoint<O>,
    {
        let answer = self.side.ask(operation);
        let mut told = match &answer {
            Ok(output) => serde_json::to_value(output).unwrap(),
            Err(Refusal::Denied(denial)) => json!({ "refused": denial.code.to_string() }),
            Err(Refusal::Failed(fault)) => json!({ "refused": fault.code() }),
            Err(other @ (Refusal::Escalated(_) | Refusal::Ledger(_))) => panic!("{other}"),
        };
        self.plain(&mut told);
        self.told.push((O::KIND, told));
        if answer.is_ok() {
            self.done.insert(O::KIND);
        }
        answer.ok()
    }

    fn plain(&mut self, told: &mut Value) {
        match told {
            Value::Array(all) => all.iter_mut().for_each(|one| self.plain(one)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match name.as_str() {
                        "intent" | "reversed" if value.is_u64() => *value = self.ordinal(value),
                        "reverses" => {
                            for one in value.as_array_mut().unwrap() {
                                *one = self.ordinal(one);
                            }
                        }
                        "at" | "modified" | "created" | "since" if !value.is_boolean() => {
                            *value = "a time".into();
                        }
                        "agent" => *value = "an agent".into(),
                        _ => self.plain(value),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Which of the intents that were told it is.
    fn ordinal(&mut self, intent: &Value) -> Value {
        let known = self.intents.iter().position(|known| known == intent);
        known
            .unwrap_or_else(|| {
                self.intents.push(intent.clone());
                self.intents.len() - 1
            })
            .into()
    }

    /// The newest change of a kind, and what taking it back needs.
    fn newest(&mut self, kind: &str) -> (u64, Needs) {
        let past = self.ask(&History::of(path_of("/work")).of_kind(kind)).unwrap();
        let change = past.changes.first().unwrap();
        (change.intent, change.undo.clone().unwrap())
    }
}

fn path_of(text: &str) -> FsPath {
    text.parse().unwrap()
}

fn since() -> Rollback {
    Rollback::look(path_of("/work"), Selection::Since(Timestamp::from_millis(0)))
}

type Row<S> = (&'static str, fn(&mut Asked<'_, S>));

fn makes<S: Side>() -> Vec<Row<S>> {
    vec![
        ("a directory", |it| drop(it.ask(&Mkdir::new(path("notes"))))),
        ("one that is there", |it| drop(it.ask(&Mkdir::new(path("notes"))))),
        ("a file", |it| drop(it.ask(&Write::new(path("notes/a"), vec![0, 159, b'\n', 255])))),
        ("a protected name", |it| drop(it.ask(&Write::new(path(".env"), "x")))),
        ("more of it", |it| drop(it.ask(&Append::new(path("notes/a"), vec![10, 200, 0])))),
        ("more, if absent", |it| drop(it.ask(&Append::new(path("old"), "x").if_absent()))),
        ("a new file", |it| drop(it.ask(&Append::new(path("log"), "one\n").if_absent()))),
        ("a tree twice", |it| drop(it.ask(&Copy::new(path("tree"), path("two")).recursive()))),
        ("a tree, unsaid", |it| drop(it.ask(&Copy::new(path("tree"), path("three"))))),
        ("over a file", |it| drop(it.ask(&Copy::new(path("old"), path("log")).overwriting()))),
        ("a move", |it| drop(it.ask(&Move::new(path("two"), path("notes/two")).recursive()))),
        ("into itself", |it| {
            drop(it.ask(&Move::new(path("tree"), path("tree/deep/tree")).recursive()));
        }),
        ("a name", |it| drop(it.ask(&Rename::new(path("old"), "older").unwrap()))),
        ("of nothing", |it| drop(it.ask(&Rename::new(path("nothing"), "more").unwrap()))),
        ("away", |it| drop(it.ask(&Delete::new(path("notes/two/deep/file"))))),
        ("a tree away, unsaid", |it| drop(it.ask(&Delete::new(path("tree"))))),
    ]
}

fn looks<S: Side>() -> Vec<Row<S>> {
    vec![
        ("bytes", |it| drop(it.ask(&Read::of(path("notes/a")).with_digest()))),
        ("no bytes", |it| drop(it.ask(&Read::of(path("nothing"))))),
        ("facts", |it| drop(it.ask(&Stat::of(path("older"))))),
        ("names", |it| drop(it.ask(&List::of(path_of("/work")).recursive(5)))),
        ("words", |it| drop(it.ask(&Search::at(path_of("/work"), ["needle"]).deep(5)))),
        ("words in names", |it| drop(it.ask(&Search::at(path_of("/work"), ["o"]).names_only()))),
        ("no words", |it| drop(it.ask(&Search::at(path_of("/work"), [""])))),
        ("the past", |it| drop(it.ask(&History::of(path_of("/work"))))),
        ("too much of it", |it| drop(it.ask(&History::of(path_of("/work")).at_most(9999)))),
    ]
}

fn goes_back<S: Side>() -> Vec<Row<S>> {
    vec![
        ("a deletion", |it| {
            let (intent, needs) = it.newest("fs.delete");
            drop(it.ask(&Undo::new(intent, needs.clone())));
            drop(it.ask(&Undo::new(intent, needs)));
        }),
        ("again", |it| {
            let (intent, needs) = it.newest("fs.undo");
            drop(it.ask(&Redo::new(intent, needs)));
        }),
        ("a name", |it| {
            let (intent, needs) = it.newest("fs.rename");
            drop(it.ask(&Undo::new(intent, needs)));
        }),
        ("everything", |it| {
            let looked = it.ask(&since()).unwrap();
            drop(it.ask(&looked.operation.unwrap()));
        }),
        ("everything, again", |it| {
            let (intent, needs) = it.newest("fs.rollback");
            drop(it.ask(&Redo::new(intent, needs)));
        }),
        ("and now", |it| drop(it.ask(&List::of(path_of("/work")).recursive(5)))),
        ("and then", |it| drop(it.ask(&History::of(path_of("/work"))))),
    ]
}

type Told = Vec<(&'static str, Vec<(&'static str, Value)>)>;

/// What each row of the table was answered, and of which kinds something was done.
fn told<S: Side>(side: &S) -> (Told, BTreeSet<&'static str>) {
    let done = BTreeSet::new();
    let mut asked = Asked { side, intents: Vec::new(), told: Vec::new(), done };
    let mut rows = Vec::new();
    for (what, row) in [makes(), looks(), goes_back()].concat() {
        row(&mut asked);
        rows.push((what, std::mem::take(&mut asked.told)));
    }
    (rows, asked.done)
}

fn furnish(work: &Dir) {
    work.create_dir_all("tree/deep").unwrap();
    work.write("tree/deep/file", "hay, a needle, and hay\n").unwrap();
    work.write("old", "by hand\n").unwrap();
}

fn files(work: &Dir) -> BTreeMap<String, (Option<Vec<u8>>, u32)> {
    let mut found = BTreeMap::new();
    walk(work, "", &mut found);
    found.into_iter().map(|(name, (content, mode, _))| (name, (content, mode))).collect()
}

#[test]
fn every_operation_is_answered_there_as_it_is_here() {
    let (far, here) = (Far::new(), World::new());
    furnish(&far.work);
    furnish(&here.work);
    let ((there, done), (local, _)) = (told(&far), told(&here));
    for (there, local) in there.iter().zip(&local) {
        assert_eq!(there, local);
    }
    assert_eq!(files(&far.work), files(&here.work));
    // Each kind that the node says it performs was done at least once, and many were refused.
    let kinds = far.remote().endpoint().welcome().unwrap().kinds;
    assert_eq!(done.into_iter().collect::<Vec<_>>(), kinds);
    let all = there.iter().flat_map(|(_, told)| told);
    assert!(all.filter(|(_, told)| told.get("refused").is_some()).count() >= 9);
}

#[test]
fn what_history_tells_there_is_what_going_back_needs() {
    let far = Far::new();
    far.work.write("a", "by hand").unwrap();
    far.write("a", "one").unwrap();
    far.submit(&Append::new(path("a"), ", two")).unwrap();
    let says = |text: &str| assert_eq!(far.work.read_to_string("a").unwrap(), text);
    says("one, two");
    let newest = || {
        let past = far.submit(&History::of(path_of("/work"))).unwrap();
        let change = past.changes.first().unwrap().clone();
        (change.intent, change.undo.unwrap())
    };
    let (intent, needs) = newest();
    let undone = far.submit(&Undo::new(intent, needs)).unwrap();
    assert_eq!(undone.reversed, intent);
    says("one");
    let (intent, needs) = newest();
    assert_eq!(intent, undone.intent, "the undo is a change in the node's own ledger");
    far.submit(&Redo::new(intent, needs)).unwrap();
    says("one, two");
    let looked = far.submit(&since()).unwrap();
    says("one, two");
    let back = far.submit(&looked.operation.unwrap()).unwrap();
    says("by hand");
    let (intent, needs) = newest();
    assert_eq!(Some(intent), back.intent);
    far.submit(&Redo::new(intent, needs)).unwrap();
    says("one, two");
    // What another identity may do in the same folder does not make it see this one's past.
    let other = agent(&far.owner, "home");
    let past = block_on(other.submit(far.remote(), &History::of(path_of("/work")))).unwrap();
    assert!(past.changes.is_empty());
}
