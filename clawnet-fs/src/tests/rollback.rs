//! Many changes taken back as one: looked at first, all or nothing, and done again.
use clawnet_core::Fault;

use super::*;

/// A rollback of everything the world's agent did beneath a path.
fn all(below: &str) -> Rollback {
    Rollback::look(path(below), Selection::Since(Timestamp::from_millis(0)))
}

/// Looks, and runs what the look says.
fn roll_back(world: &World, below: &str) -> Result<RolledBack, Refusal> {
    let looked = world.submit(&all(below))?;
    let nothing = || Refusal::Failed(Fault::new("nothing", format!("{:?}", looked.items)));
    world.submit(&looked.operation.clone().ok_or_else(nothing)?)
}

/// One of each: over, fresh, deleted, made, made on the way, undone, redone.
fn work(world: &World) -> Vec<u64> {
    let undone = world.write("/work/undone", "x").unwrap().intent;
    let over = world.write("/work/old", "new").unwrap().intent;
    let again = world.write("/work/old", "newer").unwrap().intent;
    let gone = world.submit(&Delete::new(path("/work/gone"))).unwrap().intent;
    let back = world.write("/work/gone", "again").unwrap().intent;
    let deep = Write::new(path("/work/p/q/file"), "deep");
    let deep = deep.creating_dirs_below(&path("/work")).unwrap();
    let deep = world.submit(&deep).unwrap().intent;
    let undo = world.undo(undone).unwrap().intent;
    let over_deep = world.write("/work/p/q/file", "deeper").unwrap().intent;
    vec![over_deep, undo, deep, back, gone, again, over, undone]
}

fn prepared() -> World {
    let world = World::new();
    world.work.write("old", "one").unwrap();
    world.work.write("gone", "two").unwrap();
    world.work.write("mine", "three").unwrap();
    world.work.create_dir("dir").unwrap();
    world
}

#[test]
fn a_look_changes_nothing_and_says_what_to_submit() {
    let world = prepared();
    let intents = work(&world);
    let (before, slots) = (world.tree(), world.slots());
    let looked = world.submit(&all("/work")).unwrap();
    assert_eq!((world.tree(), world.slots()), (before, slots));
    let told: Vec<u64> = looked.items.iter().map(|item| item.intent).collect();
    let in_force = [0, 2, 3, 4, 5, 6].map(|nth| intents[nth]);
    assert_eq!(told, in_force, "what was undone and its undo cancel out");
    assert!(looked.items.iter().all(|item| item.refused.is_none()), "{:?}", looked.items);
    let operation = looked.operation.unwrap();
    assert!(!operation.dry_run);
    let text = serde_json::to_string(&operation).unwrap();
    assert_eq!(serde_json::from_str::<Rollback>(&text).unwrap(), operation);
    let read: Rollback = serde_json::from_str(r#"{"below":"fs:/work","by":{"since":0}}"#).unwrap();
    assert_eq!(read, all("/work"), "it looks unless it is told otherwise");
}

#[test]
fn everything_comes_back_and_goes_again() {
    let world = prepared();
    let start = world.tree();
    work(&world);
    let changed = world.tree();
    let back = roll_back(&world, "/work").unwrap();
    assert_eq!(world.tree(), start);
    let identity = world.agent.caller().identity();
    let redo = world.node().redo_of(identity, back.intent.unwrap()).unwrap();
    let redone = world.submit(&redo).unwrap();
    assert_eq!(world.tree(), changed);
    assert_eq!(world.code(&redo), "denied already_undone");
    world.undo(redone.intent).unwrap();
    assert_eq!(world.tree(), start, "and an undo of a redo");
    let looked = world.submit(&all("/work")).unwrap();
    assert_eq!(looked.items, [], "nothing is in force any more");
}

#[test]
fn a_rollback_is_rolled_back_by_the_next() {
    let world = prepared();
    work(&world);
    let changed = world.tree();
    roll_back(&world, "/work").unwrap();
    let by = Selection::Since(Timestamp::from_millis(0));
    let last = world.submit(&History::of(path("/work")).at_most(1)).unwrap().changes.remove(0);
    assert_eq!((last.kind.as_str(), last.reverses.len()), ("fs.rollback", 6));
    let only = vec![Back::new(last.intent, last.undo.unwrap())];
    world.submit(&Rollback::look(path("/work"), by).run(only)).unwrap();
    assert_eq!(world.tree(), changed);
}

#[test]
fn what_a_person_changed_since_stops_all_of_it() {
    type Edit = (&'static str, fn(&World));
    let edits: [Edit; 5] = [
        ("an overwritten file", |world| world.work.write("old", "mine").unwrap()),
        ("a file in a place that was emptied", |world| {
            world.submit(&Delete::new(path("/work/old"))).unwrap();
            world.work.write("old", "mine").unwrap();
        }),
        ("a file in a made directory", |world| world.work.write("p/q/mine", "mine").unwrap()),
        ("a directory that went", |world| {
            let (from, to) = (world.work.open_dir("p").unwrap(), world.folder("outside"));
            from.rename("q", &to, "q").unwrap();
        }),
        ("a file that went", |world| world.work.remove_file("gone").unwrap()),
    ];
    for (name, edit) in edits {
        let world = prepared();
        work(&world);
        let looked = world.submit(&all("/work")).unwrap().operation.unwrap();
        edit(&world);
        let before = (world.tree(), world.slots());
        let again = world.submit(&all("/work")).unwrap();
        assert_eq!(again.operation, None, "{name}");
        let refused = again.items.iter().find_map(|item| item.refused.as_ref()).unwrap();
        assert!(
            ["conflict", "parent_not_found"].contains(&refused.code.as_str()),
            "{name}: {refused:?}"
        );
        assert_eq!(world.code(&looked), "failed rollback_refused", "{name}");
        assert_eq!((world.tree(), world.slots()), before, "{name}");
    }
}

#[test]
fn a_refusal_says_which_and_why_with_both_digests() {
    let world = prepared();
    work(&world);
    let looked = world.submit(&all("/work")).unwrap().operation.unwrap();
    world.work.write("old", "mine").unwrap();
    let intent = looked.undoes[4].intent;
    let Err(Refusal::Failed(fault)) = world.submit(&looked) else { panic!("it ran") };
    let digest = |text: &[u8]| clawnet_core::Digest::of_content(text).to_string();
    for part in [format!("intent {intent}"), digest(b"newer"), digest(b"mine")] {
        assert!(fault.what().contains(&part), "{part} in {fault}");
    }
}

#[test]
fn a_part_is_the_callers_choice() {
    let world = prepared();
    work(&world);
    world.work.write("old", "mine").unwrap();
    let looked = world.submit(&all("/work")).unwrap();
    let fit = looked.items.iter().filter(|item| item.refused.is_none());
    let fit = fit.map(|item| Back::new(item.intent, item.needs.clone().unwrap()));
    let part = all("/work").run(fit.collect());
    assert_eq!(part.undoes.len(), 4);
    let done = world.submit(&part).unwrap();
    assert_eq!(done.items.len(), 4);
    let tree = world.tree();
    assert_eq!(tree.keys().collect::<Vec<_>>(), ["/dir", "/gone", "/mine", "/old"]);
    assert_eq!(tree["/old"].0.as_deref(), Some(&b"mine"[..]));
}

#[test]
fn it_takes_back_what_is_below_and_nothing_else() {
    let world = prepared();
    let inside = world.write("/work/dir/a", "a").unwrap().intent;
    world.write("/work/b", "b").unwrap();
    let looked = world.submit(&all("/work/dir")).unwrap();
    assert_eq!(looked.items.iter().map(|item| item.intent).collect::<Vec<_>>(), [inside]);
    let Some(operation) = looked.operation else { panic!("{:?}", looked.items) };
    let wider = world.submit(&all("/work")).unwrap().operation.unwrap();
    let beyond = Rollback { undoes: wider.undoes, ..operation.clone() };
    assert_eq!(world.code(&beyond), "denied invalid_request");
    world.submit(&operation).unwrap();
    assert_eq!(world.work.read("b").unwrap(), b"b");
    assert!(!world.work.exists("dir/a"));
}

#[test]
fn what_reaches_beyond_is_named_and_not_taken_back() {
    let world = prepared();
    let deep = Write::new(path("/work/p/q/file"), "deep");
    world.submit(&deep.creating_dirs_below(&path("/work")).unwrap()).unwrap();
    let looked = world.submit(&all("/work/p/q")).unwrap();
    assert_eq!(looked.operation, None);
    assert_eq!(looked.items[0].refused.as_ref().unwrap().code.as_str(), "outside");
}

/// What a rollback would take back.
fn chosen(world: &World, agent: &Agent, by: Selection) -> Vec<u64> {
    let looked = block_on(agent.submit(world.mount(), &Rollback::look(path("/work"), by)));
    looked.unwrap().items.iter().map(|item| item.intent).collect()
}

#[test]
fn time_job_and_agent_select() {
    let world = prepared();
    let identity = world.agent.caller().identity();
    let go = block_on(world.owner.attempt(identity, "job-1", "elsewhere")).unwrap();
    let write = |agent: &Agent, at: &str| {
        let write = Write::new(path(at), "x");
        block_on(agent.submit(world.mount(), &write)).unwrap().intent
    };
    let a = write(&world.agent, "/work/a");
    world.clock.set(Timestamp::from_millis(5_000));
    let b = write(&go, "/work/b");
    world.clock.set(Timestamp::from_millis(6_000));
    let c = write(&world.agent, "/work/c");
    let since = |millis| Selection::Since(Timestamp::from_millis(millis));
    for agent in [&world.agent, &go] {
        let chosen = |by| chosen(&world, agent, by);
        assert_eq!(chosen(since(0)), [c, b, a]);
        assert_eq!(chosen(since(5_000)), [c, b]);
        assert_eq!(chosen(since(5_001)), [c]);
        assert_eq!(chosen(Selection::Job("job-1".into())), [b]);
        assert_eq!(chosen(Selection::Job("job-2".into())), [0; 0]);
        assert_eq!(chosen(Selection::Agent(world.agent.caller().agent())), [c, a]);
    }
    let other = agent(&world.owner, "other");
    for by in [since(0), Selection::Job("job-1".into())] {
        assert_eq!(chosen(&world, &other, by), [0; 0], "another identity's are unknown");
    }
}

#[test]
fn what_was_done_because_of_a_session_is_taken_back_alone() {
    let world = prepared();
    let because = |word: &str| world.agent.because(word.parse().unwrap()).unwrap();
    let write = |agent: &Agent, at: &str| {
        let write = Write::new(path(at), "x");
        block_on(agent.submit(world.mount(), &write)).unwrap().intent
    };
    let a = write(&because("talks:one#1"), "/work/a");
    write(&because("talks:two#1"), "/work/b");
    let c = write(&because("talks:one#2"), "/work/c");
    write(&world.agent, "/work/d");
    let chosen = |by: &str| chosen(&world, &world.agent, Selection::Cause(by.into()));
    assert_eq!(chosen("talks:one"), [c, a]);
    assert_eq!(chosen("talks:one#1"), [0; 0]);
    let past = block_on(world.agent.submit(world.mount(), &History::of(path("/work")))).unwrap();
    let causes: Vec<_> = past.changes.iter().map(|change| change.cause.as_deref()).collect();
    assert_eq!(causes, [None, Some("talks:one"), Some("talks:two"), Some("talks:one")]);
}

#[test]
fn an_undo_after_the_time_is_itself_taken_back() {
    let world = prepared();
    let written = world.write("/work/a", "a").unwrap().intent;
    world.clock.set(Timestamp::from_millis(5_000));
    let undo = world.undo(written).unwrap().intent;
    let by = Selection::Since(Timestamp::from_millis(5_000));
    assert_eq!(chosen(&world, &world.agent, by.clone()), [undo]);
    let looked = world.submit(&Rollback::look(path("/work"), by)).unwrap();
    world.submit(&looked.operation.unwrap()).unwrap();
    assert_eq!(world.work.read("a").unwrap(), b"a");
}

#[test]
fn of_a_rollback_only_what_is_selected_is_taken_back() {
    let world = prepared();
    let start = world.tree();
    let a = world.write("/work/a", "a").unwrap().intent;
    world.clock.set(Timestamp::from_millis(5_000));
    let with_a = world.tree();
    let b = world.write("/work/b", "b").unwrap().intent;
    let both = roll_back(&world, "/work").unwrap().intent.unwrap();
    let since = || Selection::Since(Timestamp::from_millis(5_000));
    let looked = world.submit(&Rollback::look(path("/work"), since())).unwrap();
    let told: Vec<_> = looked.items.iter().map(|item| (item.intent, &item.only[..])).collect();
    assert_eq!(told, [(both, &[a][..])], "what is older comes back, and what is not stays away");
    let part = world.submit(&looked.operation.unwrap()).unwrap().intent.unwrap();
    assert_eq!(world.tree(), with_a);
    world.undo(part).unwrap();
    assert_eq!(world.tree(), start);
    let rest = world.undo(both).unwrap().intent;
    assert_eq!(world.work.read("b").unwrap(), b"b", "the rest of it is its own");
    world.undo(rest).unwrap();
    assert_eq!(world.tree(), start);
    assert_eq!(word(&world.undo(b)), "failed already_undone");
}

#[test]
fn a_hundred_and_no_more() {
    let world = World::new();
    for nth in 0..100 {
        world.write(&format!("/work/{nth}"), "x").unwrap();
    }
    let looked = world.submit(&all("/work")).unwrap();
    assert_eq!((looked.items.len(), looked.operation.is_some()), (100, true));
    let last = world.write("/work/last", "x").unwrap().intent;
    assert_eq!(world.code(&all("/work")), "failed limit_exceeded");
    let mut more = looked.operation.clone().unwrap();
    let needs = world.node().undo_of(world.agent.caller().identity(), last).unwrap().needs;
    more.undoes.insert(0, Back::new(last, needs));
    assert_eq!(world.code(&more), "denied limit_exceeded");
    world.submit(&looked.operation.unwrap()).unwrap();
    assert_eq!(world.tree().keys().collect::<Vec<_>>(), ["/last"]);
}

#[test]
fn more_than_layer_one_can_be_asked_is_refused_whole() {
    let world = World::new();
    for nth in 0..43 {
        let write = Write::new(path(&format!("/work/{nth}/a/file")), "x");
        world.submit(&write.creating_dirs_below(&path("/work")).unwrap()).unwrap();
    }
    let before = world.tree();
    assert_eq!(world.code(&all("/work")), "failed limit_exceeded", "129 paths and the list");
    assert_eq!(world.tree(), before);
    let looked = world.submit(&all("/work/0")).unwrap();
    assert!(looked.operation.is_some());
}

#[test]
fn what_it_says_is_checked() {
    let world = prepared();
    work(&world);
    let good = world.submit(&all("/work")).unwrap().operation.unwrap();
    let with = |undoes: Vec<Back>| Rollback { undoes, ..good.clone() };
    let mut swapped = good.undoes.clone();
    swapped.swap(0, 1);
    let mut twice = good.undoes.clone();
    twice.insert(0, twice[0].clone());
    let mut lying = good.undoes.clone();
    lying[0].needs = lying[1].needs.clone();
    for (undoes, expect) in [
        (Vec::new(), "denied invalid_request"),
        (swapped, "denied invalid_request"),
        (twice, "denied invalid_request"),
        (lying.clone(), "denied invalid_request"),
    ] {
        assert_eq!(world.code(&with(undoes)), expect);
    }
    let other = agent(&world.owner, "other");
    let theirs = with(vec![good.undoes[0].clone()]);
    let unknown = with(vec![Back::new(9_999, good.undoes[0].needs.clone())]);
    let [theirs, unknown] = [theirs, unknown].map(|operation| {
        let Err(Refusal::Denied(denial)) = block_on(other.submit(world.mount(), &operation)) else {
            panic!("it ran")
        };
        serde_json::to_string(&denial).unwrap()
    });
    assert_eq!(theirs, unknown, "another's is as unknown as none, byte for byte");
    assert!(theirs.contains("not_found"), "{theirs}");
}

#[test]
fn layer_one_judges_every_path_under_todays_rules() {
    let world = prepared();
    work(&world);
    let looked = world.submit(&all("/work")).unwrap().operation.unwrap();
    let identity = world.agent.caller().identity();
    let region = Region::exact("fs:/work/p/q/file").unwrap();
    let deny = Grant::new().deny(Action::Delete, region.clone());
    block_on(world.owner.grant(identity, deny)).unwrap();
    let before = world.tree();
    assert!(world.code(&looked).starts_with("denied"), "{}", world.code(&looked));
    assert_eq!(world.tree(), before);
    let deny = Grant::new().deny(Action::List, region);
    block_on(world.owner.grant(identity, deny)).unwrap();
    let again = world.submit(&all("/work")).unwrap();
    let hidden: Vec<&Item> = again.items.iter().filter(|item| item.needs.is_none()).collect();
    assert_eq!((hidden.len(), again.operation), (2, None));
    assert!(hidden.iter().all(|item| item.refused.as_ref().unwrap().code.as_str() == "not_listed"));
}

#[test]
fn what_was_kept_and_changed_stops_all_of_it() {
    let world = prepared();
    let mut held = cap_std::fs::OpenOptions::new();
    let held = world.work.open_with("old", held.write(true)).unwrap();
    work(&world);
    std::io::Write::write_all(&mut &held, b"ONE").unwrap();
    let before = (world.tree(), world.slots());
    let looked = world.submit(&all("/work")).unwrap();
    let refused: Vec<&str> =
        looked.items.iter().filter_map(|item| Some(item.refused.as_ref()?.code.as_str())).collect();
    assert_eq!((refused, looked.operation), (vec!["tampered"], None));
    assert_eq!((world.tree(), world.slots()), before);
}
