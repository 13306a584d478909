//! What the kernel's key signs for others, and nothing else it signs.
use super::*;
use crate::key::vouched;

#[test]
fn what_is_vouched_for_says_so_and_is_nothing_else() {
    block_on(async {
        let (_, kernel, owner) = begin().await;
        let signature = kernel.vouch("net.turn", b"said").unwrap();
        let kernels = kernel.credential().verify().unwrap();
        kernels.verify(&vouched("net.turn", b"said"), &signature).unwrap();
        assert_eq!(vouched("net.turn", b"said"), b"clawnet vouched v1\nnet.turn\nsaid");
        for other in [
            vouched("net.turns", b"said"),
            vouched("net", b"turn\nsaid"),
            vouched("net.turn", b"said "),
            vouched("net.turn\nsaid", b""),
            b"net.turn\nsaid".to_vec(),
        ] {
            assert_eq!(kernels.verify(&other, &signature), Err(BadSignature));
        }
        for topic in ["", "a\nb", "Net", "a b", "net/turn"] {
            assert!(vouched(topic, b"x").is_empty());
            assert!(matches!(kernel.vouch(topic, b"x"), Err(CheckpointError::Topic(_))));
        }
        kernel.sign_with(key(8));
        assert!(matches!(kernel.vouch("a", b"x"), Err(CheckpointError::NotCertified(_))));
        drop(owner);
    });
}

/// The beginning of every statement that a key of ours signs, of each kind.
fn statements() -> Vec<Vec<u8>> {
    use crate::{
        digest::Digest,
        note::Checkpoint,
        record::{Act, key_statement},
        tree::TreeHash,
    };
    let owner = key(1).public_key().owner();
    let act = Act::Certify { key: key(2).public_key() };
    let said = Checkpoint::of(owner, 3, TreeHash::EMPTY).body();
    vec![
        SignedAct::statement(owner, 1, &act),
        key_statement(owner, 1, key(2).public_key()),
        Event::snapshot_statement(owner, 1, Digest::ZERO),
        format!("cosignature/v1\ntime 1\n{said}").into_bytes(),
        said.into_bytes(),
        b"clawnet owner handle v1\n".to_vec(),
        b"clawnet directive v1\n".to_vec(),
        b"clawnet receipt v1\n".to_vec(),
    ]
}

#[test]
fn nothing_that_is_signed_elsewhere_can_be_vouched_for() {
    let vouched = vouched("a", b"");
    let (line, _) = vouched.split_at(b"clawnet vouched v1\n".len());
    for statement in statements() {
        let text = String::from_utf8_lossy(&statement);
        assert!(!statement.starts_with(line) && !line.starts_with(&statement), "{text}");
    }
}
