//! Against the crate `signed_note`: it reads what we write, we read what it writes, and a note
//! that either refuses both refuse.
use ed25519_dalek::{Signer as _, SigningKey};
use signed_note::{Note, Signature as TheirLine, Signer, StandardVerifier, Verifier, VerifierList};

use super::*;

/// A key of theirs, signing texts or, at a time, cosigning them.
struct Theirs {
    name: String,
    key: SigningKey,
    time: Option<u64>,
}

impl Theirs {
    fn message(&self, text: &[u8]) -> Vec<u8> {
        let time = self.time.map(|time| format!("cosignature/v1\ntime {time}\n"));
        [time.unwrap_or_default().as_bytes(), text].concat()
    }

    fn id(&self) -> u32 {
        let kind = if self.time.is_some() { 4 } else { 1 };
        let key = self.key.verifying_key().to_bytes();
        signed_note::key_id(&self.name, &[&[kind], key.as_slice()].concat())
    }
}

impl Signer for Theirs {
    fn name(&self) -> &str {
        &self.name
    }
    fn key_id(&self) -> u32 {
        self.id()
    }
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let time = self.time.map(u64::to_be_bytes);
        let signature = self.key.sign(&self.message(text)).to_bytes();
        Ok([time.as_ref().map_or(&[][..], |time| time), &signature].concat())
    }
}

impl Verifier for Theirs {
    fn name(&self) -> &str {
        &self.name
    }
    fn key_id(&self) -> u32 {
        self.id()
    }
    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        Signer::sign(self, text).is_ok_and(|expect| expect == signature)
    }
}

fn theirs(secret: u8, name: &str, time: Option<u64>) -> Theirs {
    Theirs { name: name.to_owned(), key: SigningKey::from_bytes(&[secret; 32]), time }
}

#[test]
fn they_read_and_verify_what_we_write() {
    for size in [0, 1, 7, 1 << 40, u64::MAX] {
        let ours = signed(size).cosign(&key(3), "witness/w1", seconds(size >> 30)).unwrap();
        let text = ours.to_string();
        let note = Note::from_bytes(text.as_bytes()).unwrap();
        assert_eq!(note.to_bytes(), text.as_bytes());
        assert_eq!(note.text(), ours.checkpoint().body().as_bytes());
        let log = VerifierKey::new(&ours.checkpoint().origin, key(2).public_key()).unwrap();
        let log = StandardVerifier::new(&log.to_string()).unwrap();
        let witness = theirs(3, "witness/w1", Some(size >> 30));
        let known = VerifierList::new(vec![Box::new(log), Box::new(witness)]);
        let (verified, strange) = note.verify(&known).unwrap();
        assert_eq!((verified.len(), strange.len()), (2, 0), "{size}");
    }
}

#[test]
fn we_read_and_verify_what_they_write() {
    for size in [0, 1, 7, 1 << 40, u64::MAX] {
        let ours = signed(size).cosign(&key(3), "witness/w1", seconds(99)).unwrap();
        let mut note = Note::new(ours.checkpoint().body().as_bytes(), &[]).unwrap();
        let log = theirs(2, &ours.checkpoint().origin, None);
        note.add_sigs(&[&log, &theirs(3, "witness/w1", Some(99))]).unwrap();
        let text = String::from_utf8(note.to_bytes()).unwrap();
        assert_eq!(text, ours.to_string());
        let read: SignedCheckpoint = text.parse().unwrap();
        assert_eq!(read.verify(&key(2).public_key()), Ok(()));
        assert_eq!(read.cosigned("witness/w1", &key(3).public_key()), Ok(seconds(99)));
    }
}

#[test]
fn a_changed_note_is_one_to_both_or_to_neither() {
    let (mut accepted, mut refused) = (0, 0);
    let insertions = ["\n", " ", "=", "+", "A", "\u{1}", "\t", "\u{7f}", "\u{a0}", "\u{2014} "];
    for note in [TWO_SIGN, FOO_SIGNS, WITNESSED] {
        for (at, next) in note.char_indices() {
            let (before, after) = note.split_at(at);
            let cut = after.strip_prefix(next).unwrap();
            let inserted = insertions.iter().map(|new| format!("{before}{new}{after}"));
            let replaced = insertions.iter().map(|new| format!("{before}{new}{cut}"));
            let changed = [format!("{before}{cut}"), before.to_owned()];
            for text in inserted.chain(replaced).chain(changed) {
                match (split(&text), Note::from_bytes(text.as_bytes())) {
                    (Ok((ours, lines)), Ok(theirs)) => {
                        assert_eq!(ours.as_bytes(), theirs.text(), "{text:?}");
                        let written: String = lines.iter().map(Line::to_string).collect();
                        assert_eq!(theirs.to_bytes(), format!("{ours}\n{written}").as_bytes());
                        accepted += 1;
                    }
                    (Err(_), Err(_)) => refused += 1,
                    (ours, _) => panic!("only one reads {text:?}: {ours:?}"),
                }
            }
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}

#[test]
fn lines_are_read_alike() {
    for text in ["\u{2014} a AAAAAAE=", "\u{2014} a AAAAAA==", "\u{2014} a  AAAAAAE=", "a AAAAAAE="]
    {
        let theirs = TheirLine::from_bytes(text.as_bytes()).is_ok();
        assert_eq!(split(&format!("text\n\n{text}\n")).is_ok(), theirs, "{text}");
    }
}
