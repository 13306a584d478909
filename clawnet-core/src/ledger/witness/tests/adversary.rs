//! What can be made of other people's messages: no accusation of who was honest, and no other one of
//! who was not.
use super::*;

/// An honest ledger over which both keys change, as everybody may have seen it.
struct Seen {
    heads: Vec<Presented>,
    notes: Vec<SignedCheckpoint>,
    paths: Vec<ConsistencyProof>,
}

async fn honest() -> Seen {
    let (mut bob, ann) = (Side::open(2).await, Side::open(1).await);
    let (mut heads, mut notes) = (Vec::new(), Vec::new());
    for nth in 0..5 {
        bob.work(&[&nth.to_string()]).await;
        match nth {
            1 => {
                bob.owner.certify(key(201).public_key()).await.unwrap();
                bob.kernel.sign_with(key(201));
            }
            3 => bob.owner.rekey(key(22)).await.unwrap(),
            _ => {}
        }
        notes.push(bob.kernel.checkpoint().await.unwrap());
        let shown = bob.present().await;
        notes.extend(ann.asks(&bob, &shown).await.unwrap().cosigned);
        notes.push(shown.checkpoint.clone());
        heads.push(shown);
    }
    let mut paths = Vec::new();
    for late in &heads {
        for from in 1..=late.checkpoint.checkpoint().size {
            paths.push(bob.kernel.prove_growth(from, &late.checkpoint).await.unwrap());
        }
    }
    Seen { heads, notes, paths }
}

#[test]
fn nothing_that_an_honest_ledger_showed_accuses_it() {
    let Seen { heads, mut notes, paths } = block_on(honest());
    // A note with the lines of another, and with those of all.
    let lines: Vec<String> = notes.iter().flat_map(|note| lines_of(note).1).collect();
    for note in notes.clone() {
        let (body, own) = lines_of(&note);
        for line in &lines {
            notes.push(format!("{body}\n\n{}\n{line}\n", own.join("\n")).parse().unwrap());
            notes.push(format!("{body}\n\n{line}\n{}\n", own.join("\n")).parse().unwrap());
        }
    }
    let acts: Vec<SignedAct> =
        heads.iter().flat_map(|head| head.credential.acts.iter().cloned()).collect();
    let mut credentials: Vec<Credential> =
        heads.iter().map(|head| head.credential.clone()).collect();
    for one in &acts {
        credentials.push(credential(2, vec![one.clone()]));
        credentials.extend(acts.iter().map(|two| credential(2, vec![one.clone(), two.clone()])));
    }
    credentials.dedup();
    let mut shown: Vec<Presented> = Vec::new();
    for note in &notes {
        for credential in &credentials {
            let head = Presented::new(note.clone(), credential.clone());
            if head.verify().is_ok() {
                let head = head.alone();
                if !shown.contains(&head) {
                    shown.push(head);
                }
            }
        }
    }
    assert!(shown.len() > heads.len() + 10, "{}", shown.len());
    let mut tried = 0;
    for earlier in &shown {
        for later in &shown {
            let paths = paths.iter().filter(|path| {
                path.to() == later.checkpoint.checkpoint().size
                    || path.from() == earlier.checkpoint.checkpoint().size
            });
            for path in std::iter::once(None).chain(paths.map(Some)) {
                let made = Misbehaviour::new(earlier.clone(), later.clone(), path.cloned());
                // Signatures are good already; only what they come to is left to judge.
                let accused = match made.claim() {
                    Some(Offence::Rollback { .. }) => made.verify().is_ok(),
                    claimed => claimed.is_some(),
                };
                assert!(!accused, "{made:?}");
                tried += 1;
            }
        }
    }
    println!("{} heads of {} notes, {tried} accusations", shown.len(), notes.len());
}

fn lines_of(note: &SignedCheckpoint) -> (String, Vec<String>) {
    let text = note.to_string();
    let (body, lines) = text.split_once("\n\n").unwrap();
    (body.to_owned(), lines.lines().map(str::to_owned).collect())
}

#[test]
fn a_proof_with_any_bit_changed_is_refused_or_says_the_same() {
    block_on(async {
        let (ann, bob) = (Side::open(1).await, Side::open(2).await);
        let fork = bob.copy(2).await;
        bob.work(&["a", "b", "c"]).await;
        fork.work(&["d", "e", "f", "g", "h", "i"]).await;
        let good = bob.present().await;
        drop(ann.sees(&good).await.unwrap());
        let forked = fork.present().await;
        let proof = convicted(ann.asks(&fork, &forked).await);
        assert!(proof.path.is_some());
        check_every_bit(&proof);
        let cay = Side::open(3).await;
        drop(cay.sees(&forked).await.unwrap());
        bob.clock.advance(Duration::from_secs(5));
        let proof = convicted(cay.sees(&bob.present().await).await);
        assert!(proof.path.is_none());
        check_every_bit(&proof);
    });
}

fn check_every_bit(proof: &Misbehaviour) {
    let mut text = serde_json::to_vec(proof).unwrap();
    let said = (proof.owner(), proof.verify());
    assert!(said.1.is_ok());
    let (mut same, mut other) = (0, 0);
    for bit in 0..text.len() * 8 {
        text[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = serde_json::from_slice::<Misbehaviour>(&text) {
            match read.verify() {
                Ok(offence) if (read.owner(), Ok(offence)) == said => same += 1,
                Ok(offence) => panic!("{offence:?} by {}", read.owner()),
                Err(_) => other += 1,
            }
        }
        text[bit / 8] ^= 1 << (bit % 8);
    }
    println!("{} bits: {same} prove the same, {other} are read and refused", text.len() * 8);
    assert_eq!(same, 0, "nothing in it is idle");
}
