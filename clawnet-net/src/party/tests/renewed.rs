//! What was decided and did not arrive before the owner's key changed.
use std::{future::poll_fn, task::Poll};

use clawnet_core::{PublicKey, Signature, Signer, SignerError};

use super::{beneath::Three, *};
use crate::{
    contact::Bond,
    dialogue::Standing,
    said::{Came, Decision, Evidence, Review, Shown},
};

/// `one` takes another key, and `other` takes note of it.
fn rekeyed(one: &mut One, other: &One) {
    rekeyed_to(one.seed + 50, one, other);
}

fn rekeyed_to(secret: u8, one: &mut One, other: &One) {
    block_on(one.owner.rekey(key(secret))).unwrap();
    block_on(one.party.tick()).unwrap();
    settle(&[one, other]);
    let changed = key(secret).public_key();
    block_on(other.party.accept_key(&other.owner, one.id(), changed)).unwrap();
    one.party.again(other.id());
    settle(&[one, other]);
}

fn acts_since(one: &One, record: u64) -> usize {
    let records = block_on(one.owner.records(record + 1, 9)).unwrap();
    records.iter().filter(|it| matches!(it.event, Event::Act(_))).count()
}

fn standings(one: &One, other: &One, session: SessionId) -> [Standing; 2] {
    [one, other].map(|side| side.party.session(session).unwrap().standing())
}

#[test]
fn what_was_decided_before_the_key_changed_is_signed_again() {
    let (mut one, other, session) = pair(10);
    block_on(one.party.pause(&one.owner, session)).unwrap();
    let early = one.outgoing(&other).pop().unwrap();
    rekeyed(&mut one, &other);
    assert!(one.outgoing(&other).is_empty(), "nothing leaves that is taken by nobody");
    // What left before is refused for its key, and that is no answer to what was decided.
    for answer in other.hear(&early, &one) {
        one.hear(&answer, &other);
    }
    assert_eq!(standings(&one, &other, session), [Standing::Paused, Standing::Open]);
    assert_eq!(block_on(one.party.renew(&one.owner)).unwrap(), 1);
    assert_eq!(block_on(one.party.renew(&one.owner)).unwrap(), 0);
    settle(&[&one, &other]);
    assert_eq!(standings(&one, &other, session), [Standing::Paused; 2]);
    block_on(one.party.resume(&one.owner, session)).unwrap();
    settle(&[&one, &other]);
    one.say(session, "one", Mark::Continue).unwrap();
    settle(&[&one, &other]);
    assert_eq!(other.party.session(session).unwrap().last, 1);
}

#[test]
fn whatever_is_decided_next_follows_what_was_decided_before() {
    let (mut one, other, session) = pair(10);
    block_on(one.party.pause(&one.owner, session)).unwrap();
    rekeyed(&mut one, &other);
    let early = Said::Decided(Decision::Resume { session });
    let early = block_on(one.owner.declare::<Relations>(early)).unwrap_err().to_string();
    assert!(early.contains("signed again first"), "{early}");
    block_on(one.party.resume(&one.owner, session)).unwrap();
    settle(&[&one, &other]);
    assert_eq!(standings(&one, &other, session), [Standing::Open; 2]);
    assert!(one.party.due().is_empty());
}

#[test]
fn a_yes_that_was_lost_with_its_key_opens_the_session_after_all() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (one, mut other) = (One::new(1, &clock), One::new(2, &clock));
    block_on(one.party.ask(&one.owner, other.id(), one.shown(), "about valves")).unwrap();
    settle(&[&one, &other]);
    block_on(other.party.confirm(&other.owner, one.id(), other.shown())).unwrap();
    block_on(other.owner.rekey(key(52))).unwrap();
    block_on(other.party.renew(&other.owner)).unwrap();
    settle(&[&one, &other]);
    let session = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "x"))).unwrap();
    settle(&[&one, &other]);
    let digest = other.party.session(session).unwrap().wording.digest;
    block_on(other.party.consent(&other.owner, session, digest)).unwrap();
    block_on(other.owner.rekey(key(53))).unwrap();
    block_on(other.party.renew(&other.owner)).unwrap();
    block_on(other.party.tick()).unwrap();
    settle(&[&one, &other]);
    let changed = key(53).public_key();
    block_on(one.party.accept_key(&one.owner, other.id(), changed)).unwrap();
    other.party.again(one.id());
    settle(&[&one, &other]);
    assert_eq!(standings(&one, &other, session), [Standing::Open; 2]);
    assert!(one.party.open(session).is_ok() && other.party.open(session).is_ok());
}

#[test]
fn an_ask_that_is_signed_again_is_confirmed_by_either_number() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (mut one, other) = (One::new(1, &clock), One::new(2, &clock));
    block_on(one.party.ask(&one.owner, other.id(), one.shown(), "about valves")).unwrap();
    // It arrives, and nobody hears that it did.
    other.hear(&one.outgoing(&other).pop().unwrap(), &one);
    block_on(other.party.confirm(&other.owner, one.id(), other.shown())).unwrap();
    block_on(one.owner.rekey(key(51))).unwrap();
    block_on(one.party.renew(&one.owner)).unwrap();
    settle(&[&one, &other]);
    let bonds = [(&one, &other), (&other, &one)];
    let bonds = bonds.map(|(here, there)| here.party.contact(there.id()).unwrap().bond);
    assert_eq!(bonds, [Bond::Mutual; 2]);
}

#[test]
fn what_ends_something_signs_no_yes_again() {
    let (mut one, other, _) = pair(10);
    let session = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "x"))).unwrap();
    rekeyed(&mut one, &other);
    // Neither what nobody is told nor the end of a session shows what was agreed to before.
    block_on(one.party.review(&one.owner, other.id(), Review::EachTurn)).unwrap();
    assert!(one.outgoing(&other).is_empty());
    block_on(one.party.close(&one.owner, session)).unwrap();
    settle(&[&one, &other]);
    assert!(other.party.session(session).is_none());
    // Nor does the end of the contact, of which they are told.
    block_on(one.party.present(&one.owner, other.id(), one.shown())).unwrap();
    let session = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "y"))).unwrap();
    rekeyed_to(70, &mut one, &other);
    let before = one.party.kernel().head().sequence;
    block_on(one.party.remove(&one.owner, other.id())).unwrap();
    assert_eq!(acts_since(&one, before), 1);
    settle(&[&one, &other]);
    assert!(other.party.session(session).is_none());
    assert_eq!(other.party.contact(one.id()).unwrap().bond, Bond::Ended);
    assert_eq!(block_on(one.party.renew(&one.owner)).unwrap(), 0);
    assert!(one.party.due().is_empty());
}

#[test]
fn an_invitation_that_was_signed_again_and_did_not_leave_is_taken_back_in_silence() {
    let (mut one, other, _) = pair(10);
    let session = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "x"))).unwrap();
    rekeyed(&mut one, &other);
    assert_eq!(block_on(one.party.renew(&one.owner)).unwrap(), 1);
    block_on(one.party.close(&one.owner, session)).unwrap();
    assert!(one.outgoing(&other).is_empty(), "nobody else ever heard of it");
    assert!(one.party.session(session).unwrap().told && one.party.due().is_empty());
}

#[test]
fn whom_one_wants_to_hear_nothing_of_is_shown_nothing_more() {
    let (mut one, other, _) = pair(10);
    block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "x"))).unwrap();
    rekeyed(&mut one, &other);
    let before = one.party.kernel().head().sequence;
    block_on(one.party.block(&one.owner, other.id())).unwrap();
    // The end of the contact, and the block: nothing else is signed.
    assert_eq!(acts_since(&one, before), 2);
    assert!(one.outgoing(&other).is_empty() && one.party.due().is_empty());
    assert!(one.party.contact(other.id()).unwrap().pending.is_empty());
}

/// A key in a device, which takes a moment.
struct Slow(SoftwareKey);

#[async_trait::async_trait]
impl Signer for Slow {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        let mut waited = false;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.0.sign(message).await
    }
}

#[test]
fn what_somebody_else_signs_again_meanwhile_is_signed_again() {
    let (mut one, other, session) = pair(10);
    block_on(one.party.pause(&one.owner, session)).unwrap();
    block_on(one.owner.rekey(Slow(key(51)))).unwrap();
    let (party, owner) = (&one.party, &one.owner);
    let both = futures::future::join(party.renew(owner), party.renew(owner));
    let (one_of_them, the_other) = block_on(both);
    assert_eq!(one_of_them.unwrap() + the_other.unwrap(), 1);
    assert_eq!(one.party.contact(other.id()).unwrap().pending.len(), 1);
}

#[test]
fn a_confirmation_that_comes_while_things_are_signed_again_loses_none() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (mut one, other) = (One::new(1, &clock), One::new(2, &clock));
    // Each asks the other, and the first says yes: nobody hears what became of theirs.
    block_on(other.party.ask(&other.owner, one.id(), other.shown(), "")).unwrap();
    block_on(one.party.ask(&one.owner, other.id(), one.shown(), "")).unwrap();
    one.hear(&other.outgoing(&one).pop().unwrap(), &other);
    other.hear(&one.outgoing(&other).pop().unwrap(), &one);
    block_on(one.party.confirm(&one.owner, other.id(), one.shown())).unwrap();
    let session = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "x"))).unwrap();
    block_on(one.owner.rekey(key(51))).unwrap();
    // Of three decisions the first is signed again when the other's yes comes.
    let outdated = one.net().outdated().map(|it| it.decision).collect::<Vec<_>>();
    assert_eq!(outdated.len(), 3);
    block_on(one.owner.declare::<Relations>(Said::Decided(outdated[0].clone()))).unwrap();
    block_on(other.party.confirm(&other.owner, one.id(), other.shown())).unwrap();
    let yes = other.net().contact(one.id()).unwrap().pending.back().unwrap().act.clone();
    let yes = Shown::new(yes, other.party.kernel().credential(), None);
    let yes = Said::Came(Box::new(Came::new(other.id(), Evidence::Act(yes))));
    block_on(one.party.kernel().declare::<Relations>(&yes, None)).unwrap();
    let left = one.net().outdated().map(|it| it.decision).collect::<Vec<_>>();
    assert_eq!(left, outdated[1..]);
    assert_eq!(one.net().contact(other.id()).unwrap().pending.len(), 2);
    rekeyed_to(71, &mut one, &other);
    assert_eq!(block_on(one.party.renew(&one.owner)).unwrap(), 2);
    settle(&[&one, &other]);
    assert_eq!(standings(&one, &other, session), [Standing::Invited; 2]);
}

#[test]
fn a_result_that_is_signed_again_counts_once() {
    let mut three = Three::new();
    let child = three.asked();
    let Three { second, third, .. } = &mut three;
    block_on(third.party.release(&third.owner, child, "200")).unwrap();
    // It arrives, and nobody hears that it did.
    second.hear(&third.outgoing(second).pop().unwrap(), third);
    for nth in 0..8 {
        rekeyed_to(60 + nth, third, second);
        assert_eq!(block_on(third.party.renew(&third.owner)).unwrap(), 1);
        second.hear(&third.outgoing(second).pop().unwrap(), third);
    }
    assert_eq!(second.party.session(child).unwrap().releases, 1);
    third.party.again(second.id());
    settle(&[second, third]);
    assert!(third.party.due().is_empty(), "what was there before is taken");
    block_on(third.party.release(&third.owner, child, "210")).unwrap();
    settle(&[second, third]);
    assert_eq!(block_on(second.party.result(child)).unwrap().as_deref(), Some("210"));
}

#[test]
fn another_certificate_of_the_kernel_loses_no_decision() {
    let (one, other, session) = pair(10);
    let named = Presenting::new(one.identity, "office of one");
    block_on(one.party.present(&one.owner, other.id(), named)).unwrap();
    block_on(one.party.pause(&one.owner, session)).unwrap();
    block_on(one.owner.certify(key(88).public_key())).unwrap();
    one.party.kernel().sign_with(key(88));
    block_on(one.party.tick()).unwrap();
    settle(&[&one, &other]);
    assert_eq!(standings(&one, &other, session), [Standing::Paused; 2]);
}
