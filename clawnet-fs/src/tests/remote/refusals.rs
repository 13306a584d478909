//! What a station refuses, whoever says it.
use clawnet_core::Directive;

use super::*;

/// A station without a thread, and a directive that is due there.
struct Bench {
    station: Station,
    due: Frame,
    log: Log,
}

impl Bench {
    /// The directive was minted for this station's session, and lost on the way.
    fn of(far: &mut Far, operation: &impl Served<Output: std::fmt::Debug>) -> Self {
        far.wire.mute.store(true, Ordering::SeqCst);
        far.submit(operation).unwrap_err();
        far.wire.mute.store(false, Ordering::SeqCst);
        let due = far.wire.told();
        let station = far.serving.take();
        let mut bench = Self { station: Self::still(far, station), due, log: Log::default() };
        bench.resume();
        bench
    }

    fn still(far: &Far, serving: Option<JoinHandle<Station>>) -> Station {
        // The link is closed here, so the thread ends.
        let station = serving.unwrap().join().unwrap();
        drop(station);
        far.station().unwrap()
    }

    /// A session with this station, and the directive signed anew for it.
    fn resume(&mut self) {
        let welcome = self.hello();
        self.due = resigned(&self.due, &|directive| {
            directive.session = welcome.session;
            directive.number = welcome.number + 1;
        });
    }

    fn hello(&mut self) -> Welcome {
        let hello = format!(r#"{{"kernel":"{}"}}"#, kernel_key().public_key());
        let frame = Frame::new(FrameKind::Hello, hello.into_bytes());
        let answer = self.answer(&frame);
        assert_eq!(answer.kind, FrameKind::Welcome);
        let value: serde_json::Value = serde_json::from_slice(&answer.head).unwrap();
        serde_json::from_value(value["said"].clone()).unwrap()
    }

    fn answer(&mut self, frame: &Frame) -> Frame {
        block_on(self.station.answer(frame.clone(), &mut self.log)).unwrap()
    }

    /// The code of the answer, and whether it was signed.
    fn code(&mut self, frame: &Frame) -> (String, bool) {
        let answer = self.answer(frame);
        if answer.kind == FrameKind::No {
            let value: serde_json::Value = serde_json::from_slice(&answer.head).unwrap();
            return (value["code"].as_str().unwrap().to_owned(), false);
        }
        let receipt = if answer.kind == FrameKind::Told {
            clawnet_core::Receipt::read(&answer.head).unwrap()
        } else {
            SignedReceipt::read(&answer.head).unwrap().receipt().clone()
        };
        let code = match receipt.outcome {
            clawnet_core::Reported::Refused { code, .. }
            | clawnet_core::Reported::Failed { code, .. } => code.to_string(),
            clawnet_core::Reported::Done => "done".into(),
            clawnet_core::Reported::Interrupted => "interrupted".into(),
        };
        (code, answer.kind == FrameKind::Signed)
    }

    fn refuses(&mut self, frame: &Frame, code: &str) {
        let (got, _) = self.code(frame);
        assert_eq!(got, code);
    }
}

/// The same directive with something else in it, signed by the kernel's key: what only a kernel that
/// is out of order would say.
fn resigned(frame: &Frame, change: &dyn Fn(&mut Directive)) -> Frame {
    signed_by(&kernel_key(), frame, change)
}

fn signed_by(key: &SoftwareKey, frame: &Frame, change: &dyn Fn(&mut Directive)) -> Frame {
    let signed = clawnet_core::SignedDirective::read(&frame.head).unwrap();
    let mut directive = signed.directive().clone();
    change(&mut directive);
    let signature = block_on(key.sign(&directive.statement())).unwrap();
    let said = serde_json::to_string(&directive).unwrap();
    let head = format!(r#"{{"said":{said},"signature":"{signature}"}}"#).into_bytes();
    Frame { head, ..frame.clone() }
}

fn write() -> Write {
    Write::new(path("a"), "by an agent")
}

#[test]
fn what_is_due_is_done_once() {
    let mut far = Far::new();
    let mut bench = Bench::of(&mut far, &write());
    let due = bench.due.clone();
    assert_eq!(bench.code(&due), ("done".to_owned(), true));
    far.work.write("a", "by hand").unwrap();
    let first = bench.answer(&due);
    assert_eq!(bench.code(&due), ("done".to_owned(), true));
    assert_eq!(bench.answer(&due), first);
    // Even when it is over, and after a restart: the stored receipt, and no effect.
    far.clock.advance(Duration::from_hours(1));
    assert_eq!(bench.answer(&due), first);
    drop(bench);
    let mut bench =
        Bench { station: far.station().unwrap(), due: due.clone(), log: Log::default() };
    assert_eq!(bench.answer(&due), first);
    bench.hello();
    assert_eq!(bench.answer(&due), first);
    assert_eq!(far.work.read_to_string("a").unwrap(), "by hand");
}

#[test]
fn what_is_not_the_kernels_is_refused() {
    let mut far = Far::new();
    let mut bench = Bench::of(&mut far, &write());
    let due = bench.due.clone();
    let thief = SoftwareKey::from_secret(&[66; 32]);
    bench.refuses(&signed_by(&thief, &due, &|_| ()), "bad_signature");
    let own = |directive: &mut Directive| directive.kernel = thief.public_key();
    bench.refuses(&signed_by(&thief, &due, &own), "unknown_kernel");
    let node = |directive: &mut Directive| directive.node = thief.public_key();
    bench.refuses(&resigned(&due, &node), "other_node");
    let owner = |directive: &mut Directive| directive.owner = thief.public_key().owner();
    bench.refuses(&resigned(&due, &owner), "unknown_owner");
    let hello = format!(r#"{{"kernel":"{}"}}"#, thief.public_key());
    bench.refuses(&Frame::new(FrameKind::Hello, hello.into_bytes()), "unknown_kernel");
    bench.refuses(&Frame { content: b"by an agenT".to_vec(), ..due.clone() }, "other_content");
    bench.refuses(&Frame { content: Vec::new(), ..due.clone() }, "other_content");
    for kind in [FrameKind::Welcome, FrameKind::Told, FrameKind::Signed, FrameKind::No] {
        bench.refuses(&Frame { kind, ..due.clone() }, "not_a_question");
    }
    assert!(!far.work.exists("a"));
    assert_eq!(bench.code(&due), ("done".to_owned(), true));
}

/// What came beside a directive is not signed: whoever changes it on the way is not given the
/// node's word that nothing will be done.
#[test]
fn what_was_refused_with_a_signature_is_never_done() {
    let mut far = Far::new();
    let mut bench = Bench::of(&mut far, &write());
    let due = bench.due.clone();
    let other = Frame { content: b"by somebody".to_vec(), ..due.clone() };
    let (code, signed) = bench.code(&other);
    assert_eq!(code, "other_content");
    let done = bench.code(&due).0 == "done";
    assert!(!(signed && done), "signed as refused, and done all the same");
}

#[test]
fn what_is_stale_early_or_out_of_order_is_refused() {
    let mut far = Far::new();
    far.work.write("r", "x").unwrap();
    let mut bench = Bench::of(&mut far, &Read::of(path("r")));
    let due = bench.due.clone();
    let signed = clawnet_core::SignedDirective::read(&due.head).unwrap();
    let number = signed.directive().number;
    let numbered = |number| resigned(&due, &move |directive| directive.number = number);
    let session = |directive: &mut Directive| directive.session = Digest::ZERO;
    bench.refuses(&resigned(&due, &session), "other_session");
    assert_eq!(bench.code(&numbered(number + 5)).0, "done");
    // Not this one again, nor one that was overtaken.
    bench.refuses(&numbered(number + 5), "replayed");
    bench.refuses(&due, "replayed");
    assert_eq!(bench.code(&numbered(number + 6)).0, "done");
    let later = |by: u64| {
        resigned(&numbered(number + 7), &move |directive| {
            directive.issued_at = Timestamp::from_millis(START + by);
            directive.expires_at = Timestamp::from_millis(START + by + 10_000);
        })
    };
    bench.refuses(&later(5_001), "not_yet");
    let long = |directive: &mut Directive| {
        directive.expires_at = directive.issued_at.after(Duration::from_secs(61));
    };
    bench.refuses(&resigned(&numbered(number + 7), &long), "valid_too_long");
    far.clock.advance(Duration::from_secs(10));
    bench.refuses(&numbered(number + 7), "expired");
    assert_eq!(bench.code(&later(10_000)).0, "done");
}

#[test]
fn what_the_kernel_does_not_mean_is_refused() {
    let mut far = Far::new();
    let mut bench = Bench::of(&mut far, &Stat::of(path("a")));
    let due = bench.due.clone();
    // A kernel that signs what its own operations would not say: digests agree, and yet.
    let said = |kind: &str, operation: &str, number: u64| {
        let (kind, operation) = (kind.to_owned(), operation.to_owned());
        resigned(&due, &move |directive| {
            directive.number += number;
            directive.kind.clone_from(&kind);
            directive.operation = serde_json::from_str(&operation).unwrap();
            directive.digest = digest_of(directive);
        })
    };
    bench.refuses(&said("fs.format", r#"{"path":"fs:/work/a"}"#, 0), "unknown_kind");
    bench.refuses(&said("fs.stat", r#"{"path":"fs:/work/a","root":"/"}"#, 1), "other_operation");
    bench.refuses(&said("fs.stat", r#"{"path":"fs:/work/../a"}"#, 2), "other_operation");
    bench.refuses(&said("fs.stat", "{}", 3), "other_operation");
    // It would be read as one with an offset of 0, which is not what was signed.
    bench.refuses(&said("fs.read", r#"{"path":"fs:/work/a"}"#, 4), "other_operation");
    bench.refuses(&said("fs.stat", r#"{"path":"fs:/work/a"}"#, 5), "not_found");
    bench.refuses(&said("fs.stat", r#"{"path":"fs:/etc/passwd"}"#, 6), "not_whitelisted");
    bench.refuses(&said("fs.stat", r#"{"path":"fs:/work/.env"}"#, 7), "protected_name");
}

/// As the core computes it: no content.
fn digest_of(directive: &Directive) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("clawnet 2026 operation v1");
    let operation = directive.operation.as_str();
    for part in [&directive.kind, &directive.mount, operation, ""] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

#[test]
fn without_a_session_nothing_is_done() {
    let mut far = Far::new();
    let due = Bench::of(&mut far, &write()).due;
    let mut bench = Bench { station: far.station().unwrap(), due, log: Log::default() };
    let due = bench.due.clone();
    bench.refuses(&due, "no_session");
    assert!(!far.work.exists("a"));
}

#[test]
fn every_flipped_bit_of_a_frame_is_refused() {
    let mut far = Far::new();
    let mut bench = Bench::of(&mut far, &write());
    let (due, before) = (bench.due.to_bytes(), far.own_records());
    let mut parsed = 0;
    for at in 0..due.len() * 8 {
        let mut flipped = due.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let (header, rest) = flipped.split_first_chunk().unwrap();
        let Ok(frame) = Frame::read(header, rest) else { continue };
        parsed += 1;
        let answer = bench.answer(&frame);
        assert!(matches!(answer.kind, FrameKind::No | FrameKind::Signed), "bit {at}");
        assert!(!far.work.exists("a"), "bit {at}");
    }
    assert!(parsed > due.len() * 4, "{parsed}");
    assert_eq!(far.own_records(), before);
    let due = bench.due.clone();
    bench.resume();
    assert_eq!(bench.code(&due).0, "other_session");
    let due = bench.due.clone();
    assert_eq!(bench.code(&due).0, "done");
}
