//! A ledger that is not what was written is found out, at the first record that is not: every bit,
//! every cut, swap, duplicate and gap; by a kernel that holds the ledger open, and by one that opens
//! it later.
//!
//! What no chain can show is said by tests too: that its end was cut off while nobody held it open,
//! and that what the owner did not sign was rewritten with everything after it. Both are found by a
//! kernel that is told which head to find.
use std::{
    sync::{Arc, Mutex},
    thread,
};

use async_trait::async_trait;
use clawnet_core::*;
use futures::executor::block_on;

use super::bench::{Bench, CHANGE, OBSERVE, Probe, key};

/// A store that serves whatever frames it was given.
#[derive(Default)]
struct Tampered(Mutex<Vec<Frame>>);

impl Tampered {
    fn of(frames: &[Frame]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(frames.to_vec())))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Frame>)) {
        change(&mut self.0.lock().unwrap());
    }
}

#[async_trait]
impl Store for Tampered {
    async fn head(&self, _: OwnerId) -> Result<Head, StoreError> {
        Ok(self.0.lock().unwrap().last().map_or(Head::EMPTY, Head::after))
    }

    fn append(&self, _: OwnerId, _: Head, batch: Batch, _: Durability) -> Commit {
        self.0.lock().unwrap().extend(batch);
        Commit::ready(Ok(()))
    }

    async fn read(&self, _: OwnerId, from: u64, _: usize) -> Result<Vec<Frame>, StoreError> {
        let first = usize::try_from(from - 1).unwrap();
        Ok(self.0.lock().unwrap().get(first..).unwrap_or_default().to_vec())
    }

    async fn keep_snapshot(&self, _: OwnerId, _: Snapshot) -> Result<(), StoreError> {
        Ok(())
    }

    async fn snapshot(&self, _: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        Ok(None)
    }

    async fn keep_index(&self, _: OwnerId, _: Vec<IndexEntry>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn index(&self, _: OwnerId, _: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn erase_index(&self, _: OwnerId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn keep_body(&self, _: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        Ok(Digest::of_content(body))
    }

    async fn body(&self, _: OwnerId, _: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn erase_body(&self, _: OwnerId, _: Digest) -> Result<(), StoreError> {
        Ok(())
    }
}

/// An agent's working day, and the frames it left: acts, intents, outcomes, a question, its answer
/// and a refusal.
fn day() -> (Vec<Frame>, AgentId) {
    let bench = Bench::new();
    let (identity, agent) = bench.identity("work", None);
    let mut rules = Grant::new().ask(Action::Write, Region::subtree("fs:/work/shared").unwrap());
    for nth in 0..24 {
        let region = Region::subtree(&format!("fs:/work/projects/{nth}")).unwrap();
        rules = rules.allow([Action::Read, Action::List, Action::Write], region);
    }
    bench.grant(identity, rules);
    for nth in 0..4 {
        let read = Probe::<OBSERVE>::on(Action::Read, &format!("fs:/work/projects/{nth}/plan.md"));
        block_on(agent.submit(&bench.probe, &read)).unwrap();
    }
    let write = Probe::<CHANGE>::on(Action::Write, "fs:/work/shared/q3.md");
    let Err(Refusal::Escalated(ticket)) = block_on(agent.submit(&bench.probe, &write)) else {
        panic!("not asked");
    };
    block_on(bench.owner.approve(ticket.id)).unwrap();
    block_on(agent.submit(&bench.probe, &write)).unwrap();
    let forbidden = Probe::<CHANGE>::on(Action::Write, "fs:/home/q3.md");
    assert!(block_on(agent.submit(&bench.probe, &forbidden)).is_err());
    let frames = block_on(bench.store.read(bench.owner.id(), 1, usize::MAX)).unwrap();
    (frames, agent.caller().agent())
}

fn open(store: &Arc<Tampered>) -> Kernel {
    let governing = Kernel::governing(Signer::public_key(&key()));
    block_on(governing.open_shared(store.clone(), ManualClock::default())).unwrap()
}

/// Opens it with a head in mind that was kept elsewhere.
fn open_remembering(store: &Arc<Tampered>, head: Head) -> Kernel {
    let governing = Kernel::governing(Signer::public_key(&key())).remembering(head);
    block_on(governing.open_shared(store.clone(), ManualClock::default())).unwrap()
}

/// Where a kernel that opens these frames finds them broken. If it does, it permits nothing.
fn found_on_opening(frames: &[Frame], agent: AgentId) -> Option<u64> {
    let kernel = open(&Tampered::of(frames));
    let damage = kernel.damage()?.sequence;
    let owner = block_on(kernel.owner(key())).unwrap();
    assert!(matches!(kernel.failure(), Some(StoreError::Damaged { .. })));
    let refused = block_on(owner.identity("more"));
    assert!(matches!(refused, Err(OwnerError::Store(StoreError::Damaged { .. }))), "{refused:?}");
    if let Ok(agent) = owner.agent(agent) {
        let probe = kernel.mount("probe", super::bench::ProbePoint::default());
        let read = Probe::<OBSERVE>::on(Action::Read, "fs:/work/projects/1/plan.md");
        let result = block_on(agent.submit(&probe, &read));
        assert!(matches!(result, Err(Refusal::Ledger(_))), "{result:?}");
        assert_eq!(probe.endpoint().performed(), 0);
    }
    Some(damage)
}

/// Where a kernel that has these frames open finds them broken, once `change` was done to them.
fn found_by_verifying(frames: &[Frame], change: impl FnOnce(&mut Vec<Frame>)) -> Option<u64> {
    let store = Tampered::of(frames);
    let kernel = open(&store);
    store.change(change);
    let found = block_on(kernel.verify()).unwrap();
    let damage = found.damage.map(|damage| damage.sequence);
    assert_eq!(damage.is_some(), kernel.failure().is_some(), "a break ends all writing");
    damage
}

/// Flips one bit of the payload, then of the hash, then of the sequence.
fn flip(frame: &mut Frame, bit: usize) {
    let (byte, mask) = (bit / 8, 1_u8 << (bit % 8));
    let payload = frame.payload.len();
    if byte < payload {
        Arc::make_mut(&mut frame.payload)[byte] ^= mask;
    } else if byte < payload + 32 {
        let mut hash = *frame.hash.as_bytes();
        hash[byte - payload] ^= mask;
        frame.hash = Digest::from_bytes(hash);
    } else {
        frame.sequence ^= 1 << (bit - (payload + 32) * 8);
    }
}

#[test]
fn every_flipped_bit_is_found_at_its_record() {
    let (frames, agent) = day();
    let size: usize = frames.iter().map(|frame| frame.payload.len()).sum();
    let bits = |frame: &Frame| (frame.payload.len() + 32 + 8) * 8;
    let flips: Vec<(usize, usize)> = (0..frames.len())
        .flat_map(|nth| (0..bits(&frames[nth])).map(move |bit| (nth, bit)))
        .collect();
    println!("{} bits of {} records, {size} bytes of payload", flips.len(), frames.len());
    assert!(size > 6 << 10, "only {size} bytes");
    thread::scope(|scope| {
        for half in 0..2 {
            let (frames, flips) = (&frames, &flips);
            scope.spawn(move || {
                let store = Tampered::of(frames);
                let kernel = open(&store);
                for (nth, bit) in flips.iter().skip(half).step_by(2).copied() {
                    store.change(|frames| flip(&mut frames[nth], bit));
                    let found = block_on(kernel.verify()).unwrap().damage.unwrap();
                    assert_eq!(found.sequence, nth as u64 + 1, "bit {bit} of frame {nth}");
                    // On opening: one bit of each byte, another one in each.
                    if bit / 8 % 8 == bit % 8 {
                        let tampered = store.0.lock().unwrap().clone();
                        assert_eq!(found_on_opening(&tampered, agent), Some(found.sequence));
                    }
                    store.change(|frames| flip(&mut frames[nth], bit));
                }
            });
        }
    });
    assert_eq!(found_on_opening(&frames, agent), None);
}

#[test]
fn records_swapped_repeated_or_gone_are_found_at_the_first() {
    let (frames, agent) = day();
    let mut edits = 0;
    let mut check = |what: &str, at: usize, change: &dyn Fn(&mut Vec<Frame>)| {
        let mut tampered = frames.clone();
        change(&mut tampered);
        let expect = Some(at as u64 + 1);
        assert_eq!(found_by_verifying(&frames, change), expect, "{what} at {at}, verified");
        assert_eq!(found_on_opening(&tampered, agent), expect, "{what} at {at}, opened");
        edits += 1;
    };
    let count = frames.len();
    for at in 0..count {
        for other in at + 1..count {
            check("swap", at, &|frames| frames.swap(at, other));
            check("swap of contents", at, &|frames| {
                let (front, back) = frames.split_at_mut(other);
                std::mem::swap(&mut front[at].payload, &mut back[0].payload);
            });
        }
        if at + 1 < count {
            check("gap", at, &|frames| drop(frames.remove(at)));
            check("gap closed", at, &|frames| {
                frames.remove(at);
                (1..).zip(frames).for_each(|(place, frame)| frame.sequence = place);
            });
            check("repeat", at + 1, &|frames| frames.insert(at + 1, frames[at].clone()));
        }
    }
    println!("{edits} edits, each found by verifying and on opening");
}

#[test]
fn a_cut_is_found_by_who_knows_the_head_and_by_nobody_else() {
    let (frames, agent) = day();
    let head = Head::after(frames.last().unwrap());
    for left in 0..frames.len() {
        let expect = Some(left as u64 + 1);
        assert_eq!(found_by_verifying(&frames, |frames| frames.truncate(left)), expect);
        // Nobody held it open: what is left is a ledger. Only the head, kept elsewhere, tells.
        let cut = &frames[..left];
        assert_eq!(found_on_opening(cut, agent), None, "cut after {left}");
        let kernel = open_remembering(&Tampered::of(cut), head);
        assert_eq!(kernel.damage().map(|damage| damage.sequence), expect, "cut after {left}");
    }
}

/// What the owner did not sign can be rewritten with everything after it: the chain is whole again,
/// and only a head that was kept elsewhere tells.
#[test]
fn a_rewritten_end_is_found_by_who_remembers_the_head() {
    let (frames, agent) = day();
    let head = Head::after(frames.last().unwrap());
    let text = |frame: &Frame| String::from_utf8(frame.payload.to_vec()).unwrap();
    let mut forged = frames.clone();
    for frame in &mut forged {
        frame.payload = text(frame).replace("plan.md", "plot.md").into_bytes().into();
    }
    assert_ne!(forged, frames);
    rechain(&mut forged, Signer::public_key(&key()).owner());
    assert_eq!(found_on_opening(&forged, agent), None);
    assert!(open_remembering(&Tampered::of(&forged), head).damage().is_some());
    assert!(open_remembering(&Tampered::of(&frames), head).damage().is_none());
}

/// The repeat of the last record is one too many.
#[test]
fn records_behind_the_end_are_found_on_opening() {
    let (mut frames, agent) = day();
    frames.push(frames.last().unwrap().clone());
    assert_eq!(found_on_opening(&frames, agent), Some(frames.len() as u64));
}

/// The chain as the format describes it, written again: owner, place, previous hash and length of
/// the payload, then the payload.
fn chain(owner: OwnerId, (place, previous): (u64, Digest), payload: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("clawnet 2026 ledger chain v1");
    hasher.update(owner.as_bytes());
    hasher.update(&place.to_le_bytes());
    hasher.update(previous.as_bytes());
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(payload);
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

fn rechain(frames: &mut [Frame], owner: OwnerId) {
    let mut previous = Digest::ZERO;
    for (place, frame) in (1..).zip(frames) {
        frame.sequence = place;
        frame.hash = chain(owner, (place, previous), &frame.payload);
        previous = frame.hash;
    }
}

#[test]
fn the_chain_is_what_the_format_says() {
    let (frames, _) = day();
    let mut again = frames.clone();
    for frame in &mut again {
        frame.hash = Digest::ZERO;
    }
    rechain(&mut again, Signer::public_key(&key()).owner());
    assert_eq!(again, frames);
}

/// Somebody with the disk can write a whole new chain, but not the owner's signatures.
#[test]
fn a_rewritten_chain_breaks_at_the_first_act_that_was_touched() {
    let (frames, agent) = day();
    let owner = Signer::public_key(&key()).owner();
    let act = |frame: &Frame| frame.payload.starts_with(br#"{"actor":"owner""#);
    let mut touched = 0;
    for at in (0..frames.len()).filter(|at| act(&frames[*at])) {
        let text = String::from_utf8(frames[at].payload.to_vec()).unwrap();
        for (from, to) in [
            ("fs:/work/shared", "fs:/home/shared"),
            ("\"ask\"", "\"allow\""),
            ("\"work\"", "\"play\""),
            ("\"number\":", "\"number\":1"),
            ("\"tests\"", "\"tents\""),
            ("\"epoch\":", "\"epoch\":1"),
        ] {
            let forged = text.replace(from, to);
            if forged == text {
                continue;
            }
            let mut tampered = frames.clone();
            tampered[at].payload = forged.into_bytes().into();
            rechain(&mut tampered, owner);
            assert_eq!(found_on_opening(&tampered, agent), Some(at as u64 + 1), "{from}");
            touched += 1;
        }
        // Taken out, the next one is out of turn; put in twice, the second is.
        let later = (at + 1..frames.len()).find(|later| act(&frames[*later]));
        let mut gone = frames.clone();
        gone.remove(at);
        rechain(&mut gone, owner);
        if let Some(later) = later {
            assert!(found_on_opening(&gone, agent).is_some_and(|found| found <= later as u64));
        }
        let mut twice = frames.clone();
        twice.insert(at + 1, frames[at].clone());
        rechain(&mut twice, owner);
        assert_eq!(found_on_opening(&twice, agent), Some(at as u64 + 2));
    }
    assert!(touched >= 8, "only {touched} acts were touched");
}
