//! A ledger in the hands of somebody who has the file, knows the format, and has the keys that the
//! test gives them.
use clawnet_core::*;
use futures::executor::block_on;

use crate::story::{KERNEL, OWNER, founder, key};

/// An export, taken apart.
#[derive(Clone)]
pub(super) struct Forge {
    pub(super) file: Vec<u8>,
    /// Its lines, each with its newline.
    pub(super) lines: Vec<String>,
    pub(super) payloads: Vec<String>,
    hashes: Vec<Digest>,
    /// By the record they are behind.
    bodies: Vec<(u64, String)>,
    /// Who signs, and as which log.
    owner: u8,
    kernel: u8,
    pub(super) origin: String,
}

impl Forge {
    pub(super) fn of(file: &[u8]) -> Self {
        let text = std::str::from_utf8(file).unwrap();
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let (mut payloads, mut bodies) = (Vec::new(), Vec::new());
        for line in &lines {
            if let Some((_, rest)) = line.split_once(r#"","record":"#) {
                payloads.push(rest.rsplit_once(r#","sequence":"#).unwrap().0.to_owned());
            } else if line.starts_with(r#"{"body""#) {
                bodies.push((payloads.len() as u64, line.clone()));
            }
        }
        let origin = format!("clawnet/{}", founder().owner());
        let (owner, kernel) = (OWNER, KERNEL);
        let hashes = hashes(&payloads);
        Self { file: file.to_vec(), lines, payloads, hashes, bodies, owner, kernel, origin }
    }

    /// The same, forged with these keys.
    pub(super) fn by(&self, owner: u8, kernel: u8) -> Self {
        Self { owner, kernel, ..self.clone() }
    }

    /// The same, forged in the name of this log.
    pub(super) fn named(self, origin: String) -> Self {
        Self { origin, ..self }
    }

    /// The whole of it again, from the payloads.
    pub(super) fn written(&self) -> Vec<u8> {
        self.then(self.payloads.len() as u64, &[])
    }

    /// An export of the first `count` records and of these, with every hash as it should be.
    pub(super) fn then(&self, count: u64, more: &[String]) -> Vec<u8> {
        let kept = &self.payloads[..usize::try_from(count).unwrap()];
        let all: Vec<String> = kept.iter().chain(more).cloned().collect();
        let mut out = self.lines[0].clone();
        let mut last = (0, Digest::ZERO);
        for ((payload, hash), sequence) in all.iter().zip(hashes(&all)).zip(1..) {
            let about = format!("\"record\":{payload},\"sequence\":{sequence}");
            out.extend([&*format!("{{\"hash\":\"{hash}\","), &about, "}\n"]);
            for (_, body) in self.bodies.iter().filter(|(at, _)| *at == sequence && at <= &count) {
                out += body;
            }
            last = (sequence, hash);
        }
        let (sequence, hash) = last;
        let end = format!("{{\"end\":{{\"hash\":\"{hash}\",\"sequence\":{sequence}}}}}\n");
        (out + &end).into_bytes()
    }

    /// Where the line of a record is.
    pub(super) fn line(&self, sequence: u64) -> usize {
        let tail = format!(",\"sequence\":{sequence}}}\n");
        let is = |line: &String| line.starts_with("{\"hash\"") && line.ends_with(&tail);
        self.lines.iter().position(is).unwrap()
    }

    /// The first record that says this word, as an event's or an act's name.
    pub(super) fn sequence(&self, word: &str) -> u64 {
        let name = format!("{{\"{word}\":");
        self.payloads.iter().position(|payload| payload.contains(&name)).unwrap() as u64 + 1
    }

    /// How many acts are among the first records.
    pub(super) fn acts(&self, count: u64) -> u64 {
        let first = &self.payloads[..usize::try_from(count).unwrap()];
        first.iter().filter(|payload| payload.starts_with(r#"{"actor":"owner""#)).count() as u64
    }

    pub(super) fn root(&self, size: u64) -> TreeHash {
        let leaves = self.hashes.iter().zip(1..).map(|(hash, at)| TreeHash::leaf(at, *hash));
        let leaves: Vec<TreeHash> = leaves.take(usize::try_from(size).unwrap()).collect();
        root(&leaves)
    }

    /// A record's payload, at the latest time there is.
    pub(super) fn payload(&self, actor: &str, event: &str) -> String {
        let last = self.payloads.last().unwrap();
        let (_, rest) = last.split_once(r#","at":"#).unwrap();
        let at = rest.split_once(',').unwrap().0;
        format!(r#"{{"actor":"{actor}","at":{at},"event":{event}}}"#)
    }

    /// What a kernel writes that says nothing.
    pub(super) fn recovered(&self, closed: u64) -> String {
        self.payload("kernel", &format!(r#"{{"recovered":{{"closed":{closed}}}}}"#))
    }

    /// An act as the owner's key signs it.
    pub(super) fn act(&self, act: &str, number: u64) -> String {
        self.act_signed(act, number, act)
    }

    /// An act with the signature of another.
    pub(super) fn act_signed(&self, act: &str, number: u64, signed: &str) -> String {
        let ledger = founder().owner();
        let statement = format!(
            "clawnet owner act v1\n{{\"act\":{signed},\"ledger\":\"{ledger}\",\"number\":{number}}}"
        );
        let signature = signature(self.owner, &statement);
        let signed = format!(r#"{{"act":{act},"number":{number},"signature":"{signature}"}}"#);
        self.payload("owner", &format!(r#"{{"act":{signed}}}"#))
    }

    /// A checkpoint of that size and root, by the kernel's key under the origin.
    pub(super) fn note(&self, size: u64, root: TreeHash) -> String {
        let body = format!("{}\n{size}\n{}\n", self.origin, base64(root.as_bytes()));
        let name = VerifierKey::new(&self.origin, key(self.kernel).public_key()).unwrap();
        let name = name.to_string();
        let digits = name.split('+').nth(1).unwrap();
        let id: Vec<u8> =
            (0..4).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
        let signature = signature(self.kernel, &body);
        let line = base64(&[&id, &signature.as_bytes()[..]].concat());
        format!("{body}\n\u{2014} {} {line}\n", self.origin)
    }

    /// The record of a note.
    pub(super) fn noted(&self, note: &str) -> String {
        let note = serde_json::to_string(note).unwrap();
        self.payload("kernel", &format!(r#"{{"checkpoint":{note}}}"#))
    }
}

/// A change of the owner's key with the proof of `prover`, for the act of that number.
pub(super) fn rekey(new: u8, (prover, number): (u8, u64)) -> String {
    let (new, ledger) = (key(new).public_key(), founder().owner());
    let about = format!(r#"{{"key":"{new}","ledger":"{ledger}","number":{number}}}"#);
    let proof = signature(prover, &format!("clawnet owner key v1\n{about}"));
    format!(r#"{{"rekey":{{"key":"{new}","proof":"{proof}"}}}}"#)
}

fn signature(nth: u8, text: &str) -> Signature {
    block_on(key(nth).sign(text.as_bytes())).unwrap()
}

/// The chain over these payloads, as the format has it.
fn hashes(payloads: &[String]) -> Vec<Digest> {
    let (mut hashes, mut previous) = (Vec::new(), Digest::ZERO);
    for (payload, sequence) in payloads.iter().zip(1_u64..) {
        let mut bytes = founder().owner().as_bytes().to_vec();
        bytes.extend(sequence.to_le_bytes());
        bytes.extend(previous.as_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(payload.as_bytes());
        previous = Digest::from_bytes(blake3::derive_key("clawnet 2026 ledger chain v1", &bytes));
        hashes.push(previous);
    }
    hashes
}

fn root(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash::EMPTY,
        [leaf] => *leaf,
        more => {
            let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
            TreeHash::node(&root(left), &root(right))
        }
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        let digit = |at: usize| char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
        text.extend((0..4).map(|at| if at <= group.len() { digit(at) } else { '=' }));
    }
    text
}
