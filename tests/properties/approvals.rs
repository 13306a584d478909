//! An approval is one yes to one operation, by one identity, on one version, in one epoch, for a
//! time: whatever else differs, it is no yes.
use clawnet_core::*;
use futures::executor::block_on;

use super::bench::{Bench, CHANGE, Layer2, Probe, RELEASE, key, other_key};

/// Half an hour: how long a question, and the yes to it, is good.
const TTL_MS: u64 = 30 * 60 * 1000;

/// A kernel in which one operation was approved.
struct Approved {
    bench: Bench,
    identity: IdentityId,
    grant: GrantId,
    agent: Agent,
    operation: Probe<CHANGE>,
    ticket: TicketId,
}

impl Approved {
    fn new() -> Self {
        let bench = Bench::new();
        let (identity, agent) = bench.identity("work", None);
        let grant = bench.grant(identity, ask());
        let operation = Probe {
            demands: vec![(Action::Write, "fs:/a/b".parse().unwrap(), false)],
            name: "q3".into(),
            number: 7,
        };
        let ticket = asked(&bench, &agent, &operation);
        block_on(bench.owner.approve(ticket)).unwrap();
        Self { bench, identity, grant, agent, operation, ticket }
    }

    /// Submitting this asks again, or is denied; nothing runs.
    fn check_void<O>(&self, what: &str, agent: &Agent, operation: &O)
    where
        O: Operation<Output = u64>,
        super::bench::ProbePoint: Endpoint<O>,
    {
        let result = block_on(agent.submit(&self.bench.probe, operation));
        match result {
            Err(Refusal::Escalated(again)) => assert_ne!(again.id, self.ticket, "{what}"),
            Err(Refusal::Denied(_)) => {}
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(self.bench.probe.endpoint().performed(), 0, "{what}");
    }

    fn check_good(&self, what: &str) {
        let result = block_on(self.agent.submit(&self.bench.probe, &self.operation));
        assert!(result.is_ok(), "{what}: {result:?}");
        assert_eq!(self.bench.last_intent().approval, Some(self.ticket));
    }
}

fn ask() -> Grant {
    Grant::new().ask([Action::Write, Action::Read], Region::subtree("fs:/a").unwrap())
}

fn asked<const EFFECT: u8>(bench: &Bench, agent: &Agent, operation: &Probe<EFFECT>) -> TicketId {
    match block_on(agent.submit(&bench.probe, operation)) {
        Err(Refusal::Escalated(ticket)) => ticket.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_other_operation_needs_its_own_yes() {
    type Change = fn(&mut Probe<CHANGE>);
    let variants: [(&str, Change); 7] = [
        ("another action", |probe| probe.demands[0].0 = Action::Read),
        ("another resource", |probe| probe.demands[0].1 = "fs:/a/c".parse().unwrap()),
        ("all beneath it, too", |probe| probe.demands[0].2 = true),
        ("one demand more", |probe| probe.demands.push(probe.demands[0].clone())),
        ("another name", |probe| probe.name.push(' ')),
        ("no name", |probe| probe.name.clear()),
        ("another number", |probe| probe.number += 1),
    ];
    for (what, change) in variants {
        let approved = Approved::new();
        let mut other = approved.operation.clone();
        change(&mut other);
        approved.check_void(what, &approved.agent, &other);
        approved.check_good(what);
    }
    let approved = Approved::new();
    let Probe { demands, name, number } = approved.operation.clone();
    let same_bytes = Probe::<RELEASE> { demands, name, number };
    approved.check_void("the same bytes of another kind", &approved.agent, &same_bytes);
    approved.check_good("the same bytes of another kind");
}

#[test]
fn another_identity_needs_its_own_yes() {
    let approved = Approved::new();
    let (identity, agent) = approved.bench.identity("academic", None);
    approved.bench.grant(identity, ask());
    approved.check_void("another identity", &agent, &approved.operation);
    approved.check_good("after another identity asked");
}

#[test]
fn another_endpoint_needs_its_own_yes() {
    let approved = Approved::new();
    let other = approved.bench.kernel.mount("other", super::bench::ProbePoint::default());
    match block_on(approved.agent.submit(&other, &approved.operation)) {
        Err(Refusal::Escalated(again)) => assert_ne!(again.id, approved.ticket),
        result => panic!("{result:?}"),
    }
    assert_eq!(other.endpoint().performed(), 0);
    approved.check_good("after it was asked about elsewhere");
}

#[test]
fn another_version_needs_its_own_yes() {
    let approved = Approved::new();
    approved.bench.probe.endpoint().says(Layer2::Admits(1));
    approved.check_void("another version", &approved.agent, &approved.operation);
}

#[test]
fn any_change_of_policy_voids_a_yes() {
    type Change = fn(&Approved);
    let changes: [(&str, Change); 4] = [
        ("a grant more", |it| _ = it.bench.grant(it.identity, ask())),
        ("frozen and not", |it| {
            block_on(it.bench.owner.freeze(it.identity)).unwrap();
            block_on(it.bench.owner.unfreeze(it.identity)).unwrap();
        }),
        ("all frozen and not", |it| {
            block_on(it.bench.owner.freeze_all()).unwrap();
            block_on(it.bench.owner.unfreeze_all()).unwrap();
        }),
        ("granted anew", |it| {
            block_on(it.bench.owner.revoke(it.grant)).unwrap();
            it.bench.grant(it.identity, ask());
        }),
    ];
    for (what, change) in changes {
        let approved = Approved::new();
        change(&approved);
        approved.check_void(what, &approved.agent, &approved.operation);
    }
    let approved = Approved::new();
    let (other, _) = approved.bench.identity("academic", None);
    approved.bench.grant(other, ask());
    approved.check_good("a change of somebody else's policy");
}

#[test]
fn a_yes_is_good_until_just_before_it_expires() {
    let approved = Approved::new();
    approved.bench.set(TTL_MS - 1);
    approved.check_good("a millisecond before");
    let approved = Approved::new();
    approved.bench.set(TTL_MS);
    approved.check_void("on the dot", &approved.agent, &approved.operation);
    approved.bench.set(0);
    approved.check_void("with the clock set back", &approved.agent, &approved.operation);
}

#[test]
fn a_yes_is_spent_by_one_operation() {
    let approved = Approved::new();
    approved.check_good("the first time");
    let again = asked(&approved.bench, &approved.agent, &approved.operation);
    assert_ne!(again, approved.ticket);
    let twice = block_on(approved.bench.owner.approve(approved.ticket));
    assert!(matches!(twice, Err(OwnerError::Act(ActError::UnknownTicket(_)))), "{twice:?}");
}

/// A no is a no to every later time it is asked; a yes that was given can be neither given again nor
/// turned into a no.
#[test]
fn a_question_is_answered_once_and_a_no_is_remembered() {
    let bench = Bench::new();
    let (identity, agent) = bench.identity("work", None);
    bench.grant(identity, ask());
    let operation = Probe::<CHANGE>::on(Action::Write, "fs:/a/b");
    let ticket = asked(&bench, &agent, &operation);
    block_on(bench.owner.reject(ticket)).unwrap();
    for _ in 0..2 {
        match block_on(agent.submit(&bench.probe, &operation)) {
            Err(Refusal::Denied(denial)) => assert_eq!(denial.code, DenyCode::Rejected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.probe.endpoint().performed(), 0);
    let approved = Approved::new();
    for (bench, ticket) in [(&bench, ticket), (&approved.bench, approved.ticket)] {
        for late in [block_on(bench.owner.approve(ticket)), block_on(bench.owner.reject(ticket))] {
            assert!(matches!(late, Err(OwnerError::Act(ActError::UnknownTicket(_)))), "{late:?}");
        }
    }
    approved.check_good("after an answer too many");
}

/// Silence is a no to be asked again about, not one to be remembered.
#[test]
fn what_lapsed_can_be_answered_neither_way() {
    for yes in [true, false] {
        let bench = Bench::new();
        let (identity, agent) = bench.identity("work", None);
        bench.grant(identity, ask());
        let operation = Probe::<CHANGE>::on(Action::Write, "fs:/a/b");
        let ticket = asked(&bench, &agent, &operation);
        bench.set(TTL_MS);
        let owner = &bench.owner;
        let late =
            if yes { block_on(owner.approve(ticket)) } else { block_on(owner.reject(ticket)) };
        assert!(matches!(late, Err(OwnerError::Act(ActError::UnknownTicket(_)))), "{late:?}");
        assert_ne!(asked(&bench, &agent, &operation), ticket);
    }
}

/// So many questions of one identity wait, and not one more; others are not kept waiting by it.
#[test]
fn questions_are_capped_at_exactly_the_limit() {
    let bench = Bench::new();
    let (identity, agent) = bench.identity("work", None);
    bench.grant(identity, ask());
    let limit = Limits::default().questions_open_max;
    let nth = |nth: usize| Probe::<CHANGE>::on(Action::Write, &format!("fs:/a/{nth}"));
    let tickets: Vec<_> = (0..limit).map(|n| asked(&bench, &agent, &nth(n))).collect();
    match block_on(agent.submit(&bench.probe, &nth(limit))) {
        Err(Refusal::Denied(denial)) => assert_eq!(denial.code, DenyCode::QuestionLimit),
        other => panic!("{other:?}"),
    }
    assert_eq!(asked(&bench, &agent, &nth(0)), tickets[0], "the same question is one question");
    assert_eq!(bench.owner.inbox().len(), limit);
    let (other, another) = bench.identity("academic", None);
    bench.grant(other, ask());
    asked(&bench, &another, &nth(0));
    block_on(bench.owner.approve(tickets[0])).unwrap();
    asked(&bench, &agent, &nth(limit));
}

/// An agent's key, or anybody else's, opens no door to deciding; nor does naming the owner's.
#[test]
fn only_the_owners_key_decides() {
    struct Claims;
    #[async_trait::async_trait]
    impl Signer for Claims {
        fn public_key(&self) -> PublicKey {
            key().public_key()
        }

        async fn sign(&self, statement: &[u8]) -> Result<Signature, SignerError> {
            other_key().sign(statement).await
        }
    }
    let approved = Approved::new();
    let other = block_on(approved.bench.kernel.owner(other_key()));
    assert!(matches!(other, Err(OwnerError::ForeignKey)));
    let claimed = block_on(approved.bench.kernel.owner(Claims));
    assert!(matches!(claimed, Err(OwnerError::ForeignKey)));
}
