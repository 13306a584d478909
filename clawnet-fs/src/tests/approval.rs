//! A yes is a yes to one state of one file.
use clawnet_core::Verdict;

use super::*;

#[test]
fn an_approval_is_void_when_a_person_saves_in_between() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    let agent = block_on(async {
        let identity = world.owner.identity("asking").await.unwrap();
        let all = Region::whole_volume().unwrap();
        world.owner.grant(identity, Grant::new().ask(Action::Write, all)).await.unwrap();
        world.owner.bind(identity, "agent", "test").await.unwrap()
    });
    let write = Write::new(path("/work/file"), "two");
    assert_eq!(agent.judge(&write).verdict, Verdict::Ask);
    let asked = || match block_on(agent.submit(world.mount(), &write)) {
        Err(Refusal::Escalated(ticket)) => ticket,
        other => panic!("{other:?}"),
    };
    let ticket = asked();
    let question = &world.owner.inbox()[0];
    let content = block_on(world.owner.content(&question.content.unwrap())).unwrap();
    assert_eq!(content.as_deref(), Some(&b"two"[..]));
    assert!(!question.operation.as_str().contains("two"), "{}", question.operation.as_str());
    block_on(world.owner.approve(ticket.id)).unwrap();
    world.work.write("file", "mine").unwrap();
    let ticket = asked();
    assert_eq!(world.work.read("file").unwrap(), b"mine");
    block_on(world.owner.approve(ticket.id)).unwrap();
    block_on(agent.submit(world.mount(), &write)).unwrap();
    assert_eq!(world.work.read("file").unwrap(), b"two");
}
