//! Exchanges over a network that loses, repeats and reorders, and counterparts that cheat.
use super::*;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T>(&mut self, from: &[T]) -> usize {
        usize::try_from(self.roll(from.len() as u64)).unwrap()
    }
}

/// What is under way: who it is for, the head, and a proof if one was asked for.
type Message = (usize, Presented, Option<ConsistencyProof>);

/// How often each thing came about.
#[derive(Debug, Default)]
struct Mix {
    first: u32,
    grown: u32,
    unchanged: u32,
    older: u32,
    wanted: u32,
    changed_keys: u32,
    restarted: u32,
}

/// Takes one message in, as the side at `to`; what was wanted is sent, and may be lost too.
async fn deliver(sides: &[Side; 2], (to, shown, proof): Message, mix: &mut Mix) -> Option<Message> {
    match sides[to].kernel.witness(&shown, proof.as_ref()).await {
        Ok(Witnessed { seen: Seen::First, .. }) => mix.first += 1,
        Ok(Witnessed { seen: Seen::Grown { .. }, .. }) => mix.grown += 1,
        Ok(Witnessed { seen: Seen::Unchanged, .. }) => mix.unchanged += 1,
        Ok(Witnessed { seen: Seen::Older, .. }) => mix.older += 1,
        Err(WitnessError::NeedsProof { from, .. }) => {
            mix.wanted += 1;
            let by = &sides[1 - to].kernel;
            let proof = by.prove_growth(from, &shown.checkpoint).await.unwrap();
            return Some((to, shown, Some(proof)));
        }
        other => panic!("an honest ledger was accused or refused: {other:?}"),
    }
    None
}

/// The keys of a side change, or it starts again with its clock set back.
async fn change(side: &mut Side, nth: u8, dice: &mut Dice, mix: &mut Mix) {
    match dice.roll(3) {
        0 => {
            side.owner.certify(key(nth).public_key()).await.unwrap();
            side.kernel.sign_with(key(nth));
            side.keys.1 = nth;
            mix.changed_keys += 1;
        }
        1 => {
            side.owner.rekey(key(nth)).await.unwrap();
            side.keys.0 = nth;
            mix.changed_keys += 1;
        }
        _ => {
            let clock = ManualClock::at(Timestamp::from_millis(5_000_000));
            *side = Side::reopen((side.nth, side.keys), side.store.clone(), clock).await;
            mix.restarted += 1;
        }
    }
}

#[test]
fn no_honest_ledger_is_ever_accused_whatever_becomes_of_the_messages() {
    block_on(async {
        let mut mix = Mix::default();
        for seed in 0..12 {
            let mut dice = Dice(seed);
            let mut sides = [Side::open(1).await, Side::open(2).await];
            let mut under_way: Vec<Message> = Vec::new();
            for step in 0..120_u8 {
                let from = usize::from(dice.roll(2) == 1);
                match dice.roll(12) {
                    0..3 => sides[from].work(&[&step.to_string()]).await,
                    3 => change(&mut sides[from], step + 123, &mut dice, &mut mix).await,
                    4..7 => {
                        let shown = sides[from].kernel.present().await.unwrap();
                        under_way.push((1 - from, shown, None));
                    }
                    7 if !under_way.is_empty() => {
                        let nth = dice.pick(&under_way);
                        drop(under_way.swap_remove(nth));
                    }
                    _ if !under_way.is_empty() => {
                        let nth = dice.pick(&under_way);
                        let again = dice.roll(3) == 0;
                        let message =
                            if again { under_way[nth].clone() } else { under_way.swap_remove(nth) };
                        under_way.extend(deliver(&sides, message, &mut mix).await);
                    }
                    _ => {}
                }
                sides[from].clock.advance(Duration::from_millis(dice.roll(1500)));
            }
            for side in &sides {
                assert_eq!(side.recorded().await.1, 0);
                side.check().await;
            }
        }
        println!("{mix:?}");
        let Mix { first, grown, unchanged, older, wanted, changed_keys, restarted } = mix;
        assert!(first > 10 && grown > 50 && unchanged > 20 && older > 50, "{mix:?}");
        assert!(wanted > grown && changed_keys > 20 && restarted > 10, "{mix:?}");
    });
}

#[test]
fn whoever_runs_two_copies_is_exposed_by_the_first_who_sees_both() {
    block_on(async {
        let (mut forks, mut rollbacks) = (0, 0);
        for seed in 0..60 {
            let mut dice = Dice(seed);
            let (witness, bob) = (Side::open(1).await, Side::open(2).await);
            for nth in 0..dice.roll(12) {
                bob.work(&[&nth.to_string()]).await;
            }
            if dice.roll(2) == 0 {
                let shown = bob.present().await;
                drop(witness.sees(&shown).await.unwrap());
            }
            let whole = bob.frames().await.len() as u64;
            let cut = 2 + dice.roll(whole - 1);
            let mut copy = bob.copy(usize::try_from(cut).unwrap()).await;
            for nth in 0..=dice.roll(8) {
                bob.work(&[&format!("one {nth}")]).await;
            }
            for nth in 0..=dice.roll(8) {
                copy.work(&[&format!("other {nth}")]).await;
            }
            if dice.roll(4) == 0 {
                change(&mut copy, 77, &mut dice, &mut Mix::default()).await;
            }
            let (mut first, mut second) = (&bob, &copy);
            if dice.roll(2) == 0 {
                (first, second) = (second, first);
            }
            // Whichever is shown later says so: a clock that stands still hides a rollback.
            let late = crate::Clock::now(&first.clock).max(crate::Clock::now(&second.clock));
            first.clock.set(late);
            second.clock.set(late.after(Duration::from_secs(1)));
            let shown = first.present().await;
            let mut seen = witness.asks(first, &shown).await.unwrap();
            if !matches!(seen.seen, Seen::Misbehaved(_)) {
                let shown = second.present().await;
                seen = witness.asks(second, &shown).await.unwrap();
            }
            match judged(&bob, &convicted(Ok(seen))) {
                Offence::Fork { .. } => forks += 1,
                Offence::Rollback { .. } => rollbacks += 1,
                other @ Offence::Acts { .. } => panic!("{other:?}"),
            }
            assert_eq!(witness.recorded().await.1, 1);
            witness.check().await;
        }
        println!("{forks} forks, {rollbacks} rollbacks");
        assert!(forks > 15 && rollbacks > 15, "{forks} forks, {rollbacks} rollbacks");
    });
}
