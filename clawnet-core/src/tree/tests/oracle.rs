//! Against the crate `ct-merkle`, on trees too large for the naive definition.
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

use super::{Grown, TreeHash, chain};
use crate::{ConsistencyProof, InclusionProof};

type Oracle = MemoryBackedTree<Sha256, Vec<u8>>;

fn data(sequence: u64) -> Vec<u8> {
    [&sequence.to_le_bytes(), chain(sequence).as_bytes().as_slice()].concat()
}

fn hashes(bytes: &[u8]) -> Vec<TreeHash> {
    bytes.chunks(32).map(|bytes| TreeHash(bytes.try_into().unwrap())).collect()
}

/// Numbers that look random and are always the same.
fn scatter(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn roots_and_proofs_are_those_of_another_implementation() {
    let seed = &mut 9;
    let sizes: Vec<u64> = (0..12).map(|_| 1 + scatter(seed) % 5000).collect();
    let tree = Grown::of((1..=5000).map(|at| TreeHash::leaf(at, chain(at))));
    for size in sizes.into_iter().chain([1, 2, 4095, 4096, 4097, 5000]) {
        let mut oracle = Oracle::new();
        (1..=size).for_each(|at| oracle.push(data(at)));
        let root = TreeHash((*oracle.root().as_bytes()).into());
        assert_eq!(tree.root(size), root, "{size}");
        for at in (0..40).map(|_| 1 + scatter(seed) % size).chain([1, size]) {
            let place = usize::try_from(at - 1).unwrap();
            let theirs = hashes(oracle.prove_inclusion(place).as_bytes());
            let theirs = InclusionProof::new(at, size, theirs);
            assert_eq!(tree.inclusion(at, size), theirs);
            assert_eq!(theirs.verify(chain(at), &root), Ok(()), "{at} in {size}");
            assert!(theirs.verify(chain(at + 1), &root).is_err(), "{at} in {size}");
            if at == size {
                continue;
            }
            let added = usize::try_from(size - at).unwrap();
            let theirs = hashes(oracle.prove_consistency(added).as_bytes());
            assert_eq!(tree.consistency(at, size).path(), theirs, "{at} to {size}");
            let theirs = ConsistencyProof::new(at, size, theirs);
            assert_eq!(theirs.verify(&tree.root(at), &root), Ok(()), "{at} to {size}");
            assert!(theirs.verify(&tree.root(at - 1), &root).is_err(), "{at} to {size}");
        }
    }
}
