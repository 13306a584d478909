//! Causes and facts: what limits an agent because of something is one link more of its chain, and a
//! projection is the same however the ledger was opened.
use clawnet_core::{Kernel, Limits, Signer as _, Verdict};
use clawnet_tests::{
    errand::{Errand, Errands, errand},
    keeping::{keep, kernel_key},
    model::{
        generate::{Dice, chain, rules},
        oracle::{self, Mandate},
    },
};
use futures::executor::block_on;

use super::{
    bench::{Bench, Tally, key},
    scope::{Asked, Line, NOON},
    translate::{self, normal_chain},
};

/// Mandates that count no uses, mostly about what the chain's last link is about.
fn confinement(dice: &mut Dice, chain: &[Mandate]) -> Vec<Mandate> {
    let mut above = chain.last().unwrap().rules.clone();
    let mut mandates = Vec::new();
    for _ in 0..=dice.below(2) {
        above = rules(dice, &above, (NOON, 1));
        mandates.push(Mandate { rules: above.clone() });
    }
    let mut mandates = normal_chain(&mandates);
    for (nth, rule) in (1000..).zip(mandates.iter_mut().flat_map(|link| &mut link.rules)) {
        rule.budget = None;
        rule.id = nth;
    }
    mandates
}

fn open(bench: Bench, limits: Limits) -> Bench {
    let Bench { store, clock, .. } = bench;
    let how = Kernel::governing(key().public_key()).limits(limits).project::<Errands>();
    Bench::governed(how, store, clock)
}

/// What the oracle says to two chains one after the other.
fn joined(line: &Line, more: &[Mandate], asked: &Asked) -> Verdict {
    let Some(demands) = &asked.model else { return Verdict::Deny };
    let all: Vec<_> = line.chain.iter().chain(more).cloned().collect();
    let judged = oracle::judge(&all, demands, asked.now, &|id| line.uses(id, asked.now));
    translate::verdict(judged)
}

#[test]
fn a_confinement_is_one_link_more() {
    const POLICIES: u64 = 700;
    let (mut verdicts, mut narrowed, mut submitted) =
        (Tally::default(), Tally::default(), Tally::default());
    for seed in 0..POLICIES {
        let mut dice = Dice::new(1_000_000 + seed);
        let chain = normal_chain(&chain(&mut dice, NOON, 1));
        let more = confinement(&mut dice, &chain);
        // Requests beside the rules of either, so that both have a say.
        let either: Vec<_> = if seed % 2 == 0 { chain.clone() } else { more.clone() };
        let mut asked: Vec<_> = (0..24).map(|_| Asked::near(&mut dice, &either)).collect();
        asked.sort_by_key(|asked| asked.now);
        let mut line = Line::on(open(Bench::new(), Limits::default()), &chain);
        let within = more.iter().map(|mandate| translate::grant(&mandate.rules, 0).0).collect();
        let begun = Errand::Begun { name: "e".into(), within };
        block_on(line.bench.kernel.declare::<Errands>(&begun, None)).unwrap();
        let caused = line.agents.last().unwrap().because(errand("e", seed).unwrap()).unwrap();
        line.agents.push(caused);
        let links = chain.len();
        for (nth, asked) in asked.iter().enumerate() {
            line.bench.set(asked.now);
            let (alone, expect) = (line.oracle(links, asked), joined(&line, &more, asked));
            let said = line.kernel(links + 1, asked);
            assert_eq!(said, expect, "seed {seed}: {asked:?}\n{chain:?}\nconfined by {more:?}");
            assert_eq!(line.kernel(links, asked), alone, "seed {seed}: {asked:?}");
            assert!(said <= alone, "seed {seed}: widened: {asked:?}");
            verdicts.count(said);
            narrowed.count((alone, said));
            if dice.chance(if said == Verdict::Deny { 5 } else { 35 }) {
                line.submit(asked, (said, &format!("{nth}")));
                submitted.count(said);
            }
        }
    }
    verdicts.print("decisions because of something, engine = oracle");
    narrowed.print("what the scope says alone, and what is left of it");
    submitted.print("of them submitted for real");
    for verdict in [Verdict::Deny, Verdict::Ask, Verdict::Allow] {
        assert!(verdicts.of(verdict) * 50 >= verdicts.total(), "too few are {verdict}");
        assert!(submitted.of(verdict) >= 40, "too few submissions end in {verdict}");
    }
    for (alone, said) in [
        (Verdict::Allow, Verdict::Deny),
        (Verdict::Allow, Verdict::Ask),
        (Verdict::Ask, Verdict::Deny),
    ] {
        assert!(narrowed.of((alone, said)) >= 40, "{alone} becomes {said} too seldom");
    }
}

fn state(bench: &Bench) -> Errands {
    bench.kernel.read(Errands::clone).unwrap()
}

/// The same ledger, replayed whole.
fn whole(bench: &Bench) -> Errands {
    let how = Kernel::governing(key().public_key()).project::<Errands>().verifying_everything();
    let again = Bench::governed(how, bench.store.clone(), bench.clock.clone());
    assert_eq!(again.kernel.damage(), None);
    state(&again)
}

/// Something happens to the ledger: a fact, or what is none.
fn step(dice: &mut Dice, bench: &Bench, tally: &mut Tally) {
    let name = dice.pick(&["a", "b", "\u{1f600}", ""]).copied().unwrap_or_default().to_owned();
    let fact = match dice.below(4) {
        0 => Errand::Begun { name, within: Vec::new() },
        1 => Errand::Over { name },
        _ => Errand::Counted { count: dice.below(4) },
    };
    let (kernel, owner) = (&bench.kernel, &bench.owner);
    let done = match dice.below(5) {
        0 => block_on(owner.declare::<Errands>(fact)).is_ok(),
        1 => kernel.declare_buffered::<Errands>(&fact).is_ok(),
        2 => block_on(kernel.declare::<Errands>(&fact, Some(b"body"))).is_ok(),
        3 => block_on(kernel.declare::<Errands>(&fact, None)).is_ok(),
        _ => block_on(owner.identity("x")).is_ok(),
    };
    tally.count(done);
}

#[test]
fn a_projection_is_the_same_live_replayed_and_kept() {
    let mut tally = Tally::default();
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let mut bench = open(Bench::new(), Limits::default());
        block_on(bench.owner.certify(kernel_key().public_key())).unwrap();
        for _ in 0..30 {
            step(&mut dice, &bench, &mut tally);
            if dice.chance(10) {
                block_on(keep(&bench.kernel, &bench.owner)).unwrap();
                tally.count("kept");
            }
            if dice.chance(15) {
                let live = state(&bench);
                bench = open(bench, Limits::default());
                let kept = bench.kernel.recovery().from_snapshot > 0;
                tally.count(if kept { "opened as kept" } else { "opened from the start" });
                assert_eq!(state(&bench), live, "seed {seed}");
                assert_eq!(live.last, bench.kernel.head().sequence);
            }
        }
        assert_eq!(whole(&bench), state(&bench), "seed {seed}");
    }
    tally.print("steps");
    for what in ["true", "false"] {
        assert!(tally.0.get(what).is_some_and(|count| *count > 200), "{what}");
    }
    for what in ["kept", "opened as kept", "opened from the start"] {
        assert!(tally.of(what) > 40, "{what}");
    }
}
