//! Content stays with its label, whichever way it could leave.
use super::*;
use crate::pause::Point;

impl World {
    /// The node over three folders: `/work`, `/other` labelled `other`, and `/third` labelled like
    /// `/work`; with these flows.
    fn open_labelled(&mut self, flows: &[(&str, &str)]) {
        self.open_with(flows, "/work");
    }

    fn open_with(&mut self, flows: &[(&str, &str)], label: &str) {
        self.node = None;
        for name in ["other", "third"] {
            drop(self.folder("").create_dir(name));
        }
        let mut folders = Folders::new()
            .read_write("/work", self.folder("work"))
            .and_then(|folders| folders.labelled("/work", label))
            .and_then(|folders| folders.read_write("/other", self.folder("other")))
            .and_then(|folders| folders.labelled("/other", "other"))
            .and_then(|folders| folders.read_write("/third", self.folder("third")))
            .and_then(|folders| folders.labelled("/third", "/work"))
            .unwrap();
        for (from, to) in flows {
            folders = folders.flow(from, to).unwrap();
        }
        let node = Node::open(folders, self.folder("state"), Durability::ProcessSafe).unwrap();
        self.node = Some(self.kernel.mount("files", node));
    }

    fn writes(&self, at: &str) -> String {
        word(&self.write(at, "x"))
    }
}

fn labelled(flows: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.work.write("file", "secret").unwrap();
    world.open_labelled(flows);
    world.folder("other").write("file", "theirs").unwrap();
    world
}

const DENIED: &str = "denied flow_denied";

#[test]
fn what_was_read_is_written_only_where_it_may_flow() {
    let world = labelled(&[]);
    assert_eq!(world.writes("/other/before"), "ok", "nothing was read yet");
    assert_eq!(world.code(&Read::of(path("/work/file"))), "ok");
    assert_eq!(world.writes("/other/after"), DENIED);
    assert_eq!(world.code(&Mkdir::new(path("/other/secret"))), DENIED, "a name is content too");
    assert_eq!(world.writes("/work/after"), "ok");
    assert_eq!(world.writes("/third/after"), "ok", "one label, two folders");
    assert_eq!(world.code(&Delete::new(path("/other/before"))), "ok", "taking away tells nothing");
    let refused = match world.write("/other/after", "x") {
        Err(Refusal::Denied(denial)) => denial.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused.contains("`/work`") && refused.contains("`other`"), "{refused}");
}

#[test]
fn a_rule_goes_one_way_and_two_are_not_a_third() {
    let world = labelled(&[("/work", "other")]);
    assert_eq!(world.code(&Read::of(path("/work/file"))), "ok");
    assert_eq!(world.writes("/other/a"), "ok");
    assert_eq!(world.code(&Read::of(path("/other/file"))), "ok");
    assert_eq!(world.writes("/work/a"), DENIED);
    assert_eq!(world.writes("/other/b"), "ok");
    let mut world = labelled(&[]);
    world.open_with(&[("a", "other"), ("other", "/work")], "a");
    assert_eq!(world.code(&Read::of(path("/work/file"))), "ok");
    assert_eq!(world.writes("/other/a"), "ok", "a to other");
    assert_eq!(
        world.writes("/third/a"),
        DENIED,
        "a to other, and other to /work, but not a to /work"
    );
}

#[test]
fn what_a_run_was_told_is_known_after_a_restart_and_recorded_once() {
    let mut world = labelled(&[]);
    for _ in 0..5 {
        assert_eq!(world.code(&Read::of(path("/work/file"))), "ok");
    }
    let journal = world.folder("state").read_to_string("journal").unwrap();
    assert_eq!(journal.matches("\"told\"").count(), 1, "{journal}");
    world.open_labelled(&[]);
    assert_eq!(world.writes("/other/after"), DENIED);
    world.open_labelled(&[("/work", "other")]);
    assert_eq!(world.writes("/other/after"), "ok");
}

#[test]
fn what_cannot_be_recorded_is_not_told() {
    let mut world = labelled(&[]);
    world.node = None;
    let state = world.folder("state");
    let mut journal = state.read("journal").unwrap();
    let at = journal.len() / 2;
    journal[at] ^= 1;
    state.write("journal", &journal).unwrap();
    world.open_labelled(&[]);
    assert_eq!(world.code(&Read::of(path("/work/file"))), "failed log_unavailable");
    assert_eq!(world.code(&Stat::of(path("/work/file"))), "ok", "that tells no content");
}

#[test]
fn a_job_is_one_run_whoever_does_it() {
    let world = labelled(&[]);
    let bind = |identity, name, job| {
        let binding = world.owner.attempt(identity, job, name);
        block_on(binding).unwrap()
    };
    let identity = world.agent.caller().identity();
    let first = bind(identity, "first", "job-1");
    let second = bind(identity, "second", "job-1");
    let other = bind(identity, "other", "job-2");
    let submit = |agent: &Agent, write: &Write| word(&block_on(agent.submit(world.mount(), write)));
    let write = Write::new(path("/other/after"), "x");
    block_on(first.submit(world.mount(), &Read::of(path("/work/file")))).unwrap();
    assert_eq!(submit(&first, &write), DENIED);
    assert_eq!(submit(&second, &write), DENIED);
    assert_eq!(submit(&other, &write), "ok");
    assert_eq!(submit(&world.agent, &write), "ok");
}

#[test]
fn what_is_kept_returns_only_to_its_label() {
    let mut world = labelled(&[]);
    let over = world.write("/work/file", "new").unwrap().intent;
    let gone = world.submit(&Delete::new(path("/work/file"))).unwrap().intent;
    // The owner calls the folder something else: what is kept is still what it was.
    world.open_with(&[], "public");
    assert_eq!(word(&world.undo(gone)), "failed flow_denied");
    assert!(!world.work.exists("file"));
    world.open_with(&[("/work", "public")], "public");
    let gone = world.undo(gone).unwrap().intent;
    world.open_with(&[], "public");
    assert_eq!(word(&world.undo(over)), "failed flow_denied", "what was overwritten, too");
    let taken = world.undo(gone).unwrap().intent;
    // What left the folder under its new label may return under it.
    world.undo(taken).unwrap();
    assert_eq!(world.work.read("file").unwrap(), b"new");
    world.open_labelled(&[]);
    world.undo(over).unwrap();
    assert_eq!(world.work.read("file").unwrap(), b"secret");
}

#[test]
fn undoing_needs_no_more_than_doing_for_who_read_elsewhere() {
    let world = labelled(&[]);
    let over = world.write("/other/file", "x").unwrap().intent;
    assert_eq!(world.code(&Read::of(path("/work/file"))), "ok");
    let undone = world.undo(over).unwrap().intent;
    assert_eq!(world.folder("other").read("file").unwrap(), b"theirs", "its own content returns");
    world.undo(undone).unwrap();
}

#[test]
fn a_rule_that_ends_while_a_change_is_made_ends_the_change() {
    let mut world = labelled(&[]);
    world.node = None;
    let list = world.folder("outside");
    let at = |name: &str| world.base.path().join(name).display().to_string();
    let folder = |name: &str| {
        format!("[[folder]]\nname = \"/{name}\"\npath = \"{}\"\nmode = \"read-write\"\n", at(name))
    };
    let (all, end) = (folder("work") + &folder("other"), "[end]\n");
    let flow = "[[flow]]\nfrom = \"/work\"\nto = \"/other\"\n";
    list.write("list", format!("format = 1\n{all}{flow}{end}")).unwrap();
    let folders = Folders::read_from(list.try_clone().unwrap(), "list", ambient_authority());
    let node = Node::open(folders.unwrap(), world.folder("state"), Durability::ProcessSafe);
    world.node = Some(world.kernel.mount("files", node.unwrap()));
    assert_eq!(world.code(&Read::of(path("/work/file"))), "ok");
    assert_eq!(world.writes("/other/first"), "ok");
    world.node().hook().set(move |point| {
        if point == Point::Filled {
            list.write("list", format!("format = 1\n{all}{end}")).unwrap();
        }
    });
    assert_eq!(world.writes("/other/second"), "failed flow_denied");
    assert!(!world.folder("other").exists("second"));
}

fn moving(from: &str, to: &str) -> Move {
    Move::new(path(from), path(to))
}

impl World {
    fn redo(&self, intent: u64) -> Result<Redone, Refusal> {
        let identity = self.agent.caller().identity();
        let redo = self.node().redo_of(identity, intent).map_err(clawnet_core::Fault::from)?;
        self.submit(&redo)
    }
}

#[test]
fn a_move_needs_a_rule_there_and_none_to_come_home() {
    let mut world = labelled(&[]);
    assert_eq!(world.code(&moving("/work/file", "/other/moved")), DENIED);
    assert_eq!(world.code(&moving("/work/file", "/third/moved")), "ok", "the same label");
    assert_eq!(world.code(&moving("/third/moved", "/work/file")), "ok");
    world.open_labelled(&[("/work", "other")]);
    let moved = world.submit(&moving("/work/file", "/other/moved")).unwrap().intent;
    world.open_labelled(&[]);
    let back = moving("/other/moved", "/work/file");
    assert_eq!(world.code(&back), DENIED, "another move is no undo");
    // Its content comes home without a rule; but going out again is not coming home.
    let undone = world.undo(moved).unwrap().intent;
    assert_eq!(word(&world.redo(undone)), "failed flow_denied");
    assert_eq!(world.work.read("file").unwrap(), b"secret");
    world.open_labelled(&[("/work", "other")]);
    world.redo(undone).unwrap();
}

#[test]
fn a_directory_comes_home_only_by_a_rule() {
    let mut world = labelled(&[]);
    world.work.create_dir("dir").unwrap();
    world.work.write("dir/ours", "what went along").unwrap();
    world.open_labelled(&[("/work", "other")]);
    let there = moving("/work/dir", "/other/dir").recursive();
    let moved = world.submit(&there).unwrap().intent;
    world.folder("other").write("dir/theirs", "what others put into it").unwrap();
    assert_eq!(word(&world.undo(moved)), "failed flow_denied");
    world.open_labelled(&[("other", "/work")]);
    world.undo(moved).unwrap();
    assert!(world.work.exists("dir/theirs"));
}

#[test]
fn what_a_move_displaces_keeps_its_label() {
    let mut world = labelled(&[]);
    let over = moving("/work/file", "/other/file").overwriting();
    assert_eq!(world.code(&over), DENIED);
    world.open_labelled(&[("/work", "other")]);
    let moved = world.submit(&over).unwrap().intent;
    assert_eq!(world.folder("other").read("file").unwrap(), b"secret");
    let kept = world.node().kept().unwrap();
    assert_eq!((kept.len(), kept[0].label.as_str()), (1, "other"));
    world.open_labelled(&[]);
    world.undo(moved).unwrap();
    assert_eq!(world.work.read("file").unwrap(), b"secret");
    assert_eq!(world.folder("other").read("file").unwrap(), b"theirs");
}
