//! What the history tells, to whom, and how much of it at a time.
use clawnet_core::AgentId;

use super::*;

fn told(past: &Past) -> Vec<u64> {
    past.changes.iter().map(|change| change.intent).collect()
}

#[test]
fn pages_follow_each_other_and_miss_nothing() {
    let world = World::new();
    let all: Vec<u64> = (0..23)
        .map(|nth| world.write(&format!("/work/{}", nth % 5), "x").unwrap().intent)
        .collect();
    let mut found = Vec::new();
    let mut page = History::of(path("/work")).at_most(5);
    loop {
        let past = world.submit(&page).unwrap();
        assert!(past.changes.len() <= 5);
        found.extend(told(&past));
        // What happens in between comes on no later page.
        world.write("/work/later", "x").unwrap();
        match past.before {
            Some(before) => page = page.before(before),
            None => break,
        }
    }
    let newest_first: Vec<u64> = all.into_iter().rev().collect();
    assert_eq!(found, newest_first);
    let over = History::of(path("/work")).at_most(1001);
    assert_eq!(world.code(&over), "denied limit_exceeded");
}

#[test]
fn entries_say_what_was_done_and_how_to_take_it_back() {
    let mut world = World::new();
    world.work.write("old", "one").unwrap();
    let over = world.write("/work/old", "two").unwrap().intent;
    world.clock.set(Timestamp::from_millis(2_000));
    let made = Mkdir::new(path("/work/a/b")).with_parents_below(&path("/work")).unwrap();
    let made = world.submit(&made).unwrap().intent;
    let undo = world.undo(made).unwrap().intent;
    assert_eq!(world.code(&Write::new(path("/work/old"), "x").if_absent()), "failed conflict");
    world.reopen(Durability::ProcessSafe);
    let past = world.submit(&History::of(path("/work"))).unwrap();
    assert_eq!((told(&past), past.before), (vec![undo, made, over], None));
    let [undone, mkdir, write] = &past.changes[..] else { panic!("{past:?}") };
    assert_eq!(write.kind, "fs.write");
    assert_eq!((write.at.as_millis(), mkdir.at.as_millis()), (1_000, 2_000));
    assert_eq!(mkdir.paths, [path("/work/a"), path("/work/a/b")]);
    assert_eq!((mkdir.state, &mkdir.undo), (Standing::Undone, &None));
    assert_eq!((undone.state, &undone.reverses[..]), (Standing::Done, &[made][..]));
    let agent = world.agent.caller().agent();
    assert!(past.changes.iter().all(|change| change.agent == agent && change.job.is_none()));
    let text = serde_json::to_string(&past).unwrap();
    let elsewhere: Past = serde_json::from_str(&text).unwrap();
    assert_eq!(elsewhere, past);
    let write = elsewhere.changes[2].clone();
    world.submit(&Undo::new(write.intent, write.undo.unwrap())).unwrap();
    assert_eq!(world.work.read("old").unwrap(), b"one");
    let undone = elsewhere.changes[0].clone();
    world.submit(&Redo::new(undone.intent, undone.undo.unwrap())).unwrap();
    assert!(world.work.exists("a/b"));
    let not_undone = Redo::new(write.intent, elsewhere.changes[0].undo.clone().unwrap());
    assert_eq!(world.code(&not_undone), "denied already_undone");
    let write = world.write("/work/old", "x").unwrap().intent;
    let identity = world.agent.caller().identity();
    let needs = world.node().undo_of(identity, write).unwrap().needs;
    assert_eq!(world.code(&Redo::new(write, needs)), "denied invalid_request");
    assert!(world.node().redo_of(identity, write).is_err());
}

#[test]
fn it_is_told_by_path_kind_and_time() {
    let world = World::new();
    world.work.create_dir("d").unwrap();
    let at = |millis, place: &str| {
        world.clock.set(Timestamp::from_millis(millis));
        world.write(place, "x").unwrap().intent
    };
    let (a, b, c) = (at(1_000, "/work/a"), at(2_000, "/work/d/b"), at(3_000, "/work/d/c"));
    let gone = world.submit(&Delete::new(path("/work/a"))).unwrap().intent;
    let of = |history: History| told(&world.submit(&history).unwrap());
    let all = || History::of(path("/work"));
    let time = Timestamp::from_millis;
    assert_eq!(of(History::of(path("/work/d"))), [c, b]);
    assert_eq!(of(History::of(path("/work/a"))), [gone, a]);
    assert_eq!(of(all().of_kind("fs.delete")), [gone]);
    assert_eq!(of(all().of_kind("fs.move")), [0; 0]);
    assert_eq!(of(all().within(time(1_500), time(2_000))), [b]);
    assert_eq!(of(all().within(time(2_001), time(9_000))), [gone, c]);
    assert_eq!(of(all().within(time(0), time(1_000))), [a]);
    assert_eq!(of(all().before(c)), [b, a]);
}

#[test]
fn only_what_may_be_listed_is_told() {
    let world = World::new();
    let (open, secret) = (world.write("/work/open", "x"), world.write("/work/secret", "x"));
    let (open, secret) = (open.unwrap().intent, secret.unwrap().intent);
    let past = || told(&world.submit(&History::of(path("/work"))).unwrap());
    assert_eq!(past(), [secret, open]);
    let identity = world.agent.caller().identity();
    let deny = Grant::new().deny(Action::List, Region::exact("fs:/work/secret").unwrap());
    block_on(world.owner.grant(identity, deny)).unwrap();
    assert_eq!(past(), [open]);
}

#[test]
fn another_identitys_past_is_not_told() {
    let world = World::new();
    world.write("/work/a", "x").unwrap();
    let other = agent(&world.owner, "other");
    let history = History::of(path("/work"));
    let theirs = block_on(other.submit(world.mount(), &history)).unwrap();
    assert_eq!(theirs, Past { changes: Vec::new(), before: None });
    let same = block_on(world.owner.bind(world.agent.caller().identity(), "b", "test")).unwrap();
    let mine = block_on(same.submit(world.mount(), &history)).unwrap();
    assert_eq!(mine.changes.len(), 1, "another agent of the identity");
    let agent: AgentId = world.agent.caller().agent();
    assert_eq!(mine.changes[0].agent, agent);
}

#[test]
fn a_page_looks_at_no_more_than_it_may() {
    let world = World::new();
    let first = world.write("/work/rare", "x").unwrap().intent;
    for _ in 0..History::SCANNED_MAX + 10 {
        world.write("/work/often", "x").unwrap();
    }
    let rare = History::of(path("/work/rare"));
    let past = world.submit(&rare).unwrap();
    assert_eq!(past.changes, []);
    let past = world.submit(&rare.before(past.before.unwrap())).unwrap();
    assert_eq!((told(&past), past.before), (vec![first], None));
}
