//! What the disk does: what is spent stays spent, what is refused is not believed, and what is only
//! a shortcut may fail.
use std::{pin::pin, sync::Arc, sync::atomic::Ordering, task::Poll};

use clawnet_core::*;
use futures::executor::block_on;

use super::{
    desk::{Desk, Hired, allow, ask, asked, at_once, ends, polled, region},
    shelf::Shelf,
};
use crate::properties::bench::{CHANGE, OBSERVE, Probe};

fn read() -> Probe<OBSERVE> {
    Probe::on(Action::Read, "fs:/a/b")
}

#[test]
fn an_approval_spent_by_an_observation_is_spent_after_a_power_cut() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(ask());
    let till = desk.till("till");
    let ticket = asked(&agent, &till, &read());
    block_on(desk.owner.approve(ticket)).unwrap();
    block_on(agent.submit(&till, &read())).unwrap();

    let left = desk.shelf.after_power_cut(desk.owner.id());
    let (again, agent) = Desk::reopened(left, &agent);
    let till = again.till("till");
    assert_ne!(asked(&agent, &till, &read()), ticket);
    assert_eq!(till.endpoint().performed(), 0);
}

#[test]
fn a_budget_used_by_an_observation_is_counted_after_a_power_cut() {
    let desk = Desk::new();
    let rule = Rule::new(Verdict::Allow, Action::Read, region()).at_most(Budget::uses(1));
    let Hired { agent, .. } = desk.hire(Grant::new().rule(rule));
    block_on(agent.submit(&desk.till("till"), &read())).unwrap();

    let left = desk.shelf.after_power_cut(desk.owner.id());
    let (again, agent) = Desk::reopened(left, &agent);
    let till = again.till("till");
    let Err(Refusal::Denied(denial)) = block_on(agent.submit(&till, &read())) else {
        panic!("used twice");
    };
    assert_eq!(denial.code, DenyCode::BudgetExhausted);
    assert_eq!(till.endpoint().performed(), 0);
}

/// The twin of the two above: the power cut is one that is felt.
#[test]
fn an_observation_that_spends_nothing_may_be_forgotten() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(allow());
    let before = desk.kernel.head().sequence;
    block_on(agent.submit(&desk.till("till"), &read())).unwrap();
    assert_eq!(desk.kernel.head().sequence, before + 2);
    let left = desk.shelf.after_power_cut(desk.owner.id());
    let (again, _) = Desk::reopened(left, &agent);
    assert_eq!(again.kernel.head().sequence, before);
}

#[test]
fn a_state_that_cannot_be_kept_is_no_failure() {
    let shelf = Arc::new(Shelf::default());
    shelf.refuses_snapshots.store(true, Ordering::SeqCst);
    let limits = || {
        let mut limits = Limits::default();
        limits.snapshot_every = 4;
        limits
    };
    let desk = Desk::on(shelf.clone(), limits());
    let Hired { agent, .. } = desk.hire(allow());
    let till = desk.till("till");
    for _ in 0..20 {
        block_on(agent.submit(&till, &read())).unwrap();
    }
    block_on(clawnet_tests::keeping::keep(&desk.kernel, &desk.owner)).unwrap();
    assert!(desk.kernel.failure().is_none());
    let id = agent.caller().agent();
    for _ in 0..2 {
        let again = Desk::on(shelf.clone(), limits());
        let recovery = again.kernel.recovery();
        assert_eq!((recovery.from_snapshot, &recovery.damage), (0, &None));
        let till = again.till("till");
        block_on(again.owner.agent(id).unwrap().submit(&till, &read())).unwrap();
    }
}

/// Lets the store refuse, tries something, and looks at what the kernel believes then.
fn check_refused(what: &str, tries: impl FnOnce(&Desk, &Agent) -> StoreError) {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(Grant::new().allow(Action::Read, region()));
    let (before, events) = (desk.kernel.head(), desk.events());
    desk.shelf.refuses_appends.store(true, Ordering::SeqCst);
    let error = tries(&desk, &agent);
    assert!(matches!(error, StoreError::Fenced { .. }), "{what}: {error:?}");
    let failure = desk.kernel.failure();
    assert!(matches!(failure, Some(StoreError::Fenced { .. })), "{what}: {failure:?}");
    assert_eq!(desk.kernel.head(), before, "{what}");
    assert_eq!(desk.events(), events, "{what}");
    let [overview] = <[_; 1]>::try_from(desk.owner.identities()).unwrap();
    assert_eq!(overview.standing, Standing::Live, "{what}");

    desk.shelf.refuses_appends.store(false, Ordering::SeqCst);
    let till = desk.till("till");
    let refused = block_on(agent.submit(&till, &read()));
    assert!(matches!(refused, Err(Refusal::Ledger(_))), "{what}: {refused:?}");
    assert_eq!(till.endpoint().performed(), 0, "{what}");
    assert_eq!(desk.kernel.head(), before, "{what}: failed for good");
}

fn refused_by_ledger(result: Result<u64, Refusal>) -> StoreError {
    match result {
        Err(Refusal::Ledger(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_append_that_is_refused_at_once_is_not_believed() {
    check_refused("a refusal", |desk, agent| {
        let write = Probe::<CHANGE>::on(Action::Write, "fs:/a/b");
        refused_by_ledger(block_on(agent.submit(&desk.till("till"), &write)))
    });
    check_refused("an observation", |desk, agent| {
        let till = desk.till("till");
        let error = refused_by_ledger(block_on(agent.submit(&till, &read())));
        assert_eq!(till.endpoint().performed(), 0);
        error
    });
    check_refused("an act", |desk, agent| {
        match block_on(desk.owner.freeze(agent.caller().identity())) {
            Err(OwnerError::Store(error)) => error,
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_follower_of_a_failed_ledger_is_told_and_does_not_spin() {
    ends(|| {
        let desk = Desk::new();
        let Hired { agent, .. } = desk.hire(allow());
        let mut follow = desk.owner.follow(desk.kernel.head().sequence + 1);
        let (till, operation) = (desk.till("till"), Probe::<CHANGE>::on(Action::Write, "fs:/a/b"));
        desk.shelf.hold_commits();
        let mut parked = pin!(agent.submit(&till, &operation));
        assert!(polled(parked.as_mut()).is_pending());
        desk.shelf.lose_commits();
        let refused = polled(parked);
        assert!(matches!(refused, Poll::Ready(Err(Refusal::Ledger(_)))), "{refused:?}");
        assert_eq!(till.endpoint().performed(), 0);
        for _ in 0..3 {
            let told = at_once(follow.next());
            assert!(matches!(told, Err(StoreError::Poisoned)), "{told:?}");
        }
    });
    // A refusal that never was a record is nothing to follow: who waits for it is told why.
    ends(|| {
        let desk = Desk::new();
        let Hired { agent, .. } = desk.hire(Grant::new().deny(Action::Read, region()));
        let mut follow = desk.owner.follow(desk.kernel.head().sequence + 1);
        desk.shelf.refuses_appends.store(true, Ordering::SeqCst);
        let refused = block_on(agent.submit(&desk.till("till"), &read()));
        assert!(matches!(refused, Err(Refusal::Ledger(_))), "{refused:?}");
        let next = polled(pin!(follow.next()));
        assert!(matches!(next, Poll::Ready(Err(_))), "{next:?}");
    });
}

#[test]
fn the_ticket_of_a_lost_question_approves_no_other() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(ask());
    let (owner, before) = (desk.owner.id(), desk.kernel.head().sequence);
    let harmless = asked(&agent, &desk.till("till"), &read());

    let (again, agent) = Desk::reopened(desk.shelf.first(owner, before), &agent);
    let (till, harmful) = (again.till("till"), Probe::<CHANGE>::on(Action::Write, "fs:/a/b"));
    let other = asked(&agent, &till, &harmful);
    assert_eq!(again.kernel.head().sequence, before + 1, "in the same place");
    assert_ne!(other, harmless);
    let approved = block_on(again.owner.approve(harmless));
    let unknown = ActError::UnknownTicket(harmless);
    assert!(matches!(approved, Err(OwnerError::Act(error)) if error == unknown));
    assert_eq!(asked(&agent, &till, &harmful), other);
    assert_eq!(till.endpoint().performed(), 0);
}
