//! Against the vectors of others, and against the RFC's definition read naively.
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::*;

mod oracle;

/// The leaves and roots of certificate-transparency's own tests (`merkletree/merkle_tree_test.cc`,
/// kept by transparency-dev/merkle in `testonly/constants.go`).
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const BESIDE_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const OVER_3_4: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const OVER_5_8: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const BESIDE_6: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const OVER_5_6: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const OVER_7_8: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";

fn hash(text: &str) -> TreeHash {
    text.parse().unwrap()
}

fn hashes(texts: &[&str]) -> Vec<TreeHash> {
    texts.iter().map(|text| hash(text)).collect()
}

/// Plain SHA-256 behind a prefix, by whole messages instead of hand-made blocks.
fn plain(prefix: u8, parts: &[&[u8]]) -> TreeHash {
    let mut hasher = Sha256::new_with_prefix([prefix]);
    for part in parts {
        hasher.update(part);
    }
    TreeHash(hasher.finalize().into())
}

fn published() -> Grown {
    Grown::of(LEAVES.map(|data| plain(0, &[data])))
}

/// A tree as a ledger keeps one: the edge, and every node that was ever completed.
struct Grown {
    leaves: Vec<TreeHash>,
    nodes: BTreeMap<NodeAt, TreeHash>,
    roots: Vec<TreeHash>,
}

impl Grown {
    fn of(leaves: impl IntoIterator<Item = TreeHash>) -> Self {
        let leaves: Vec<TreeHash> = leaves.into_iter().collect();
        let (mut edge, mut nodes) = (Frontier::default(), BTreeMap::new());
        let mut roots = vec![edge.root()];
        for leaf in &leaves {
            edge.push(*leaf, |at, node| assert_eq!(nodes.insert(at, node), None));
            roots.push(edge.root());
        }
        assert_eq!(edge.size(), leaves.len() as u64);
        Self { leaves, nodes, roots }
    }

    fn root(&self, size: u64) -> TreeHash {
        self.roots[usize::try_from(size).unwrap()]
    }

    /// The first `size` leaves.
    fn first(&self, size: u64) -> &[TreeHash] {
        &self.leaves[..usize::try_from(size).unwrap()]
    }

    /// Only the nodes asked for, as a store would give them.
    fn fetch(&self, needs: Vec<NodeAt>) -> Vec<TreeHash> {
        needs.into_iter().map(|at| self.nodes[&at]).collect()
    }

    fn inclusion(&self, sequence: u64, size: u64) -> InclusionProof {
        let needs = inclusion_needs(sequence, size).unwrap();
        inclusion(sequence, size, &self.fetch(needs)).unwrap()
    }

    fn consistency(&self, from: u64, to: u64) -> ConsistencyProof {
        let needs = consistency_needs(from, to).unwrap();
        consistency(from, to, &self.fetch(needs)).unwrap()
    }
}

fn chain(sequence: u64) -> Digest {
    Digest::of_content(&sequence.to_le_bytes())
}

/// A ledger's tree; from record `fork` on, another one's.
fn ledger(size: u64, fork: u64) -> Grown {
    let place = |at| if at < fork { chain(at) } else { chain(!at) };
    Grown::of((1..=size).map(|at| TreeHash::leaf(at, place(at))))
}

/// RFC 6962, 2.1: the tree hash.
fn mth(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash(Sha256::digest(b"").into()),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(half(leaves));
            plain(1, &[&mth(left).0, &mth(right).0])
        }
    }
}

/// RFC 6962, 2.1.1: the path of the leaf at `m`, from 0.
fn path(m: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(half(leaves));
    let (mut path, beside) = match m.checked_sub(left.len()) {
        None => (path(m, left), mth(right)),
        Some(m) => (path(m, right), mth(left)),
    };
    path.push(beside);
    path
}

/// RFC 6962, 2.1.2: the proof that the tree begins with one of `m` leaves.
fn subproof(m: usize, leaves: &[TreeHash], whole: bool) -> Vec<TreeHash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let (left, right) = leaves.split_at(half(leaves));
    let (mut proof, beside) = if m <= left.len() {
        (subproof(m, left, whole), mth(right))
    } else {
        (subproof(m - left.len(), right, false), mth(left))
    };
    proof.push(beside);
    proof
}

fn half(leaves: &[TreeHash]) -> usize {
    leaves.len().next_power_of_two() / 2
}

/// `hash` with each of its bits flipped in turn.
fn flips(hash: &TreeHash) -> impl Iterator<Item = TreeHash> {
    let bytes = hash.0;
    (0..256).map(move |bit| {
        let mut bytes = bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        TreeHash(bytes)
    })
}

/// `path` with each of its bits flipped in turn.
fn flipped_paths(path: &[TreeHash]) -> impl Iterator<Item = Vec<TreeHash>> {
    (0..path.len()).flat_map(move |at| {
        flips(&path[at]).map(move |flipped| {
            let mut path = path.to_vec();
            path[at] = flipped;
            path
        })
    })
}

#[test]
fn leaves_and_nodes_are_sha256_behind_their_prefix() {
    for sequence in [0, 1, 255, 256, u64::MAX] {
        let chain = chain(sequence);
        let data: &[&[u8]] = &[&sequence.to_le_bytes(), chain.as_bytes()];
        assert_eq!(TreeHash::leaf(sequence, chain), plain(0, data));
        let (left, right) = (plain(0, &[b"l"]), plain(0, data));
        assert_eq!(TreeHash::node(&left, &right), plain(1, &[&left.0, &right.0]));
    }
}

#[test]
fn the_published_tree_has_its_published_roots() {
    assert_eq!(TreeHash::EMPTY.to_string(), ROOTS[0]);
    assert_eq!(published().roots, hashes(&ROOTS));
}

#[test]
fn published_proofs_are_made_and_verify() {
    let tree = published();
    let included = |sequence, size, path: &[&str]| {
        let proof = tree.inclusion(sequence, size);
        assert_eq!(proof.path(), hashes(path), "{sequence} in {size}");
        let leaf = *tree.first(sequence).last().unwrap();
        assert_eq!(proof.verify_leaf(leaf, &tree.root(size)), Ok(()), "{sequence} in {size}");
    };
    included(1, 1, &[]);
    included(1, 8, &[BESIDE_1, OVER_3_4, OVER_5_8]);
    included(6, 8, &[BESIDE_6, OVER_7_8, ROOTS[4]]);
    included(3, 3, &[ROOTS[2]]);
    included(2, 5, &[ROOTS[1], OVER_3_4, BESIDE_6]);
    let consistent = |from, to, path: &[&str]| {
        assert_eq!(tree.consistency(from, to).path(), hashes(path), "{from} to {to}");
        let bare = ConsistencyProof::new(from, to, hashes(path));
        assert_eq!(bare.verify(&tree.root(from), &tree.root(to)), Ok(()), "{from} to {to}");
    };
    consistent(1, 1, &[]);
    consistent(1, 8, &[BESIDE_1, OVER_3_4, OVER_5_8]);
    consistent(6, 8, &[OVER_5_6, OVER_7_8, ROOTS[4]]);
    consistent(2, 5, &[OVER_3_4, BESIDE_6]);
}

#[test]
fn every_proof_of_small_trees_is_the_definition_s() {
    let tree = ledger(70, u64::MAX);
    for to in 1..=70 {
        let (leaves, root) = (tree.first(to), tree.root(to));
        assert_eq!(root, mth(leaves), "{to}");
        for at in 1..=to {
            let m = usize::try_from(at).unwrap();
            let proof = tree.inclusion(at, to);
            assert_eq!(proof.path(), path(m - 1, leaves), "{at} in {to}");
            assert_eq!(proof.verify(chain(at), &root), Ok(()), "{at} in {to}");
            let proof = tree.consistency(at, to);
            assert_eq!(proof.path(), subproof(m, leaves, true), "{at} to {to}");
            assert_eq!(proof.verify(&tree.root(at), &root), Ok(()), "{at} to {to}");
            assert_eq!(proof.earlier_root(&root), Some(tree.root(at)), "{at} to {to}");
            let bare = ConsistencyProof::new(at, to, proof.path().to_vec());
            assert_eq!(bare.verify(&tree.root(at), &root), Ok(()), "{at} to {to}");
        }
    }
}

#[test]
fn a_proof_is_for_one_record_and_one_root() {
    let tree = ledger(40, u64::MAX);
    for size in 1..=40 {
        for sequence in 1..=size {
            let proof = tree.inclusion(sequence, size);
            let path = proof.path().to_vec();
            for other in (1..=40).filter(|other| *other != sequence) {
                assert!(proof.verify(chain(other), &tree.root(size)).is_err());
                let moved = InclusionProof::new(other, size, path.clone());
                for claimed in [chain(sequence), chain(other)] {
                    assert!(moved.verify(claimed, &tree.root(size)).is_err(), "{other} {size}");
                }
            }
            for other in (0..=40).filter(|other| *other != size) {
                assert!(proof.verify(chain(sequence), &tree.root(other)).is_err());
                let resized = InclusionProof::new(sequence, other, path.clone());
                assert!(resized.verify(chain(sequence), &tree.root(other)).is_err());
            }
        }
    }
}

#[test]
fn consistency_is_between_two_roots_and_no_others() {
    let tree = ledger(24, u64::MAX);
    let pairs = || (1..=24).flat_map(|to| (1..to).map(move |from| (from, to)));
    for (from, to) in pairs() {
        let proof = tree.consistency(from, to);
        for (old, new) in pairs().filter(|pair| *pair != (from, to)) {
            assert!(proof.verify(&tree.root(old), &tree.root(new)).is_err());
            let resized = ConsistencyProof::new(old, new, proof.path().to_vec());
            assert!(resized.verify(&tree.root(old), &tree.root(new)).is_err());
        }
        let same = tree.consistency(to, to);
        assert_eq!(same.verify(&tree.root(from), &tree.root(to)), Err(NotProven::Root));
    }
}

#[test]
fn every_flipped_bit_of_a_proof_is_refused() {
    let tree = ledger(70, u64::MAX);
    for (at, to) in [(1, 2), (3, 3), (5, 7), (6, 8), (8, 8), (12, 13), (32, 33), (33, 70)] {
        let (old, new) = (tree.root(at), tree.root(to));
        let proof = tree.inclusion(at, to);
        for path in flipped_paths(proof.path()) {
            let flipped = InclusionProof::new(at, to, path);
            assert_eq!(flipped.verify(chain(at), &new), Err(NotProven::Root));
        }
        for root in flips(&new) {
            assert_eq!(proof.verify(chain(at), &root), Err(NotProven::Root));
        }
        let proof = tree.consistency(at, to);
        for path in flipped_paths(proof.path()) {
            let flipped = ConsistencyProof::new(at, to, path);
            assert_eq!(flipped.verify(&old, &new), Err(NotProven::Root));
            assert_eq!(flipped.earlier_root(&new), None);
        }
        for root in flips(&new) {
            assert!(proof.verify(&old, &root).is_err());
        }
        for root in flips(&old) {
            assert!(proof.verify(&root, &new).is_err());
        }
    }
}

#[test]
fn a_path_of_another_length_is_refused_before_anything_is_hashed() {
    let tree = ledger(13, u64::MAX);
    let (old, new) = (tree.root(6), tree.root(13));
    let (inclusion, consistency) = (tree.inclusion(6, 13), tree.consistency(6, 13));
    let lengths = |right: usize| (0..=right + 2).chain([1 << 20]).filter(move |it| *it != right);
    let resized = |path: &[TreeHash], length: usize| {
        path.iter().copied().chain(std::iter::repeat(new)).take(length).collect()
    };
    for length in lengths(inclusion.path().len()) {
        let path = resized(inclusion.path(), length);
        let refused = InclusionProof::new(6, 13, path).verify(chain(6), &new);
        assert_eq!(refused, Err(NotProven::Length));
    }
    for length in lengths(consistency.path().len()) {
        let proof = ConsistencyProof::new(6, 13, resized(consistency.path(), length));
        assert_eq!(proof.verify(&old, &new), Err(NotProven::Length));
        assert_eq!(proof.earlier_root(&new), None);
    }
}

#[test]
fn places_that_no_tree_has_are_refused() {
    for (at, size) in [(0, 0), (0, 5), (1, 0), (6, 5), (u64::MAX, 1)] {
        assert_eq!(inclusion_needs(at, size), Err(NotProven::Place));
        assert_eq!(consistency_needs(at, size), Err(NotProven::Place));
        assert_eq!(inclusion(at, size, &[]), None);
        assert_eq!(consistency(at, size, &[]), None);
        let proof = InclusionProof::new(at, size, Vec::new());
        let leaf = TreeHash::leaf(at, Digest::ZERO);
        assert_eq!(proof.verify(Digest::ZERO, &leaf), Err(NotProven::Place));
        let proof = ConsistencyProof::new(at, size, Vec::new());
        assert_eq!(proof.verify(&leaf, &leaf), Err(NotProven::Place));
        assert_eq!(proof.earlier_root(&leaf), None);
    }
    for (at, size) in [(1, u64::MAX), (u64::MAX, u64::MAX), (1 << 63, u64::MAX)] {
        assert!(inclusion_needs(at, size).unwrap().len() <= 128);
        assert!(consistency_needs(at, size).unwrap().len() <= 128);
        assert_eq!(inclusion(at, size, &[]), None, "what is not known is not made up");
    }
}

#[test]
fn a_forked_log_betrays_itself() {
    for fork in [1, 2, 5, 8, 16] {
        let (honest, forked) = (ledger(20, u64::MAX), ledger(20, fork));
        for to in fork..=20 {
            let new = forked.root(to);
            for from in 1..=to {
                let proof = forked.consistency(from, to);
                let told = honest.root(from);
                let earlier = proof.earlier_root(&new).unwrap();
                assert_eq!(earlier != told, from >= fork, "{from} to {to}, forked at {fork}");
                assert_eq!(proof.verify(&told, &new).is_ok(), from < fork);
            }
        }
    }
}

#[test]
fn a_path_from_a_power_of_two_proves_a_fork_only_with_the_root_it_leaves_out() {
    let tree = ledger(13, u64::MAX);
    let (old, new) = (tree.root(8), tree.root(13));
    let proof = tree.consistency(8, 13);
    let bare = ConsistencyProof::new(8, 13, proof.path().to_vec());
    assert_eq!((bare.verify(&old, &new), bare.earlier_root(&new)), (Ok(()), None));
    let rewritten = |root: &str| {
        let text = serde_json::to_string(&proof).unwrap();
        let text = text.replace(&old.to_string(), root);
        serde_json::from_str::<ConsistencyProof>(&text).unwrap()
    };
    assert_eq!(rewritten(ROOTS[3]).verify(&old, &new), Err(NotProven::EarlierRoot));
    assert_eq!(rewritten(ROOTS[3]).verify(&hash(ROOTS[3]), &new), Err(NotProven::Root));
    assert_eq!(rewritten(ROOTS[3]).earlier_root(&new), None);
    let needless = serde_json::to_string(&tree.consistency(7, 13)).unwrap();
    let needless = needless.replace("\"to\"", &format!("\"root\":\"{}\",\"to\"", tree.root(7)));
    let needless: ConsistencyProof = serde_json::from_str(&needless).unwrap();
    assert_eq!(needless.verify(&tree.root(7), &new), Err(NotProven::Length));
}

#[test]
fn proofs_are_canonical_json() {
    let tree = published();
    let check = |value: &dyn Fn(&mut Vec<u8>), expect: String| {
        let mut out = Vec::new();
        value(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    };
    let included = tree.inclusion(2, 2);
    let text = format!(r#"{{"path":["{}"],"sequence":2,"size":2}}"#, ROOTS[1]);
    assert_eq!(serde_json::from_str::<InclusionProof>(&text).unwrap(), included);
    check(&|out| serde_json::to_writer(out, &included).unwrap(), text.clone());
    check(&|out| crate::canonical::write(&included, out).unwrap(), text);
    let consistent = tree.consistency(1, 2);
    let text = format!(r#"{{"from":1,"path":["{BESIDE_1}"],"root":"{}","to":2}}"#, ROOTS[1]);
    assert_eq!(serde_json::from_str::<ConsistencyProof>(&text).unwrap(), consistent);
    check(&|out| serde_json::to_writer(out, &consistent).unwrap(), text);
    let extended = r#"{"path":[],"sequence":1,"size":1,"also":1}"#;
    assert!(serde_json::from_str::<InclusionProof>(extended).is_err());
    for bad in ["", "00", &ROOTS[1].to_uppercase(), &format!("{}0", ROOTS[1])] {
        assert_eq!(bad.parse::<TreeHash>(), Err(NotHex), "{bad}");
    }
}

#[test]
fn an_edge_comes_back_as_it_was_or_not_at_all() {
    let mut edge = Frontier::default();
    for size in 0..70 {
        let text = serde_json::to_string(&edge).unwrap();
        assert_eq!(serde_json::from_str::<Frontier>(&text).unwrap(), edge, "{size}");
        let other = text.replace(&format!("\"size\":{size}"), &format!("\"size\":{}", size ^ 64));
        assert!(serde_json::from_str::<Frontier>(&other).is_err(), "{size}");
        edge.push(TreeHash::leaf(size + 1, chain(size + 1)), |_, _| {});
    }
}
