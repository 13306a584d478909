//! What an agent may learn, hand on and pile up.
use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use clawnet_core::*;
use futures::executor::block_on;

use super::desk::{Desk, Hired, Letter, allow, ask, asked, at_once, events, hire, region};
use crate::properties::bench::{CHANGE, Probe, key};

/// The right to hand on what `identity` has.
fn may_delegate(identity: IdentityId) -> Grant {
    let own = Region::exact(&format!("identity:{identity}")).unwrap();
    Grant::new().allow(Action::Delegate, own)
}

#[test]
fn a_judgement_names_no_rules_of_those_above() {
    let desk = Desk::new();
    let secret = Region::exact("fs:/a/secret").unwrap();
    let Hired { identity, agent: above, .. } = desk.hire(allow().deny(Action::Write, secret));
    block_on(desk.owner.grant(identity, may_delegate(identity))).unwrap();
    let child = block_on(desk.owner.delegate(identity, "child")).unwrap();
    block_on(desk.owner.grant(child, allow())).unwrap();
    let made = block_on(above.delegate("made", allow())).unwrap();
    let forbidden = Probe::<CHANGE>::on(Action::Write, "fs:/a/secret");
    let allowed = Probe::<CHANGE>::on(Action::Write, "fs:/a/b");
    let till = desk.till("till");
    for below in [child, made] {
        let agent = block_on(desk.owner.bind(below, "below", "tests")).unwrap();
        for (operation, verdict) in [(&forbidden, Verdict::Deny), (&allowed, Verdict::Allow)] {
            let judged = agent.judge(operation);
            assert_eq!((judged.verdict, judged.rules.len()), (verdict, 0), "{judged:?}");
        }
        let refused = block_on(agent.submit(&till, &forbidden));
        let Err(Refusal::Denied(denial)) = refused else { panic!("{refused:?}") };
        assert_eq!((denial.rule, denial.near_miss), (None, None));
    }
    for operation in [forbidden, allowed] {
        assert_eq!(above.judge(&operation).rules.len(), 1, "its own it may know");
    }
}

/// A clock that stands still, and at one of its calls does something first.
#[derive(Clone, Default)]
struct Trap(Arc<Trapped>);

#[derive(Default)]
struct Trapped {
    calls: AtomicU64,
    set: Mutex<Option<(u64, Happens)>>,
}

type Happens = Box<dyn FnOnce() + Send>;

impl Trap {
    /// Springs at the `nth` call from now, counted from 1.
    fn set(&self, nth: u64, happens: impl FnOnce() + Send + 'static) {
        let at = self.0.calls.load(Ordering::SeqCst) + nth;
        *self.0.set.lock().unwrap() = Some((at, Box::new(happens)));
    }
}

impl Clock for Trap {
    fn now(&self) -> Timestamp {
        let call = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let springs = self.0.set.lock().unwrap().take_if(|(at, _)| *at == call);
        if let Some((_, happens)) = springs {
            happens();
        }
        Timestamp::from_millis(1000)
    }
}

/// What ends the permission to delegate: given an identity, and the grant of it.
type Stops = fn(&Owner, IdentityId, GrantId);

/// A delegation during which, at the `nth` look at the clock, it is stopped: after how many records
/// that was, and what came of it.
fn delegating(nth: u64, stops: Stops) -> (Option<usize>, Vec<Event>, Result<IdentityId, Refusal>) {
    let trap = Trap::default();
    let governing = Kernel::governing(key().public_key());
    let kernel = block_on(governing.open(MemoryStore::new(), trap.clone())).unwrap();
    let owner = Arc::new(block_on(kernel.owner(key())).unwrap());
    let Hired { identity, agent, .. } = hire(&owner, allow());
    let grant = block_on(owner.grant(identity, may_delegate(identity))).unwrap();
    let (other, stopped) = (owner.clone(), Arc::new(OnceLock::new()));
    let says = stopped.clone();
    trap.set(nth, move || {
        stops(&other, identity, grant);
        says.set(at_once(other.records(1, usize::MAX)).unwrap().len()).unwrap();
    });
    let result = block_on(agent.delegate("child", allow()));
    (stopped.get().copied(), events(&owner), result)
}

#[test]
fn no_delegation_lands_after_what_ended_its_permission() {
    let all: [(&str, Stops); 3] = [
        ("freeze", |owner, identity, _| at_once(owner.freeze(identity)).unwrap()),
        ("freeze all", |owner, _, _| at_once(owner.freeze_all()).unwrap()),
        ("revoke", |owner, _, grant| at_once(owner.revoke(grant)).unwrap()),
    ];
    for (what, stops) in all {
        let (mut landed, mut refused, mut failed) = (0, 0, 0);
        for nth in 1..=24 {
            let (stopped, events, result) = delegating(nth, stops);
            let delegated = events.iter().position(|e| matches!(e, Event::Delegated { .. }));
            match (stopped, delegated, &result) {
                (Some(stopped), Some(delegated), Ok(_)) => {
                    assert!(delegated < stopped, "{what} at {nth}: {delegated} after {stopped}");
                    landed += 1;
                }
                (Some(_), None, Err(Refusal::Denied(_))) => refused += 1,
                (Some(_), None, Err(Refusal::Failed(fault))) => {
                    assert_eq!(fault.code(), "revoked", "{what} at {nth}");
                    failed += 1;
                }
                (None, Some(_), Ok(_)) => {}
                other => panic!("{what} at {nth}: {other:?}"),
            }
        }
        println!("{what}: {landed} landed before, {refused} refused, {failed} failed");
        assert!(refused > 0 && failed > 0, "{what}: it is stopped where it matters");
    }
}

#[test]
fn an_agents_delegates_are_counted_and_pass_for_nobody() {
    let desk = Desk::new();
    let Hired { identity, agent, .. } = desk.hire(allow());
    block_on(desk.owner.grant(identity, may_delegate(identity))).unwrap();
    block_on(desk.owner.delegate(identity, "trusted")).unwrap();
    let check_refused = |name: &str| {
        let result = block_on(agent.delegate(name, allow()));
        assert!(matches!(result, Err(Refusal::Denied(_))), "{name}: {result:?}");
    };
    check_refused("work");
    check_refused("trusted");
    for nth in 1..64 {
        block_on(agent.delegate(&format!("delegate {nth}"), allow())).unwrap();
        check_refused(&format!("delegate {nth}"));
    }
    check_refused("one more");
    let beneath = desk.owner.identities().into_iter().filter(|i| i.parent == Some(identity));
    assert_eq!(beneath.count(), 64);
    assert!(desk.kernel.failure().is_none());
}

#[test]
fn content_that_nobody_will_be_asked_about_is_not_kept() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(ask());
    let till = desk.till("till");
    let most = u64::try_from(Limits::default().questions_open_max).unwrap();
    let letter = |nth: u64| Letter::new(&format!("letter {nth}"), &vec![7; 100_000]);
    for nth in 0..most {
        asked(&agent, &till, &letter(nth));
    }
    assert_eq!(desk.shelf.bodies(), most);
    let check_denied = |nth: u64, code: DenyCode| {
        let result = block_on(agent.submit(&till, &letter(nth)));
        let Err(Refusal::Denied(denial)) = result else { panic!("{nth}: {result:?}") };
        assert_eq!(denial.code, code, "{nth}");
        assert_eq!(desk.shelf.bodies(), most, "{nth}");
    };
    for nth in most..4 * most {
        check_denied(nth, DenyCode::QuestionLimit);
    }
    let ticket = asked(&agent, &till, &letter(0));
    block_on(desk.owner.reject(ticket)).unwrap();
    check_denied(0, DenyCode::Rejected);
    let denied = desk.hire(Grant::new().deny(Action::Write, region()));
    assert!(block_on(denied.agent.submit(&till, &letter(0))).is_err());
    assert_eq!(desk.shelf.bodies(), most);
}
