//! What an endpoint keeps: what it held on to between its two decisions, the evidence it leaves,
//! and how far a permission extends while it is used.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use clawnet_core::*;
use futures::executor::block_on;

use super::desk::{Desk, Hired, allow, ask, at_once, region};
use crate::properties::bench::{CHANGE, OBSERVE, Probe};

/// What is held: counts how many of its kind there are.
struct Handle {
    number: usize,
    open: Arc<AtomicUsize>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What happens at an endpoint while it performs.
type Act = Box<dyn Fn(&Authorized<'_, Probe<CHANGE>>) + Send + Sync>;

/// Holds a handle from its look to its act.
struct Holder {
    open: Arc<AtomicUsize>,
    opened: AtomicUsize,
    during: Mutex<Option<Act>>,
    looks: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Holder {
    fn new() -> Self {
        let (during, looks) = (Mutex::default(), Mutex::default());
        Self { open: Arc::default(), opened: AtomicUsize::new(0), during, looks }
    }

    fn performing(act: impl Fn(&Authorized<'_, Probe<CHANGE>>) + Send + Sync + 'static) -> Self {
        let holder = Self::new();
        *holder.during.lock().unwrap() = Some(Box::new(act));
        holder
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Endpoint<Probe<CHANGE>> for Holder {
    fn admit(&self, _: &Probe<CHANGE>, _: &Caller) -> Result<Admission, Denial> {
        let number = self.opened.fetch_add(1, Ordering::SeqCst) + 1;
        self.open.fetch_add(1, Ordering::SeqCst);
        let handle = Handle { number, open: self.open.clone() };
        if let Some(happens) = self.looks.lock().unwrap().take() {
            happens();
        }
        Ok(Admission::unversioned().holding(handle))
    }

    async fn perform(&self, task: Authorized<'_, Probe<CHANGE>>) -> Result<u64, Fault> {
        assert_eq!(self.open(), 1, "what was held before is gone");
        assert!(task.held::<String>().is_none() && task.held::<usize>().is_none());
        if let Some(act) = &*self.during.lock().unwrap() {
            act(&task);
        }
        task.held::<Handle>().map(|handle| handle.number as u64).ok_or(Fault::new("lost", "lost"))
    }
}

fn write() -> Probe<CHANGE> {
    Probe::on(Action::Write, "fs:/a/b")
}

#[test]
fn what_is_performed_is_performed_on_what_was_looked_at() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(allow());
    let holder = desk.kernel.mount("holder", Holder::new());
    for nth in 1..=3 {
        assert_eq!(block_on(agent.submit(&holder, &write())).unwrap(), nth);
        assert_eq!(holder.endpoint().open(), 0, "dropped when it is over");
    }
}

#[test]
fn what_is_held_is_dropped_where_nothing_is_performed() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(ask());
    let holder = desk.kernel.mount("holder", Holder::new());
    let Err(Refusal::Escalated(ticket)) = block_on(agent.submit(&holder, &write())) else {
        panic!("nobody was asked");
    };
    assert_eq!((holder.endpoint().opened(), holder.endpoint().open()), (1, 0), "asked");
    block_on(desk.owner.approve(ticket.id)).unwrap();
    assert_eq!(block_on(agent.submit(&holder, &write())).unwrap(), 2, "it looked again");
    assert_eq!(holder.endpoint().open(), 0);
    let Err(Refusal::Escalated(ticket)) = block_on(agent.submit(&holder, &write())) else {
        panic!("nobody was asked");
    };
    block_on(desk.owner.reject(ticket.id)).unwrap();
    let refused = block_on(agent.submit(&holder, &write()));
    assert!(matches!(refused, Err(Refusal::Denied(_))), "{refused:?}");
    assert_eq!((holder.endpoint().opened(), holder.endpoint().open()), (4, 0), "denied");
}

#[test]
fn what_is_judged_again_is_looked_at_again() {
    let desk = Arc::new(Desk::new());
    let Hired { agent, identity, .. } = desk.hire(allow());
    let holder = desk.kernel.mount("holder", Holder::new());
    let other = desk.clone();
    *holder.endpoint().looks.lock().unwrap() = Some(Box::new(move || {
        assert_ne!(at_once(other.owner.grant(identity, allow())).ok(), None);
    }));
    assert_eq!(block_on(agent.submit(&holder, &write())).unwrap(), 2, "the second look counts");
    assert_eq!((holder.endpoint().opened(), holder.endpoint().open()), (2, 0));
}

fn receipt() -> Vec<u8> {
    b"signed by the other machine".to_vec()
}

/// The last outcome there is.
fn outcome(desk: &Desk) -> Outcome {
    match desk.events().pop() {
        Some(Event::Outcome(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn evidence_is_kept_read_and_erased() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(allow());
    let holder = desk.kernel.mount(
        "holder",
        Holder::performing(|task| {
            task.attest_body(receipt());
            // The first word counts.
            task.attest(Digest::of_content(b"another"));
        }),
    );
    block_on(agent.submit(&holder, &write())).unwrap();
    let digest = Digest::of_content(&receipt());
    assert_eq!(outcome(&desk).evidence, Some(digest));
    let body = || block_on(desk.owner.body(digest)).unwrap();
    assert_eq!(body(), Body::Kept(receipt()));
    block_on(desk.owner.erase(digest)).unwrap();
    assert!(matches!(body(), Body::Erased { .. }));
    let deeds = block_on(desk.owner.query(&Query::new(), 1)).unwrap().deeds;
    let concluded = deeds[0].outcome.as_ref().unwrap();
    assert_eq!(concluded.evidence, Some(digest), "the chain names what is gone");
}

#[test]
fn evidence_that_cannot_be_kept_ends_the_kernel_before_the_outcome_names_it() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(allow());
    let holder =
        desk.kernel.mount("holder", Holder::performing(|task| task.attest_body(receipt())));
    desk.shelf.refuses_bodies.store(true, Ordering::SeqCst);
    let refused = block_on(agent.submit(&holder, &write()));
    assert!(matches!(refused, Err(Refusal::Ledger(StoreError::Poisoned))), "{refused:?}");
    assert!(desk.kernel.failure().is_some());
    assert!(matches!(desk.events().last(), Some(Event::Intent(_))), "{:?}", desk.events().last());
    desk.shelf.refuses_bodies.store(false, Ordering::SeqCst);
    let refused = block_on(agent.submit(&holder, &write()));
    assert!(matches!(refused, Err(Refusal::Ledger(_))), "failed for good: {refused:?}");

    let left = desk.shelf.after_power_cut(desk.owner.id());
    let (again, agent) = Desk::reopened(left, &agent);
    assert_eq!(again.kernel.recovery().closed, 1);
    assert_eq!(outcome_before_recovery(&again).result, OutcomeKind::Interrupted);
    let holder = again.kernel.mount("holder", Holder::new());
    block_on(agent.submit(&holder, &write())).unwrap();
}

fn outcome_before_recovery(desk: &Desk) -> Outcome {
    let outcomes = desk
        .events()
        .into_iter()
        .filter_map(|event| if let Event::Outcome(outcome) = event { Some(outcome) } else { None });
    outcomes.last().unwrap()
}

#[test]
fn evidence_that_is_too_large_is_the_operations_own_fault() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(allow());
    let holder =
        desk.kernel.mount("holder", Holder::performing(|task| task.attest_body(receipt())));
    desk.shelf.largest_body.store(receipt().len() as u64 - 1, Ordering::SeqCst);
    match block_on(agent.submit(&holder, &write())) {
        Err(Refusal::Failed(fault)) => assert_eq!(fault.code(), "evidence"),
        other => panic!("{other:?}"),
    }
    let said = outcome(&desk);
    assert_eq!(said.evidence, Some(Digest::of_content(&receipt())));
    assert!(matches!(said.result, OutcomeKind::Failed { .. }), "{said:?}");
    let body = block_on(desk.owner.body(Digest::of_content(&receipt()))).unwrap();
    assert_eq!(body, Body::Unknown);
    assert!(desk.kernel.failure().is_none());
    desk.shelf.largest_body.store(u64::MAX, Ordering::SeqCst);
    block_on(agent.submit(&holder, &write())).unwrap();
}

/// What a permission was found to extend to: the same action on each, alone and with all beneath.
type Found = Arc<Mutex<Vec<(String, bool, bool)>>>;

/// Looks how far a permission extends, before and after something happens.
fn looking(
    things: &'static [&'static str],
    happens: impl Fn() + Send + Sync + 'static,
) -> (Holder, [Found; 2]) {
    let found = [Found::default(), Found::default()];
    let [before, after] = found.clone();
    let holder = Holder::performing(move |task| {
        let look = |found: &Found| {
            for thing in things {
                let (resource, action) = (thing.parse().unwrap(), Action::Write);
                let alone = task.extends_to(action, &resource).is_ok();
                let below = task.extends_below(action, &resource).is_ok();
                found.lock().unwrap().push((thing.to_string(), alone, below));
            }
        };
        look(&before);
        happens();
        look(&after);
    });
    (holder, found)
}

fn check_found(found: &Found, expect: &[(&str, bool, bool)]) {
    let expect: Vec<_> =
        expect.iter().map(|(thing, alone, below)| (thing.to_string(), *alone, *below)).collect();
    assert_eq!(*found.lock().unwrap(), expect);
}

#[test]
fn a_permission_extends_to_what_is_as_much_permitted() {
    let rules = allow()
        .deny(Action::Write, Region::subtree("fs:/a/no").unwrap())
        .ask(Action::Write, Region::exact("fs:/a/some/ask").unwrap());
    let things =
        &["fs:/a/b", "fs:/a/no", "fs:/a/no/x", "fs:/a/some", "fs:/a/some/ask", "fs:/a", "fs:/b"];
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(rules.clone());
    let (holder, [found, _]) = looking(things, || ());
    block_on(agent.submit(&desk.kernel.mount("holder", holder), &write())).unwrap();
    check_found(
        &found,
        &[
            ("fs:/a/b", true, true),
            ("fs:/a/no", false, false),
            ("fs:/a/no/x", false, false),
            ("fs:/a/some", true, false),
            ("fs:/a/some/ask", false, false),
            ("fs:/a", true, false),
            ("fs:/b", false, false),
        ],
    );
    // What the owner said yes to extends to what the owner would be asked about.
    let Hired { agent, .. } = desk.hire(rules.ask(Action::Write, region()));
    let (holder, [found, _]) = looking(&["fs:/a/some", "fs:/a/no", "fs:/b"], || ());
    let holder = desk.kernel.mount("holder", holder);
    let Err(Refusal::Escalated(ticket)) = block_on(agent.submit(&holder, &write())) else {
        panic!("nobody was asked");
    };
    block_on(desk.owner.approve(ticket.id)).unwrap();
    block_on(agent.submit(&holder, &write())).unwrap();
    let expect = [("fs:/a/some", true, true), ("fs:/a/no", false, false), ("fs:/b", false, false)];
    check_found(&found, &expect);
}

#[test]
fn a_permission_extends_to_nothing_once_it_is_taken_back() {
    type Happens = fn(&Desk, IdentityId, GrantId);
    let cases: [(&str, Happens); 5] = [
        ("freeze", |desk, identity, _| at_once(desk.owner.freeze(identity)).unwrap()),
        ("freeze all", |desk, _, _| at_once(desk.owner.freeze_all()).unwrap()),
        ("revoke", |desk, _, grant| at_once(desk.owner.revoke(grant)).unwrap()),
        ("window", |desk, _, _| desk.clock.set(Timestamp::from_millis(60_000))),
        ("retire", |desk, identity, _| drop(at_once(desk.owner.retire(identity)).unwrap())),
    ];
    for (what, happens) in cases {
        let desk = Arc::new(Desk::new());
        let until = allow().until(Timestamp::from_millis(60_000));
        let Hired { agent, identity, grant } = desk.hire(until);
        let other = desk.clone();
        let (holder, [before, after]) =
            looking(&["fs:/a/c"], move || happens(&other, identity, grant));
        block_on(agent.submit(&desk.kernel.mount("holder", holder), &write())).unwrap();
        check_found(&before, &[("fs:/a/c", true, true)]);
        assert_eq!(*after.lock().unwrap(), [("fs:/a/c".to_owned(), false, false)], "{what}");
    }
    let desk = Arc::new(Desk::new());
    let Hired { agent, .. } = desk.hire(allow());
    let other = desk.clone();
    let (holder, [_, after]) = looking(&["fs:/a/c"], move || {
        let stranger = at_once(other.owner.identity("stranger")).unwrap();
        assert!(at_once(other.owner.grant(stranger, allow())).is_ok());
    });
    block_on(agent.submit(&desk.kernel.mount("holder", holder), &write())).unwrap();
    check_found(&after, &[("fs:/a/c", true, true)]);
}

#[test]
fn what_a_permission_used_of_a_budget_is_enough_for_what_it_extends_to() {
    let desk = Desk::new();
    let once = |effect, region: &str| {
        Rule::new(effect, Action::Write, Region::subtree(region).unwrap()).at_most(Budget::uses(1))
    };
    let rules =
        Grant::new().rule(once(Verdict::Allow, "fs:/a")).rule(once(Verdict::Allow, "fs:/other"));
    let Hired { agent, .. } = desk.hire(rules);
    block_on(agent.submit(&desk.till("till"), &Probe::<CHANGE>::on(Action::Write, "fs:/other")))
        .unwrap();
    let (holder, [found, _]) = looking(&["fs:/a/c", "fs:/other"], || ());
    let holder = desk.kernel.mount("holder", holder);
    block_on(agent.submit(&holder, &write())).unwrap();
    check_found(&found, &[("fs:/a/c", true, true), ("fs:/other", false, false)]);
    let refused = block_on(agent.submit(&holder, &write()));
    assert!(matches!(refused, Err(Refusal::Denied(_))), "extending gives nothing back");
}

/// Forbids whatever is about everything beneath something, and asks about the rest of `fs:/a/ask`.
struct NoTrees;

impl HousePolicy for NoTrees {
    fn name(&self) -> &'static str {
        "no_trees"
    }

    fn restrict(&self, asked: &HouseQuestion<'_>) -> Result<Restriction, HouseFault> {
        let whole = asked.demands.iter().any(|demand| demand.extent == Extent::Subtree);
        let deny = Restriction::Deny("not all at once".into());
        Ok(if whole { deny } else { Restriction::None })
    }
}

#[test]
fn house_policies_see_how_far_a_demand_reaches() {
    let shelf = Arc::new(super::shelf::Shelf::default());
    let key = crate::properties::bench::key;
    let governing = Kernel::governing(key().public_key()).house(NoTrees);
    let kernel = block_on(governing.open_shared(shelf, ManualClock::default())).unwrap();
    let owner = block_on(kernel.owner(key())).unwrap();
    let Hired { agent, .. } = super::desk::hire(&owner, allow());
    let (holder, [found, _]) = looking(&["fs:/a/c"], || ());
    let holder = kernel.mount("holder", holder);
    block_on(agent.submit(&holder, &write())).unwrap();
    check_found(&found, &[("fs:/a/c", true, false)]);
    let all = Probe::<CHANGE>::below(Action::Write, "fs:/a/b");
    match block_on(agent.submit(&holder, &all)) {
        Err(Refusal::Denied(denial)) => assert_eq!(denial.layer, Layer::House),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_acts_for_a_job_says_so() {
    let desk = Desk::new();
    let Hired { agent, identity, .. } = desk.hire(allow());
    assert_eq!(agent.caller().job(), None);
    let found = Arc::new(Mutex::new(Vec::new()));
    let seen = found.clone();
    let holder = desk.kernel.mount(
        "holder",
        Holder::performing(move |task| {
            seen.lock().unwrap().push(task.caller().job().map(str::to_owned));
        }),
    );
    for runtime in ["codex", "claude-code"] {
        let attempt = block_on(desk.owner.attempt(identity, "release-4.2", runtime)).unwrap();
        block_on(attempt.submit(&holder, &write())).unwrap();
        let again = desk.owner.agent(attempt.caller().agent()).unwrap();
        assert_eq!(again.caller().job(), Some("release-4.2"));
    }
    assert_eq!(
        *found.lock().unwrap(),
        [Some("release-4.2".to_owned()), Some("release-4.2".into())]
    );
}

#[test]
fn trees_are_judged_asked_about_and_found() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(ask());
    let till = desk.till("till");
    let all = Probe::<OBSERVE>::below(Action::Read, "fs:/a/b");
    let ticket = super::desk::asked(&agent, &till, &all);
    let [question] = <[_; 1]>::try_from(desk.owner.inbox()).unwrap();
    let text = question.render();
    assert!(text.contains("\n  (read on fs:/a/b and everything beneath it)\n"), "{text}");
    let asked: Vec<_> = question.demands.iter().collect();
    assert_eq!(asked, [(Action::Read, &Region::subtree("fs:/a/b").unwrap())]);
    block_on(desk.owner.approve(ticket)).unwrap();
    block_on(agent.submit(&till, &all)).unwrap();
    for (thing, count) in [("fs:/a/b", 2), ("fs:/a/b/c/d", 2), ("fs:/a", 0), ("fs:/a/bc", 0)] {
        let query = Query::new().resource(&thing.parse().unwrap());
        assert_eq!(block_on(desk.owner.query(&query, 9)).unwrap().deeds.len(), count, "{thing}");
    }
    // All over again after a power cut, from what was written.
    let left = desk.shelf.after_power_cut(desk.owner.id());
    let (again, _) = Desk::reopened(left, &agent);
    let intents: Vec<_> = again
        .events()
        .into_iter()
        .filter_map(
            |event| {
                if let Event::Intent(intent) = event { Some(intent.demands) } else { None }
            },
        )
        .collect();
    assert_eq!(intents, [question.demands]);
}
