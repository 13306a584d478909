//! What must hold on real threads: budgets (law 11), revocation (law 12), and a yes spent once.
use std::{
    sync::{
        Barrier, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use clawnet_core::*;
use futures::{FutureExt as _, executor::block_on};

use super::bench::{Bench, CHANGE, OBSERVE, Probe, key};

fn rule(effect: Verdict) -> Rule {
    Rule::new(effect, [Action::Read, Action::Write], Region::subtree("fs:/a").unwrap())
}

/// Law 11: whatever the schedule, a rule is used as often as its budget says, exactly; and what an
/// identity uses is gone for those above and beside it.
#[test]
fn a_budget_is_never_exceeded_by_four_threads() {
    let mut refused = 0;
    for round in 0..60_u32 {
        let bench = Bench::new();
        let (upper, above) = bench.identity("above", None);
        let budget = if round.is_multiple_of(2) {
            Budget::uses(7)
        } else {
            Budget::uses(7).per(Duration::from_hours(1))
        };
        bench.grant(upper, Grant::new().rule(rule(Verdict::Allow).at_most(budget)));
        let (lower, below) = bench.identity("below", Some(upper));
        bench.grant(lower, Grant::new().rule(rule(Verdict::Allow)));
        let (ran, start) = (AtomicU64::new(0), Barrier::new(4));
        thread::scope(|scope| {
            for nth in 0..4 {
                let (bench, ran, start) = (&bench, &ran, &start);
                let agent = if nth == 0 { &above } else { &below };
                scope.spawn(move || {
                    let operation = Probe::<OBSERVE>::on(Action::Read, "fs:/a/b");
                    start.wait();
                    for _ in 0..5 {
                        let result = block_on(agent.submit(&bench.probe, &operation));
                        ran.fetch_add(u64::from(result.is_ok()), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(ran.load(Ordering::SeqCst), 7, "round {round}");
        assert_eq!(bench.probe.endpoint().performed(), 7);
        let records = block_on(bench.owner.records(1, usize::MAX)).unwrap();
        let intents = records.iter().filter(|record| matches!(record.event, Event::Intent(_)));
        assert_eq!(intents.count(), 7);
        refused += 20 - 7;
        for agent in [&above, &below] {
            let judged = agent.judge(&Probe::<OBSERVE>::on(Action::Read, "fs:/a/b"));
            assert_eq!(judged.code, Some(DenyCode::BudgetExhausted));
        }
    }
    println!("60 rounds of 20 submissions, {refused} refused");
}

/// Law 12: once `revoke`, `freeze` or `dismiss` has returned, nothing begins under what it ended.
#[test]
fn nothing_begins_after_a_revocation_returned() {
    let (mut before, mut after) = (0_u64, 0_u64);
    for round in 0..240_u32 {
        let bench = Bench::new();
        let (identity, agent) = bench.identity("work", None);
        let grant = bench.grant(identity, Grant::new().rule(rule(Verdict::Allow)));
        let (revoked, ran) = (AtomicBool::new(false), AtomicU64::new(0));
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let operation = Probe::<CHANGE>::on(Action::Write, "fs:/a/b");
                start.wait();
                let mut late = 0;
                while late < 3 {
                    let was_revoked = revoked.load(Ordering::SeqCst);
                    let result = block_on(agent.submit(&bench.probe, &operation));
                    assert!(!(was_revoked && result.is_ok()), "round {round}: ran after it");
                    ran.fetch_add(u64::from(result.is_ok()), Ordering::SeqCst);
                    late += u32::from(was_revoked);
                }
            });
            scope.spawn(|| {
                start.wait();
                for _ in 0..round {
                    std::hint::spin_loop();
                }
                match round % 3 {
                    0 => block_on(bench.owner.revoke(grant)).unwrap(),
                    1 => block_on(bench.owner.freeze(identity)).unwrap(),
                    _ => block_on(bench.owner.dismiss(agent.caller().agent())).unwrap(),
                }
                revoked.store(true, Ordering::SeqCst);
            });
        });
        before += ran.load(Ordering::SeqCst);
        after += 3;
        check_order(&bench);
    }
    println!("240 revocations: {before} ran before, {after} were refused after");
    assert!(before > 100, "the race was never on");
}

/// In the ledger, no intent follows the act that ended its authority.
fn check_order(bench: &Bench) {
    let records = block_on(bench.owner.records(1, usize::MAX)).unwrap();
    let ends =
        |act: &Act| matches!(act, Act::Revoke { .. } | Act::Freeze { .. } | Act::Dismiss { .. });
    let ended = records
        .iter()
        .position(|record| matches!(&record.event, Event::Act(signed) if ends(&signed.act)));
    let later = &records[ended.unwrap()..];
    assert!(!later.iter().any(|record| matches!(record.event, Event::Intent(_))));
}

/// One yes, eight threads: one effect, by one intent.
#[test]
fn a_yes_is_spent_once_by_eight_threads() {
    for round in 0..60 {
        let bench = Bench::new();
        let (identity, agent) = bench.identity("work", None);
        bench.grant(identity, Grant::new().rule(rule(Verdict::Ask)));
        let operation = Probe::<CHANGE>::on(Action::Write, "fs:/a/b");
        let asked = block_on(agent.submit(&bench.probe, &operation));
        let Err(Refusal::Escalated(ticket)) = asked else { panic!("{asked:?}") };
        block_on(bench.owner.approve(ticket.id)).unwrap();
        let (ran, start) = (AtomicU64::new(0), Barrier::new(8));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    match block_on(agent.submit(&bench.probe, &operation)) {
                        Ok(_) => _ = ran.fetch_add(1, Ordering::SeqCst),
                        Err(Refusal::Escalated(again)) => assert_ne!(again.id, ticket.id),
                        Err(other) => panic!("{other}"),
                    }
                });
            }
        });
        assert_eq!(ran.load(Ordering::SeqCst), 1, "round {round}");
        assert_eq!(bench.probe.endpoint().performed(), 1);
        assert_eq!(bench.owner.inbox().len(), 1, "the others asked one question");
    }
}

/// What ends an authority.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Revocation,
    Freeze,
    FreezeOfAll,
    Dismissal,
    Deny,
}

/// An endpoint at which the owner changes their mind while layer 2 is asked: after the decision,
/// before the intent.
struct Meddles {
    owner: Owner,
    grant: GrantId,
    agent: AgentId,
    ends: Mutex<Option<Ends>>,
    performed: AtomicU64,
}

impl Endpoint<Probe<CHANGE>> for Meddles {
    fn admit(&self, _: &Probe<CHANGE>, caller: &Caller) -> Result<Admission, Denial> {
        let owner = &self.owner;
        let identity = caller.identity();
        let changed = match self.ends.lock().unwrap().take() {
            None => return Ok(Admission::unversioned()),
            Some(Ends::Revocation) => owner.revoke(self.grant).now_or_never(),
            Some(Ends::Freeze) => owner.freeze(identity).now_or_never(),
            Some(Ends::FreezeOfAll) => owner.freeze_all().now_or_never(),
            Some(Ends::Dismissal) => owner.dismiss(self.agent).now_or_never(),
            Some(Ends::Deny) => {
                let deny = Grant::new().rule(rule(Verdict::Deny));
                owner.grant(identity, deny).now_or_never().map(|granted| granted.map(drop))
            }
        };
        changed.unwrap().unwrap();
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Probe<CHANGE>>) -> Result<u64, Fault> {
        self.performed.fetch_add(1, Ordering::SeqCst);
        Ok(task.intent())
    }
}

/// Rule 2 of the path, without a race: what was decided on is no longer so, and is judged again.
#[test]
fn what_changes_while_layer_2_is_asked_is_judged_again() {
    for ends in [Ends::Revocation, Ends::Freeze, Ends::FreezeOfAll, Ends::Dismissal, Ends::Deny] {
        for effect in [Verdict::Allow, Verdict::Ask] {
            let bench = Bench::new();
            let (identity, agent) = bench.identity("work", None);
            let grant = bench.grant(identity, Grant::new().rule(rule(effect)));
            let meddles = Meddles {
                owner: block_on(bench.kernel.owner(key())).unwrap(),
                grant,
                agent: agent.caller().agent(),
                ends: Mutex::default(),
                performed: AtomicU64::new(0),
            };
            let desk = bench.kernel.mount("desk", meddles);
            let operation = Probe::<CHANGE>::on(Action::Write, "fs:/a/b");
            if effect == Verdict::Ask {
                let asked = block_on(agent.submit(&desk, &operation));
                let Err(Refusal::Escalated(ticket)) = asked else { panic!("{asked:?}") };
                block_on(bench.owner.approve(ticket.id)).unwrap();
            }
            *desk.endpoint().ends.lock().unwrap() = Some(ends);
            let result = block_on(agent.submit(&desk, &operation));
            let Err(Refusal::Denied(denial)) = result else { panic!("{ends:?}: {result:?}") };
            let expect = match ends {
                Ends::Revocation => DenyCode::NoGrant,
                Ends::Freeze => DenyCode::Frozen,
                Ends::FreezeOfAll => DenyCode::KernelFrozen,
                Ends::Dismissal => DenyCode::Dismissed,
                Ends::Deny => DenyCode::ExplicitDeny,
            };
            assert_eq!(denial.code, expect, "{ends:?}, {effect}");
            assert_eq!(desk.endpoint().performed.load(Ordering::SeqCst), 0);
            assert!(bench.owner.inbox().is_empty(), "{ends:?}: nobody is asked");
            let records = block_on(bench.owner.records(1, usize::MAX)).unwrap();
            assert!(!records.iter().any(|record| matches!(record.event, Event::Intent(_))));
        }
    }
}
