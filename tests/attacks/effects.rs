//! An effect outlives no permission, and a yes is good for what was read and for nothing else.
use std::{pin::pin, sync::atomic::Ordering, time::Duration};

use clawnet_core::*;
use futures::executor::block_on;

use super::desk::{Desk, Hired, Letter, allow, ask, asked, polled};
use crate::properties::bench::{CHANGE, Probe};

fn write() -> Probe<CHANGE> {
    Probe::on(Action::Write, "fs:/a/b")
}

/// Parks a submission behind its intent, lets something happen, and resumes it: it fails with
/// `code`, or is performed if there is none.
fn check_parked(what: &str, happens: impl FnOnce(&Desk, &Hired), code: Option<&str>) {
    let desk = Desk::new();
    let hired = desk.hire(allow());
    let (till, operation) = (desk.till("till"), write());
    desk.shelf.hold_commits();
    let mut parked = pin!(hired.agent.submit(&till, &operation));
    assert!(polled(parked.as_mut()).is_pending(), "{what}");
    let intent = desk.kernel.head().sequence;
    desk.shelf.let_commits_go();
    assert!(matches!(desk.events().last(), Some(Event::Intent(_))), "{what}");
    happens(&desk, &hired);

    let result = block_on(parked);
    let said = match &result {
        Ok(_) => None,
        Err(Refusal::Failed(fault)) => Some(fault.code()),
        Err(other) => panic!("{what}: {other:?}"),
    };
    assert_eq!(said, code, "{what}");
    assert_eq!(till.endpoint().performed(), u64::from(code.is_none()), "{what}");
    let events = desk.events();
    let Some(Event::Outcome(outcome)) = events.last() else { panic!("{what}: {events:?}") };
    assert_eq!(outcome.intent, intent, "{what}");
    let recorded = if let OutcomeKind::Failed { code, .. } = &outcome.result {
        Some(code.as_str())
    } else {
        assert_eq!(outcome.result, OutcomeKind::Done, "{what}");
        None
    };
    assert_eq!(recorded, code, "{what}");
}

#[test]
fn a_parked_submission_does_not_outlive_what_ended_its_permission() {
    let freeze_all = |desk: &Desk, _: &Hired| block_on(desk.owner.freeze_all()).unwrap();
    check_parked("freeze all", freeze_all, Some("revoked"));
    let freeze = |desk: &Desk, hired: &Hired| block_on(desk.owner.freeze(hired.identity)).unwrap();
    check_parked("freeze", freeze, Some("revoked"));
    let dismiss = |desk: &Desk, hired: &Hired| {
        block_on(desk.owner.dismiss(hired.agent.caller().agent())).unwrap();
    };
    check_parked("dismiss", dismiss, Some("revoked"));
    let revoke = |desk: &Desk, hired: &Hired| block_on(desk.owner.revoke(hired.grant)).unwrap();
    check_parked("revoke", revoke, Some("revoked"));
    let retire = |desk: &Desk, hired: &Hired| {
        block_on(desk.owner.retire(hired.identity)).unwrap();
    };
    check_parked("retire", retire, Some("revoked"));
    let thaw = |desk: &Desk, _: &Hired| {
        block_on(desk.owner.freeze_all()).unwrap();
        block_on(desk.owner.unfreeze_all()).unwrap();
    };
    check_parked("freeze and unfreeze", thaw, Some("revoked"));
    let other = |desk: &Desk, _: &Hired| drop(desk.hire(allow()));
    check_parked("somebody else's grant", other, None);
}

#[test]
fn a_parked_submission_does_not_begin_ten_seconds_late() {
    let after = |millis: u64| {
        move |desk: &Desk, _: &Hired| desk.clock.advance(Duration::from_millis(millis))
    };
    check_parked("just in time", after(9_999), None);
    check_parked("ten seconds", after(10_000), Some("late"));
    check_parked("a day", after(86_400_000), Some("late"));
}

#[test]
fn a_yes_given_for_staging_is_not_spent_at_prod() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(ask());
    let (staging, prod) = (desk.till("staging"), desk.till("prod"));
    let ticket = asked(&agent, &staging, &write());
    assert!(desk.owner.inbox()[0].render().contains("at `staging`"));
    block_on(desk.owner.approve(ticket)).unwrap();
    assert_ne!(asked(&agent, &prod, &write()), ticket);
    assert_eq!(prod.endpoint().performed(), 0);
    block_on(agent.submit(&staging, &write())).unwrap();
    assert_eq!((staging.endpoint().performed(), prod.endpoint().performed()), (1, 0));
}

#[test]
fn content_that_differs_from_what_was_approved_is_not_performed() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(ask());
    let till = desk.till("till");
    let (read, forged) = (Letter::new("hello", b"kind words"), Letter::new("hello", b"unkind"));
    let ticket = asked(&agent, &till, &read);
    let question = desk.owner.inbox().remove(0);
    let content = block_on(desk.owner.content(&question.content.unwrap())).unwrap();
    assert_eq!(content.as_deref(), Some(&b"kind words"[..]));
    block_on(desk.owner.approve(ticket)).unwrap();
    assert_ne!(asked(&agent, &till, &forged), ticket);
    assert_eq!(till.endpoint().performed(), 0);
    block_on(agent.submit(&till, &read)).unwrap();
    assert_eq!(till.endpoint().performed(), 1);
}

#[test]
fn a_veto_said_while_content_is_kept_is_heard() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(ask());
    let (till, letter) = (desk.till("till"), Letter::new("hello", b"kind words"));
    desk.shelf.holds_bodies.store(true, Ordering::SeqCst);
    let mut parked = pin!(agent.submit(&till, &letter));
    assert!(polled(parked.as_mut()).is_pending());
    till.endpoint().vetoes.store(true, Ordering::SeqCst);
    desk.shelf.holds_bodies.store(false, Ordering::SeqCst);
    let Err(Refusal::Denied(denial)) = block_on(parked) else { panic!("not denied") };
    assert_eq!(denial.layer, Layer::Endpoint);
    assert_eq!(denial.code, DenyCode::Endpoint(Code::new("withdrawn")));
    assert_eq!(desk.owner.inbox(), []);
    assert!(!desk.events().iter().any(|event| matches!(event, Event::Asked(_))));
}
