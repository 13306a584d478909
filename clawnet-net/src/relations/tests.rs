//! The fold between real kernels, evidence carried by hand: no wire, no party.
use std::{sync::Arc, time::Duration};

use clawnet_core::{
    Action, DeclareError, Governing, Grant, IdentityId, Kernel, ManualClock, MemoryStore, Owner,
    Region, SignedAct, Signer as _, SoftwareKey, Store, Timestamp,
};
use futures::executor::block_on;

use super::*;
use crate::{
    contact::Bond,
    dialogue::{Side, Standing},
    entry::{End, Entry, Mark, SignedEnd, SignedEntry, Turn, What},
    said::{Came, Decision, Evidence, Shown},
    terms::{Proposal, Terms},
};

mod beneath;
mod hostile;
mod reworded;
mod waiting;

/// One owner, their kernel, and the identity they show.
struct One {
    clock: ManualClock,
    identity: IdentityId,
    kernel: Kernel,
    owner: Owner,
    store: Arc<dyn Store>,
    seed: u8,
}

fn governing(seed: u8) -> Governing {
    Kernel::governing(SoftwareKey::from_secret(&[seed; 32]).public_key()).project::<Relations>()
}

impl One {
    fn new(seed: u8, clock: &ManualClock) -> Self {
        block_on(async {
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
            let kernel = governing(seed).open_shared(store.clone(), clock.clone()).await.unwrap();
            let owner = kernel.owner(SoftwareKey::from_secret(&[seed; 32])).await.unwrap();
            let own = SoftwareKey::from_secret(&[seed + 100; 32]);
            owner.certify(own.public_key()).await.unwrap();
            kernel.sign_with(own);
            let identity = owner.identity("work").await.unwrap();
            Self { clock: clock.clone(), identity, kernel, owner, store, seed }
        })
    }

    fn id(&self) -> OwnerId {
        self.kernel.owner_id()
    }

    fn net<T>(&self, look: impl FnOnce(&Relations) -> T) -> T {
        self.kernel.read::<Relations, T>(look).unwrap()
    }

    fn standing(&self, session: SessionId) -> Standing {
        self.net(|net| net.session(session).unwrap().standing())
    }

    fn decide(&self, decision: Decision) -> Result<SignedAct, String> {
        let decided = block_on(self.owner.declare::<Relations>(Said::Decided(decision)));
        decided.map_err(|error| error.to_string())
    }

    fn say(&self, said: &Said) -> Result<(), String> {
        match block_on(self.kernel.declare::<Relations>(said, None)) {
            Ok(_) => Ok(()),
            Err(DeclareError::Misfit(misfit)) => Err(misfit.code.as_str().to_owned()),
            Err(DeclareError::BadSignature(_)) => Err("forged".into()),
            Err(other) => Err(other.to_string()),
        }
    }

    /// Hears evidence from `from`.
    fn hear(&self, from: &Self, what: Evidence) -> Result<(), String> {
        self.say(&Said::Came(Box::new(Came::new(from.id(), what))))
    }

    fn show(&self, to: &Self, act: &SignedAct, terms: Option<Terms>) -> Result<(), String> {
        to.hear(self, Evidence::Act(Shown::new(act.clone(), self.kernel.credential(), terms)))
    }

    fn draft(&self, proposal: &Proposal) -> Result<Terms, String> {
        let session = SessionId::drafted(self.id(), self.kernel.head(), proposal.peer);
        let now = Timestamp::from_millis(self.now());
        let terms = self.net(|net| net.draft(proposal, session, now));
        let terms = terms.map_err(|reason| reason.code().to_owned())?;
        self.say(&Said::Drafted(Box::new(terms.clone())))?;
        Ok(terms)
    }

    fn now(&self) -> u64 {
        clawnet_core::Clock::now(&self.clock).as_millis()
    }

    fn consent(&self, terms: &Terms) -> Result<SignedAct, String> {
        let (revision, session, terms) = (terms.revision, terms.session, terms.digest());
        self.decide(Decision::Consent { revision, session, terms })
    }

    fn entry(&self, session: SessionId, what: What) -> SignedEntry {
        block_on(async {
            let entry = self.net(|net| {
                let dialogue = net.session(session).unwrap();
                Entry {
                    at: Timestamp::from_millis(self.now()),
                    number: dialogue.last + 1,
                    previous: dialogue.previous,
                    session,
                    terms: dialogue.wording.digest,
                    what,
                }
            });
            let growth = self.kernel.growth(0).await.unwrap();
            let head = LedgerHead { root: growth.root, size: growth.size };
            let signature = self.kernel.vouch("net.entry", &entry.said_at(head)).unwrap();
            SignedEntry::new(entry, head, signature)
        })
    }

    fn turn(&self, session: SessionId, text: &str, mark: Mark) -> SignedEntry {
        self.entry(session, What::Turn(Turn::of(text, mark, Vec::new())))
    }

    /// Sends `signed` and has `to` hear it.
    fn send(&self, to: &Self, signed: &SignedEntry) -> Result<(), String> {
        self.say(&Said::Sent(Box::new(signed.clone())))?;
        to.hear(self, Evidence::Entry(signed.clone()))
    }

    fn tell_end(&self, to: &Self, session: SessionId) -> Result<(), String> {
        let (end, _) = self.net(|net| net.ended(session)).unwrap();
        let signature = self.kernel.vouch("net.end", &end.said()).unwrap();
        to.hear(self, Evidence::End(SignedEnd::new(end, signature)))
    }

    /// What the ledger folds to when everything is replayed.
    fn replayed(&self) -> Relations {
        let opened = governing(self.seed).verifying_everything();
        let kernel = block_on(opened.open_shared(self.store.clone(), self.clock.clone())).unwrap();
        assert_eq!(kernel.damage(), None);
        kernel.read::<Relations, _>(Clone::clone).unwrap()
    }
}

fn befriend(one: &One, other: &One) {
    let (identity, peer) = (one.identity, other.id());
    let ask = Decision::Ask { identity, name: "One".into(), note: "hello".into(), peer };
    let ask = one.decide(ask).unwrap();
    one.show(other, &ask, None).unwrap();
    let (identity, peer) = (other.identity, one.id());
    let confirm = Decision::Confirm { asked: ask.number, identity, name: "Other".into(), peer };
    let confirm = other.decide(confirm).unwrap();
    other.show(one, &confirm, None).unwrap();
}

fn open(one: &One, other: &One, proposal: &Proposal) -> SessionId {
    let terms = one.draft(proposal).unwrap();
    let ours = one.consent(&terms).unwrap();
    one.show(other, &ours, Some(terms.clone())).unwrap();
    assert_eq!(other.standing(terms.session), Standing::Invited);
    let theirs = other.consent(&terms).unwrap();
    other.show(one, &theirs, None).unwrap();
    terms.session
}

fn two() -> (One, One) {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (one, other) = (One::new(1, &clock), One::new(2, &clock));
    befriend(&one, &other);
    (one, other)
}

#[test]
fn a_contact_needs_both() {
    let (one, other) = two();
    for (here, there) in [(&one, &other), (&other, &one)] {
        let bond = here.net(|net| net.contact(there.id()).unwrap().bond);
        assert_eq!(bond, Bond::Mutual);
        assert_eq!(here.replayed(), here.net(Clone::clone));
    }
    let decision = Decision::Remove { peer: other.id() };
    let remove = one.decide(decision).unwrap();
    one.show(&other, &remove, None).unwrap();
    assert_eq!(other.net(|net| net.contact(one.id()).unwrap().bond), Bond::Ended);
    assert_eq!(one.show(&other, &remove, None), Err("replayed".into()));
    assert_eq!(one.draft(&Proposal::to(other.id(), "x")), Err("unknown".into()));
}

#[test]
fn nobody_speaks_before_both_consents() {
    let (one, other) = two();
    let terms = one.draft(&Proposal::to(other.id(), "valves")).unwrap();
    let session = terms.session;
    let early = one.turn(session, "hi", Mark::Continue);
    assert_eq!(one.say(&Said::Sent(Box::new(early.clone()))), Err("not_open".into()));
    let ours = one.consent(&terms).unwrap();
    assert_eq!(one.say(&Said::Sent(Box::new(early.clone()))), Err("not_open".into()));
    // One side's consent is not the other's.
    assert_eq!(one.show(&one, &ours, None), Err("wrong_party".into()));
    one.show(&other, &ours, Some(terms.clone())).unwrap();
    assert_eq!(other.hear(&one, Evidence::Entry(early)), Err("not_open".into()));
    // The terms are what was signed, and nothing else.
    let mut other_terms = terms.clone();
    other_terms.turns_max += 1;
    assert!(other.consent(&other_terms).unwrap_err().contains("agreed"));
    let theirs = other.consent(&terms).unwrap();
    assert_eq!(other.standing(session), Standing::Open);
    assert_eq!(one.standing(session), Standing::Invited);
    other.show(&one, &theirs, None).unwrap();
    assert_eq!(one.standing(session), Standing::Open);
    assert_eq!(other.show(&one, &theirs, None), Err("replayed".into()));
}

#[test]
fn turns_alternate_are_counted_and_end_at_the_limit() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(3));
    let first = one.turn(session, "1", Mark::Continue);
    one.send(&other, &first).unwrap();
    assert_eq!(other.hear(&one, Evidence::Entry(first)), Err("replayed".into()));
    let again = one.turn(session, "2", Mark::Continue);
    assert_eq!(one.say(&Said::Sent(Box::new(again.clone()))), Err("wrong_turn".into()));
    assert_eq!(other.hear(&one, Evidence::Entry(again)), Err("wrong_turn".into()));
    let second = other.turn(session, "2", Mark::Continue);
    other.send(&one, &second).unwrap();
    let third = one.turn(session, "3", Mark::Continue);
    one.send(&other, &third).unwrap();
    assert_eq!(other.standing(session), Standing::Ended(Ending::Limit));
    assert_eq!(one.standing(session), Standing::Open);
    let fourth = other.turn(session, "4", Mark::Continue);
    assert_eq!(other.say(&Said::Sent(Box::new(fourth))), Err("closed".into()));
    other.tell_end(&one, session).unwrap();
    assert_eq!(one.standing(session), Standing::Ended(Ending::Limit));
    one.tell_end(&other, session).unwrap();
    for here in [&one, &other] {
        here.net(|net| {
            let dialogue = net.session(session).unwrap();
            assert_eq!((dialogue.used, dialogue.last, dialogue.told), (3, 3, true));
            assert!(dialogue.in_flight.is_empty() && net.due().count() <= 1);
        });
        assert_eq!(here.replayed(), here.net(Clone::clone));
    }
}

#[test]
fn what_never_arrived_does_not_count() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    one.send(&other, &one.turn(session, "1", Mark::Continue)).unwrap();
    let lost = other.turn(session, "2", Mark::Continue);
    other.say(&Said::Sent(Box::new(lost.clone()))).unwrap();
    one.decide(Decision::Close { session }).unwrap();
    assert_eq!(one.hear(&other, Evidence::Entry(lost)), Err("closed".into()));
    one.tell_end(&other, session).unwrap();
    for here in [&one, &other] {
        here.net(|net| {
            let dialogue = net.session(session).unwrap();
            assert_eq!((dialogue.used, dialogue.last), (1, 1));
            assert_eq!(dialogue.standing(), Standing::Ended(Ending::Owner));
        });
    }
}

#[test]
fn amending_resets_both_and_pauses() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(4));
    one.send(&other, &one.turn(session, "1", Mark::Continue)).unwrap();
    let mut more = one.net(|net| net.session(session).unwrap().terms().clone());
    (more.revision, more.turns_max) = (2, 8);
    one.say(&Said::Drafted(Box::new(more.clone()))).unwrap();
    assert_eq!(one.standing(session), Standing::Paused);
    let ours = one.consent(&more).unwrap();
    one.show(&other, &ours, Some(more.clone())).unwrap();
    assert_eq!(other.standing(session), Standing::Paused);
    let reply = other.turn(session, "2", Mark::Continue);
    assert_eq!(other.say(&Said::Sent(Box::new(reply))), Err("paused".into()));
    let theirs = other.consent(&more).unwrap();
    other.show(&one, &theirs, None).unwrap();
    other.send(&one, &other.turn(session, "2", Mark::Continue)).unwrap();
    assert_eq!(one.net(|net| net.session(session).unwrap().left()), 6);
}

#[test]
fn the_first_entry_names_the_terms_it_is_said_under() {
    let (one, other) = two();
    let terms = one.draft(&Proposal::to(other.id(), "valves").turns(4)).unwrap();
    let session = terms.session;
    let ours = one.consent(&terms).unwrap();
    one.show(&other, &ours, Some(terms.clone())).unwrap();
    // It opens there, and here other terms are worded before that is known.
    other.consent(&terms).unwrap();
    let mut more = terms;
    (more.revision, more.turns_max) = (2, 8);
    one.say(&Said::Drafted(Box::new(more.clone()))).unwrap();
    let ours = one.consent(&more).unwrap();
    one.show(&other, &ours, Some(more.clone())).unwrap();
    let theirs = other.consent(&more).unwrap();
    other.show(&one, &theirs, None).unwrap();
    one.send(&other, &one.turn(session, "1", Mark::Continue)).unwrap();
    other.send(&one, &other.turn(session, "2", Mark::Continue)).unwrap();
}

#[test]
fn saying_the_same_again_pauses_both() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(20));
    for nth in 0..3 {
        one.send(&other, &one.turn(session, "same", Mark::Continue)).unwrap();
        if nth < 2 {
            let text = format!("no {nth}");
            other.send(&one, &other.turn(session, &text, Mark::Continue)).unwrap();
        }
    }
    for here in [&one, &other] {
        assert_eq!(here.standing(session), Standing::Paused);
    }
    let resume = one.decide(Decision::Resume { session }).unwrap();
    one.show(&other, &resume, None).unwrap();
    assert_eq!(other.standing(session), Standing::Paused);
    let resume = other.decide(Decision::Resume { session }).unwrap();
    other.show(&one, &resume, None).unwrap();
    other.send(&one, &other.turn(session, "well", Mark::Continue)).unwrap();
}

#[test]
fn time_ends_what_nobody_answers() {
    let (one, other) = two();
    let terms = one.draft(&Proposal::to(other.id(), "valves")).unwrap();
    one.clock.advance(Duration::from_mins(31));
    let now = Timestamp::from_millis(one.now());
    assert_eq!(one.net(|net| net.lapsing(now)), [(terms.session, Ending::Lapsed)]);
    let session = terms.session;
    assert_eq!(one.say(&Said::Ended { reason: Ending::Idle, session }), Err("mismatch".into()));
    one.say(&Said::Ended { reason: Ending::Lapsed, session }).unwrap();
    assert!(one.net(|net| net.outgoing_in(session)).is_empty());
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    one.clock.advance(Duration::from_hours(24));
    let now = Timestamp::from_millis(one.now());
    assert_eq!(one.net(|net| net.lapsing(now)), [(session, Ending::Idle)]);
    assert_eq!(one.net(|net| net.session(session).unwrap().role), Side::Initiator);
    let end = End { after: 0, reason: Ending::Idle, session };
    assert_eq!(End { after: 0, ..end.clone() }, end);
}

#[test]
fn freezing_an_identity_ends_its_sessions() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    block_on(one.owner.freeze(one.identity)).unwrap();
    assert_eq!(one.standing(session), Standing::Ended(Ending::Frozen));
    one.tell_end(&other, session).unwrap();
    assert_eq!(other.standing(session), Standing::Ended(Ending::Frozen));
}

#[test]
fn a_changed_key_is_shown_to_the_owner_first() {
    let (mut one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    let new = SoftwareKey::from_secret(&[77; 32]);
    let key = new.public_key();
    block_on(one.owner.rekey(new)).unwrap();
    let credential = one.kernel.credential();
    let turn = one.turn(session, "1", Mark::Continue);
    one.say(&Said::Sent(Box::new(turn.clone()))).unwrap();
    other.hear(&one, Evidence::Keys(credential.clone())).unwrap();
    assert_eq!(other.hear(&one, Evidence::Keys(credential)), Err("replayed".into()));
    assert_eq!(other.net(|net| net.contact(one.id()).unwrap().changed_key()), Some(key));
    assert_eq!(other.hear(&one, Evidence::Entry(turn.clone())), Err("key_changed".into()));
    other.decide(Decision::AcceptKey { key, peer: one.id() }).unwrap();
    other.hear(&one, Evidence::Entry(turn)).unwrap();
}

#[test]
fn a_forged_entry_is_nobodys() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    let mut forged = one.turn(session, "1", Mark::Continue);
    forged.entry.at = Timestamp::from_millis(5);
    let said = Said::Came(Box::new(Came::new(one.id(), Evidence::Entry(forged))));
    let refused = block_on(other.kernel.declare::<Relations>(&said, None));
    assert!(matches!(refused, Err(DeclareError::BadSignature(_))));
}

/// A session beneath `parent`, drafted by `b` and agreed to with `c`.
fn beneath(b: &One, c: &One, parent: SessionId, child: SessionId) -> Terms {
    let proposal = Proposal::to(c.id(), "freight").turns(3).within(parent);
    let now = Timestamp::from_millis(b.now());
    let terms = b.net(|net| net.draft(&proposal, child, now)).unwrap();
    b.say(&Said::Drafted(Box::new(terms.clone()))).unwrap();
    let ours = b.consent(&terms).unwrap();
    b.show(c, &ours, Some(terms.clone())).unwrap();
    let theirs = c.consent(&terms).unwrap();
    c.show(b, &theirs, None).unwrap();
    terms
}

fn three() -> [One; 3] {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let all = [1, 2, 3].map(|seed| One::new(seed, &clock));
    befriend(&all[0], &all[1]);
    befriend(&all[1], &all[2]);
    all
}

#[test]
fn of_wordings_that_cross_the_initiators_counts() {
    let (one, other) = two();
    let terms = one.draft(&Proposal::to(other.id(), "valves")).unwrap();
    let ours = one.consent(&terms).unwrap();
    one.show(&other, &ours, Some(terms.clone())).unwrap();
    let reworded = |one: &One, turns| {
        let mut terms = terms.clone();
        (terms.revision, terms.turns_max) = (2, turns);
        one.say(&Said::Drafted(Box::new(terms.clone()))).unwrap();
        (one.consent(&terms).unwrap(), terms)
    };
    let (ours, mine) = reworded(&one, 5);
    let (theirs, yours) = reworded(&other, 7);
    assert_eq!(other.show(&one, &theirs, Some(yours)), Err("stale".into()));
    one.show(&other, &ours, Some(mine.clone())).unwrap();
    let theirs = other.consent(&mine).unwrap();
    // An answer may repeat the terms it answers.
    other.show(&one, &theirs, Some(mine.clone())).unwrap();
    for here in [&one, &other] {
        assert_eq!(here.standing(mine.session), Standing::Open);
        assert_eq!(here.net(|net| net.session(mine.session).unwrap().left()), 5);
    }
}

#[test]
fn a_credential_that_reads_like_the_known_one_is_verified_too() {
    let (one, other) = two();
    let identity = one.identity;
    let present = Decision::Present { identity, name: "Uno".into(), peer: other.id() };
    let act = one.decide(present).unwrap();
    let mut credential = one.kernel.credential();
    credential.acts[0].signature = act.signature;
    let spoiled = Evidence::Act(Shown::new(act.clone(), credential, None));
    assert_eq!(other.hear(&one, spoiled), Err("forged".into()));
    one.show(&other, &act, None).unwrap();
}
