//! Exports of a small ledger with everything in it, and every way to spoil them.
use std::{
    io::{self, Cursor, Read as _},
    sync::Arc,
};

use futures::executor::block_on;

use crate::{
    Action, Admission, Authorized, Batch, Caller, Demands, Denial, Digest, Durability, Effect,
    Endpoint, Export, ExportError, Fault, Flaw, Frame, Grant, Head, Import, ImportError, Kernel,
    ManualClock, MemoryStore, Operation, Owner, PublicKey, Refusal, Region, Resource, Signer as _,
    SoftwareKey, Store, StoreError, Timestamp, Transferred, ledger::Reading, record::chain,
};

mod exporting;
mod forged;

/// Writes content, which the owner reads before saying yes.
#[derive(serde::Serialize)]
pub(crate) struct Write {
    content: Digest,
    path: Resource,
    #[serde(skip)]
    bytes: Vec<u8>,
}

impl Write {
    pub(crate) fn new(path: &str, bytes: &[u8]) -> Self {
        let content = Digest::of_content(bytes);
        Self { content, path: path.parse().unwrap(), bytes: bytes.to_vec() }
    }
}

impl Operation for Write {
    const KIND: &'static str = "test.write";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.path)
    }

    fn content(&self) -> Option<&[u8]> {
        Some(&self.bytes)
    }
}

pub(crate) struct Nothing;

impl Endpoint<Write> for Nothing {
    fn admit(&self, _: &Write, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Write>) -> Result<(), Fault> {
        Ok(())
    }
}

pub(crate) fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

pub(crate) fn founder() -> PublicKey {
    key(1).public_key()
}

pub(crate) async fn open(store: Arc<dyn Store>) -> (Kernel, Owner) {
    let clock = ManualClock::at(Timestamp::from_millis(1000));
    let kernel = Kernel::governing(founder()).open_shared(store, clock).await.unwrap();
    let owner = kernel.owner(key(1)).await.unwrap();
    (kernel, owner)
}

const FORMS: [Export; 2] = [Export::json_lines(), Export::native()];

/// A ledger with a question, an approval, an archive, a checkpoint, and two questions about one
/// content.
async fn story(store: Arc<dyn Store>) -> (Kernel, Owner) {
    let (kernel, owner) = open(store).await;
    owner.certify(key(2).public_key()).await.unwrap();
    kernel.sign_with(key(2));
    let work = owner.identity("work").await.unwrap();
    let rules = Grant::new().ask(Action::Write, Region::subtree("fs:/a").unwrap());
    owner.grant(work, rules).await.unwrap();
    let agent = owner.bind(work, "a", "here").await.unwrap();
    let mount = kernel.mount("files", Nothing);
    for path in ["fs:/a/1", "fs:/a/2"] {
        let write = Write::new(path, b"\x00the content, of any bytes\xff");
        let Err(Refusal::Escalated(ticket)) = agent.submit(&mount, &write).await else { panic!() };
        owner.approve(ticket.id).await.unwrap();
        agent.submit(&mount, &write).await.unwrap();
    }
    kernel.checkpoint().await.unwrap();
    let old = owner.identity("old").await.unwrap();
    owner.retire(old).await.unwrap();
    (kernel, owner)
}

async fn exported(owner: &Owner, how: Export) -> (Vec<u8>, Transferred) {
    let mut out = Vec::new();
    let found = owner.export(&mut out, how, |_| ()).await.unwrap();
    (out, found)
}

fn small(how: Export) -> (Vec<u8>, Transferred) {
    block_on(async {
        let (_kernel, owner) = story(Arc::new(MemoryStore::new())).await;
        exported(&owner, how).await
    })
}

/// One with little in it, for what is done to every byte: two acts and an archive.
fn brief(how: Export) -> Vec<u8> {
    block_on(async {
        let (_kernel, owner) = open(Arc::new(MemoryStore::new())).await;
        let old = owner.identity("old").await.unwrap();
        owner.retire(old).await.unwrap();
        let (bytes, found) = exported(&owner, how.with_bodies()).await;
        assert_eq!((found.found.acts, found.bodies), (2, 1));
        bytes
    })
}

fn verified(bytes: &[u8]) -> Result<Transferred, ImportError> {
    Import::of(founder()).verify(bytes, |_| ())
}

async fn imported(bytes: &[u8], store: &dyn Store) -> Result<Transferred, ImportError> {
    Import::of(founder()).into_store(Cursor::new(bytes), store, |_| ()).await
}

/// Everything of the log.
async fn log(store: &dyn Store) -> Vec<Frame> {
    store.read(founder().owner(), 1, usize::MAX).await.unwrap()
}

fn flaw(read: Result<Transferred, ImportError>) -> Flaw {
    match read {
        Err(ImportError::Entry { flaw, .. }) => flaw,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_imported_is_what_was_exported_in_either_form() {
    block_on(async {
        let from = Arc::new(MemoryStore::new());
        let (kernel, owner) = story(from.clone()).await;
        for how in FORMS.map(Export::with_bodies) {
            let (bytes, written) = exported(&owner, how).await;
            assert_eq!(written.found, kernel.verify().await.unwrap());
            assert_eq!(written.bodies, 2, "one content asked about twice, and an archive");
            assert_eq!(verified(&bytes).unwrap(), written);
            let to = Arc::new(MemoryStore::new());
            assert_eq!(imported(&bytes, &*to).await.unwrap(), written);
            assert_eq!(log(&*to).await, log(&*from).await);
            assert_eq!(imported(&bytes, &*to).await.unwrap(), written, "again changes nothing");
            let (_, again) = open(to).await;
            for form in FORMS.map(Export::with_bodies) {
                assert_eq!(exported(&again, form).await, exported(&owner, form).await);
            }
        }
    });
}

#[test]
fn the_lines_are_those_of_the_format() {
    let (bytes, written) = small(Export::json_lines().with_bodies());
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let key = founder();
    let first = format!(r#"{{"export":{{"format":1,"key":"{key}","ledger":"{}"}}}}"#, key.owner());
    assert_eq!(lines[0], first);
    let payload = r#"{"actor":"kernel","at":1000,"event":{"opened":{"format":1,"key":""#;
    assert!(lines[1].starts_with(r#"{"hash":""#));
    assert!(lines[1][73..].starts_with(&format!(r#"","record":{payload}{key}"#)), "{}", lines[1]);
    assert!(lines[1].ends_with(r#","sequence":1}"#));
    let body = "AHRoZSBjb250ZW50LCBvZiBhbnkgYnl0ZXP/";
    let digest = Digest::of_content(b"\x00the content, of any bytes\xff");
    let body = format!(r#"{{"body":{{"content":"{body}","digest":"{digest}"}}}}"#);
    let at = lines.iter().position(|line| **line == body).unwrap();
    assert!(lines[at - 1].contains(r#""event":{"asked":{"#), "behind the first that names it");
    let (head, records) = (written.found.head, written.found.records);
    let end = format!(r#"{{"end":{{"hash":"{head}","sequence":{records}}}}}"#);
    assert_eq!(*lines.last().unwrap(), end);
    assert!(text.ends_with("}\n"));

    let (bytes, _) = small(Export::native());
    assert_eq!(bytes[..8], *b"clawledg");
    assert_eq!(bytes[8..12], [1, 0, 0, 0]);
    assert_eq!(bytes[12..44], *founder().as_bytes());
    assert_eq!(bytes[44], 1);
    let length = u32::from_le_bytes(bytes[45..49].try_into().unwrap()) as usize;
    assert_eq!(bytes[49..57], 1_u64.to_le_bytes());
    assert!(bytes[89..89 + length].starts_with(payload.as_bytes()));
    assert_eq!(bytes[89 + length], 1, "the next one");
    assert_eq!(bytes[bytes.len() - 41], 0);
    assert_eq!(bytes[bytes.len() - 32..], *written.found.head.as_bytes());
}

#[test]
fn an_export_that_is_cut_anywhere_is_refused() {
    for how in FORMS {
        let bytes = brief(how);
        for length in 0..bytes.len() {
            let read = verified(&bytes[..length]);
            assert!(read.is_err(), "{length} of {} bytes: {read:?}", bytes.len());
        }
        let mut longer = bytes.clone();
        longer.push(b'\n');
        assert_eq!(flaw(verified(&longer)), Flaw::BehindTheEnd);
        let mut twice = bytes.clone();
        twice.extend(&bytes);
        assert_eq!(flaw(verified(&twice)), Flaw::BehindTheEnd);
    }
}

#[test]
fn no_bit_can_be_flipped() {
    for how in FORMS {
        let mut bytes = brief(how);
        let count = bytes.len() * 8;
        for bit in 0..count {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = verified(&bytes);
            assert!(read.is_err(), "bit {bit} of {count}: {read:?}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        verified(&bytes).unwrap();
    }
}

#[test]
fn an_export_of_somebody_else_is_refused() {
    for how in FORMS {
        let (bytes, _) = small(how);
        let read = Import::of(key(9).public_key()).verify(&*bytes, |_| ());
        assert!(matches!(read, Err(ImportError::Foreign(key)) if key == founder()), "{read:?}");
    }
    assert!(matches!(verified(b""), Err(ImportError::NotAnExport)));
    assert!(matches!(verified(b"clawledger of mine"), Err(ImportError::NotAnExport)));
    let (mut bytes, _) = small(Export::native());
    bytes[8] = 2;
    assert!(matches!(verified(&bytes), Err(ImportError::Format(2))));
    let text = r#"{"export":{"format":7,"key":""#.to_owned() + &"0".repeat(64) + "\"}}\n";
    assert!(matches!(verified(text.as_bytes()), Err(ImportError::Format(7))));
}

/// A native entry of a body.
fn body(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&[2][..], &length, Digest::of_content(content).as_bytes(), content].concat()
}

#[test]
fn a_body_stands_once_behind_the_record_that_names_it() {
    let content = b"\x00the content, of any bytes\xff";
    let (bytes, _) = small(Export::native().with_bodies());
    let own = body(content);
    let at = bytes.windows(own.len()).position(|window| *window == own).unwrap();
    let with = |middle: &[u8]| [&bytes[..at], middle, &bytes[at + own.len()..]].concat();
    assert_eq!(verified(&with(b"")).unwrap().bodies, 1, "it may have been erased");
    assert_eq!(flaw(verified(&with(&[&*own, &own].concat()))), Flaw::Twice);
    assert_eq!(flaw(verified(&with(&body(b"other")))), Flaw::Unnamed);
    let mut changed = own.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(flaw(verified(&with(&changed))), Flaw::NotItsDigest);
    let end = bytes.len() - 41;
    let late = [&bytes[..end], &own, &bytes[end..]].concat();
    assert_eq!(flaw(verified(&late)), Flaw::Unnamed);
}

/// A native export of the records `payloads`, chained as they should be.
fn chained(payloads: &[&str]) -> Vec<u8> {
    let mut out = [b"clawledg\x01\0\0\0".as_slice(), founder().as_bytes()].concat();
    let mut head = Head::EMPTY;
    for payload in payloads {
        let sequence = head.sequence + 1;
        let hash = chain(founder().owner(), sequence, head.hash, payload.as_bytes());
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        let place = sequence.to_le_bytes();
        out.extend([&[1], &length[..], &place, hash.as_bytes(), payload.as_bytes()].concat());
        head = Head { sequence, hash };
    }
    out.extend([&[0], &head.sequence.to_le_bytes()[..], head.hash.as_bytes()].concat());
    out
}

#[test]
fn a_record_is_one_line_of_json_and_stands_in_the_chain() {
    let key = founder();
    let opened =
        format!(r#"{{"actor":"kernel","at":1,"event":{{"opened":{{"format":1,"key":"{key}"}}}}}}"#);
    let agent = format!("agt_{}@idn_{}", "0".repeat(24), "0".repeat(24));
    let denied = |rest: &str| format!(r#"{{"actor":"{agent}","at":2,"event":{{"denied":{rest}"#);
    let body = r#"{"denial":{"code":"no_grant","layer":"scope"},"kind":"x"}"#;
    let good = format!("{body}}}}}");
    assert_eq!(verified(&chained(&[&opened, &denied(&good)])).unwrap().found.records, 2);
    let bad = [
        format!("{good},\"record\":{{}}"),
        body.to_owned(),
        format!("{good}{{}}"),
        format!("\n{good}"),
        format!("\u{1}{good}"),
        "0}}".to_owned(),
    ];
    for bad in bad {
        let read = verified(&chained(&[&opened, &denied(&bad)]));
        assert!(
            matches!(&read, Err(ImportError::Damage(at)) if at.sequence == 2),
            "{bad}: {read:?}"
        );
    }
    let mut other = chained(&[&opened, &denied(&good)]);
    let last = other.len() - 42;
    other[last] ^= 1;
    let read = verified(&other);
    assert!(matches!(&read, Err(ImportError::Damage(at)) if at.sequence == 2), "{read:?}");
}

#[test]
fn an_end_is_that_of_the_records_before_it() {
    let (bytes, found) = small(Export::native());
    let end = bytes.len() - 41;
    let hash = found.found.head;
    let ended = |sequence: u64, hash: Digest| {
        [&bytes[..end], &[0], &sequence.to_le_bytes()[..], hash.as_bytes()].concat()
    };
    verified(&ended(found.found.records, hash)).unwrap();
    assert_eq!(flaw(verified(&ended(found.found.records - 1, hash))), Flaw::End);
    assert_eq!(flaw(verified(&ended(found.found.records, Digest::ZERO))), Flaw::End);
    let empty = [&bytes[..44], &[0; 41]].concat();
    assert_eq!(flaw(verified(&empty)), Flaw::End);
}

#[test]
fn what_says_it_is_large_costs_nothing() {
    let (bytes, _) = small(Export::native());
    let huge =
        |tag: u8, length: u32| [&bytes[..44], &[tag], &length.to_le_bytes()[..], &[7; 50]].concat();
    let lines = br#"{"export":{"format":1,"#;
    let text = small(Export::json_lines()).0;
    assert!(text.starts_with(lines));
    let first = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let record = format!(r#"{{"hash":"{}","record":"#, Digest::ZERO);
    let long = [&text[..first], record.as_bytes(), &vec![b'7'; 3 << 20]].concat();
    for (export, expect) in [
        (huge(1, u32::MAX), Flaw::TooLarge),
        (huge(2, u32::MAX), Flaw::TooLarge),
        (huge(1, 1 << 20), Flaw::CutOff),
        (huge(2, 64 << 20), Flaw::CutOff),
        (long, Flaw::TooLarge),
    ] {
        let mut read = None;
        let used = allocation_counter::measure(|| read = Some(verified(&export)));
        assert_eq!(flaw(read.unwrap()), expect);
        assert!(used.bytes_max < (export.len() as u64) + (1 << 20), "{used:?}");
    }
}

#[test]
fn a_line_that_never_ends_is_refused_at_its_bound() {
    let text = small(Export::json_lines()).0;
    let first = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let begun = [&text[..first], br#"{"body":{"content":""#].concat();
    let endless = begun.as_slice().chain(io::repeat(b'A'));
    assert_eq!(flaw(Import::of(founder()).verify(endless, |_| ())), Flaw::TooLarge);
    let endless = io::repeat(b'{');
    let read = Import::of(founder()).verify(endless, |_| ());
    assert!(matches!(read, Err(ImportError::NotAnExport)), "{read:?}");
    let endless = br#"{"export"#.chain(io::repeat(b'7'));
    let read = Import::of(founder()).verify(endless, |_| ());
    assert!(matches!(read, Err(ImportError::NotAnExport)), "{read:?}");
}

#[test]
fn an_import_that_was_interrupted_anywhere_is_completed_by_another() {
    block_on(async {
        let from = Arc::new(MemoryStore::new());
        let (_kernel, owner) = story(from.clone()).await;
        let frames = log(&*from).await;
        for how in FORMS.map(Export::with_bodies) {
            let (bytes, written) = exported(&owner, how).await;
            for count in 0..=frames.len() {
                let to = beginning(&frames[..count]).await;
                assert_eq!(imported(&bytes, &to).await.unwrap(), written, "{count}");
                assert_eq!(log(&to).await, frames);
                let digest = Digest::of_content(b"\x00the content, of any bytes\xff");
                assert!(to.body(founder().owner(), digest).await.unwrap().is_some());
            }
        }
    });
}

/// A store in which somebody else has begun the same log.
async fn beginning(frames: &[Frame]) -> MemoryStore {
    let store = MemoryStore::new();
    let batch: Batch = frames.iter().cloned().collect();
    store.append(founder().owner(), Head::EMPTY, batch, Durability::Durable).await.unwrap();
    store
}

#[test]
fn a_log_that_is_no_beginning_of_the_export_is_left_alone() {
    block_on(async {
        let from = Arc::new(MemoryStore::new());
        let (_kernel, owner) = story(from.clone()).await;
        let (bytes, _) = exported(&owner, Export::native()).await;
        let records = log(&*from).await.len() as u64;
        let to = Arc::new(MemoryStore::new());
        let (_, other) = open(to.clone()).await;
        other.identity("another").await.unwrap();
        let before = log(&*to).await;
        let refused = imported(&bytes, &*to).await;
        assert!(matches!(refused, Err(ImportError::Diverged { sequence: 2 })), "{refused:?}");
        assert_eq!(log(&*to).await, before);

        owner.identity("later").await.unwrap();
        let refused = imported(&bytes, &*from).await;
        assert!(
            matches!(refused, Err(ImportError::Diverged { sequence }) if sequence == records + 1)
        );
    });
}

#[test]
fn nothing_reaches_the_store_of_an_export_that_is_not_whole() {
    block_on(async {
        for how in FORMS.map(Export::with_bodies) {
            let (_kernel, owner) = story(Arc::new(MemoryStore::new())).await;
            let (bytes, _) = exported(&owner, how).await;
            let to = MemoryStore::new();
            let cut = &bytes[..bytes.len() - 1];
            assert_eq!(flaw(imported(cut, &to).await), Flaw::CutOff);
            assert!(log(&to).await.is_empty());
            let digest = Digest::of_content(b"\x00the content, of any bytes\xff");
            assert_eq!(to.body(founder().owner(), digest).await.unwrap(), None);
        }
    });
}

#[test]
fn nothing_of_another_owner_is_in_an_export_a_bundle_or_a_proof() {
    const SPARE: std::time::Duration = std::time::Duration::from_millis(1);
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(crate::LocalStore::open(dir.path()).unwrap().0);
    let clock = ManualClock::at(Timestamp::from_millis(1000));
    let begin = async |nth: u8, mark: &str| {
        let kernel = Kernel::governing(key(nth).public_key());
        let kernel = kernel.open_shared(store.clone(), clock.clone()).await.unwrap();
        let owner = kernel.owner(key(nth)).await.unwrap();
        owner.certify(key(nth + 1).public_key()).await.unwrap();
        kernel.sign_with(key(nth + 1));
        let work = owner.identity(mark).await.unwrap();
        let rules =
            Grant::new().ask(Action::Write, Region::subtree(&format!("fs:/{mark}")).unwrap());
        owner.grant(work, rules).await.unwrap();
        let agent = owner.attempt(work, mark, mark).await.unwrap();
        (kernel, owner, agent)
    };
    block_on(async {
        let marks = ["ada-secret", "bob-secret"];
        let all = [begin(1, marks[0]).await, begin(11, marks[1]).await];
        // Taken by turns, so that their frames lie side by side.
        for round in 0..20 {
            for ((kernel, owner, agent), mark) in all.iter().zip(marks) {
                let mount = kernel.mount(mark, Nothing);
                let write = Write::new(&format!("fs:/{mark}/{round}"), mark.as_bytes());
                let Err(Refusal::Escalated(ticket)) = agent.submit(&mount, &write).await else {
                    panic!()
                };
                owner.approve(ticket.id).await.unwrap();
                agent.submit(&mount, &write).await.unwrap();
                clock.advance(SPARE);
            }
        }
        for ((kernel, owner, _), (mark, other)) in
            all.iter().zip([(marks[0], marks[1]), (marks[1], marks[0])])
        {
            let signed = kernel.checkpoint().await.unwrap();
            let mut texts = vec![signed.to_string()];
            for how in FORMS.map(Export::with_bodies) {
                let (bytes, found) = exported(owner, how).await;
                assert_eq!(found.bodies, 1);
                texts.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            assert!(texts[1..].iter().all(|text| text.contains(mark)));
            for sequence in 1..=signed.checkpoint().size {
                texts.push(owner.bundle(sequence, &signed).await.unwrap().to_string());
                let proof = kernel.prove(sequence, &signed).await.unwrap();
                texts.push(serde_json::to_string(&proof).unwrap());
                let growth = kernel.prove_growth(sequence, &signed).await.unwrap();
                texts.push(serde_json::to_string(&growth).unwrap());
            }
            let id = all.iter().find(|one| one.0.owner_id() != kernel.owner_id()).unwrap();
            let strangers = [other.to_owned(), id.0.owner_id().to_string()];
            let coded = crate::base64::encode(other.as_bytes());
            for stranger in strangers.iter().chain([&coded]) {
                assert!(texts.iter().all(|text| !text.contains(stranger)), "{stranger}");
            }
        }
        // A body that only the other owner has is not this one's, whoever names it.
        let stranger = store.body(founder().owner(), Digest::of_content(marks[1].as_bytes()));
        assert_eq!(stranger.await.unwrap(), None);
    });
}

/// Takes only so many bytes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.0.min(bytes.len());
        self.0 -= room;
        if room == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(room) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
