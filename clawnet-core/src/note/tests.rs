//! Against published notes, and against another implementation.
use super::*;

mod oracle;

/// The example of Go's `golang.org/x/mod/sumdb/note`, which defined the form first.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TWO_SIGN: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6\
        KE6RyyBwJnAM=\n\
    — EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WW\
        d1RvMc+QQ=\n";
/// The test vector of C2SP `signed-note`.
const FOO: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const FOO_SIGNS: &str = "This is an example message.\n\n\
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuw\
        HjG1Yu72IneyaQM=\n";
/// The example of C2SP `tlog-cosignature`.
const WITNESSED: &str = "example.com/behind-the-sofa\n\
    20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
    \n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q\
        1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2o\
        yin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

fn key(secret: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[secret; 32])
}

fn signed(size: u64) -> SignedCheckpoint {
    let root = TreeHash::from_bytes([size.to_le_bytes()[0]; 32]);
    SignedCheckpoint::sign(Checkpoint::of(key(1).public_key().owner(), size, root), &key(2))
}

fn seconds(time: u64) -> Timestamp {
    Timestamp::from_millis(time * 1000)
}

/// What reading the note and verifying it under the kernel's key comes to.
fn check(text: &str, expect: Result<(), NoteError>) {
    let read = text.parse::<SignedCheckpoint>();
    assert_eq!(read.and_then(|note| note.verify(&key(2).public_key())), expect, "{text}");
}

#[test]
fn published_notes_verify_under_their_published_keys() {
    let check = |note: &str, key: &str| {
        let (text, lines) = split(note).unwrap();
        let read: VerifierKey = key.parse().unwrap();
        assert_eq!(read.to_string(), key);
        assert_eq!(read.verify(text, &lines), Ok(()), "{key}");
        let shorter = text.get(1..).unwrap();
        assert_eq!(read.verify(shorter, &lines), Err(NoteError::BadSignature), "{key}");
        let written: String = lines.iter().map(Line::to_string).collect();
        assert_eq!(format!("{text}\n{written}"), note);
    };
    check(TWO_SIGN, PETER);
    check(TWO_SIGN, ENOCH);
    check(FOO_SIGNS, FOO);
    let (text, lines) = split(FOO_SIGNS).unwrap();
    let peter: VerifierKey = PETER.parse().unwrap();
    assert_eq!(peter.verify(text, &lines), Err(NoteError::Unsigned));
}

#[test]
fn a_published_key_signs_the_published_signature() {
    let secret = base64::decode(PETER_SECRET).unwrap();
    let key = SoftwareKey::from_secret(secret[1..].try_into().unwrap());
    let peter: VerifierKey = PETER.parse().unwrap();
    assert_eq!((peter.name(), peter.key()), ("PeterNeumann", &key.public_key()));
    let (text, lines) = split(TWO_SIGN).unwrap();
    assert_eq!(lines[0].signature, key.sign_now(text.as_bytes()).as_bytes());
}

#[test]
fn the_published_checkpoint_is_read_and_written() {
    let note: SignedCheckpoint = WITNESSED.parse().unwrap();
    let Checkpoint { origin, size, root } = note.checkpoint();
    assert_eq!((origin.as_str(), *size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(base64::encode(root.as_bytes()), "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=");
    assert_eq!((note.to_string().as_str(), note.checkpoint().owner()), (WITNESSED, None));
    assert_eq!(note.signatures[1].signature[..8], 1_679_315_147_u64.to_be_bytes());
    assert!(note.cosigned_text(1_679_315_147).starts_with(
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYap"
    ));
}

#[test]
fn a_verifier_key_has_one_form() {
    let check = |text: &str| {
        assert_eq!(text.parse::<VerifierKey>(), Err(NoteError::NotAVerifierKey), "{text}");
    };
    for (from, to) in
        (0..PETER.len()).flat_map(|from| (from..=PETER.len()).map(move |to| (from, to)))
    {
        if (from, to) != (0, PETER.len()) {
            check(&PETER[from..to]);
        }
    }
    for at in 0..PETER.len() {
        let mut bytes = PETER.as_bytes().to_vec();
        bytes[at] += 1;
        check(std::str::from_utf8(&bytes).unwrap());
    }
    check(&PETER.replace("c74f20a3", "C74F20A3"));
    check(&format!("{PETER}\n"));
    // A key for cosignatures (type 4), of the tests of transparency-dev/formats.
    check("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2");
    for name in ["", "a b", "a\u{a0}b", "a+b", "a\nb", "a\u{1}b"] {
        assert_eq!(VerifierKey::new(name, key(1).public_key()), Err(NoteError::Name), "{name}");
    }
}

#[test]
fn a_checkpoint_is_the_log_s_word_under_its_own_name() {
    let note = signed(7);
    assert_eq!(note.checkpoint().owner(), Some(key(1).public_key().owner()));
    assert_eq!(note.verify(&key(2).public_key()), Ok(()));
    assert_eq!(note.verify(&key(1).public_key()), Err(NoteError::Unsigned));
    let text = note.to_string();
    check(&text, Ok(()));
    check(&text.replace("\n7\n", "\n8\n"), Err(NoteError::BadSignature));
    let other = key(3).public_key().owner().to_string();
    let owner = key(1).public_key().owner().to_string();
    check(&text.replace(&owner, &other), Err(NoteError::Unsigned));
    check(&text.replacen(&owner, &other, 1), Err(NoteError::Unsigned));
}

#[test]
fn every_flipped_bit_of_a_note_is_refused() {
    let text = signed(7).to_string();
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let read = text.parse::<SignedCheckpoint>();
            assert!(read.is_err() || read.unwrap().verify(&key(2).public_key()).is_err(), "{text}");
        }
    }
}

#[test]
fn name_and_key_id_together_tell_whose_a_line_is() {
    let note = signed(7);
    let (name, id) = (note.signatures[0].name.clone(), note.signatures[0].id);
    let [a, b, c, d] = id;
    let with = |line: Line| SignedCheckpoint { signatures: vec![line], ..note.clone() };
    let genuine = || note.signatures[0].clone();
    let elsewhere = with(Line { id: [a, b, c, !d], ..genuine() });
    assert_eq!(elsewhere.verify(&key(2).public_key()), Err(NoteError::Unsigned));
    let named = with(Line { name: "other".into(), ..genuine() });
    assert_eq!(named.verify(&key(2).public_key()), Err(NoteError::Unsigned));
    // A line that says it is the key's has to be, whatever stands beside it.
    for signature in [vec![1], vec![1; 63], vec![1; 64], vec![1; 65]] {
        let forged = Line { name: name.clone(), id, signature };
        let both = |lines| SignedCheckpoint { signatures: lines, ..note.clone() };
        let refused = Err(NoteError::BadSignature);
        let public = key(2).public_key();
        assert_eq!(both(vec![forged.clone(), genuine()]).verify(&public), refused);
        assert_eq!(both(vec![genuine(), forged]).verify(&public), refused);
    }
}

#[test]
fn signatures_of_strangers_are_kept_and_ignored() {
    let mut text = signed(7).to_string();
    text.push_str("— stranger AAAAAAE=\n");
    text.push_str("— another/sort kQAAAP//////////\n");
    check(&text, Ok(()));
    let name = signed(7).checkpoint().origin.clone();
    let text = format!("{text}— {name} AAAAAAE=\n");
    check(&text, Ok(()));
    assert_eq!(text.parse::<SignedCheckpoint>().unwrap().to_string(), text);
}

#[test]
fn a_note_has_one_form() {
    let text = signed(7).to_string();
    let not = |text: &str| check(text, Err(NoteError::NotANote));
    for bad in ["", "\n", "\n\n", "\n\n\n", "a", "a\n\n", "a\n\n\n"] {
        not(bad);
    }
    not(text.trim_end());
    not(&format!("{text}\n"));
    not(&format!("{text} "));
    not(&text.replace("\n\n", "\n"));
    not(&text.replace("\n\n", "\r\n\r\n"));
    not(&text.replace('7', "\t7"));
    not(&text.replace("\u{2014} ", "- "));
    not(&text.replace("\u{2014} ", "\u{2014}  "));
    not(&text.replace("\u{2014} ", "\u{2014} na+me"));
    not(&text.replace("\u{2014} ", "\u{2014} na\u{a0}me"));
    not(&text.replace("==\n", "=\n").replace("=\n", "\n"));
    not(&format!("{text}\u{2014} name AAAAAA==\n"));
    not(&format!("{text}\u{2014} name AAAAAAF=\n"));
    not(&format!("{text}\u{2014} name \n"));
    not(&format!("{text}\u{2014} name\n"));
    not(&format!("{text}\u{2014}  AAAAAAE=\n"));
    not(&format!("{text}name AAAAAAE=\n"));
}

#[test]
fn a_checkpoint_is_three_lines_in_their_one_form() {
    let text = signed(7).to_string();
    let origin = signed(7).checkpoint().origin.clone();
    let not = |text: &str| check(text, Err(NoteError::NotACheckpoint));
    for size in ["", "07", "+7", "-7", "7 ", " 7", "0x7", "7.0", "18446744073709551616"] {
        not(&text.replace("\n7\n", &format!("\n{size}\n")));
    }
    not(&text.replace("\n7\n", "\n"));
    not(&text.replace("\n\n", "\nextension\n\n"));
    not(&text.replace("\n\n", "\n\n\n"));
    not(&text.replace("=\n\n", "\n\n"));
    not(&text.replace("=\n\n", "==\n\n"));
    not(&text.replacen(&origin, "", 1));
    not(&text.replacen(&origin, "a log", 1));
    not(&text.replacen(&origin, "a+log", 1));
    let largest = signed(u64::MAX);
    assert_eq!(largest.to_string().parse::<SignedCheckpoint>().unwrap(), largest);
    check(&signed(0).to_string(), Ok(()));
}

#[test]
fn a_note_is_bounded() {
    let line = |n: usize| format!("\u{2014} w{n} AAAAAAE=\n");
    let text = signed(7).to_string();
    let full: String = (1..16).map(line).collect();
    check(&format!("{text}{full}"), Ok(()));
    check(&format!("{text}{full}{}", line(16)), Err(NoteError::TooLarge));
    let name = |length: usize| format!("{text}\u{2014} {} AAAAAAE=\n", "n".repeat(length));
    let most = NOTE_BYTES_MAX - name(0).len();
    check(&name(most), Ok(()));
    check(&name(most + 1), Err(NoteError::TooLarge));
    let full: SignedCheckpoint = format!("{text}{full}").parse().unwrap();
    assert_eq!(full.cosign(&key(3), "w16", seconds(5)), Err(NoteError::TooLarge));
    assert_eq!(signed(7).cosign(&key(3), &"n".repeat(most), seconds(5)), Err(NoteError::TooLarge));
}

#[test]
fn a_cosignature_tells_when_and_by_whom() {
    let public = key(3).public_key();
    let at = Timestamp::from_millis(1_679_315_147_999);
    let note = signed(7).cosign(&key(3), "witness/w1", at).unwrap();
    assert_eq!(note.to_string().parse(), Ok(note.clone()));
    assert_eq!(note.verify(&key(2).public_key()), Ok(()), "the log's line stays");
    assert_eq!(note.cosigned("witness/w1", &public), Ok(seconds(1_679_315_147)));
    assert_eq!(note.cosigned("witness/w2", &public), Err(NoteError::Unsigned));
    assert_eq!(note.cosigned("witness/w1", &key(4).public_key()), Err(NoteError::Unsigned));
    // The same key and name, but as a log: another kind of line.
    let log = VerifierKey::new("witness/w1", public).unwrap();
    let said = log.verify(&note.checkpoint().body(), &note.signatures);
    assert_eq!(said, Err(NoteError::Unsigned));
    let moved = SignedCheckpoint { checkpoint: signed(8).checkpoint, ..note.clone() };
    assert_eq!(moved.cosigned("witness/w1", &public), Err(NoteError::BadSignature));
    for bit in 0..72 * 8 {
        let mut flipped = note.clone();
        flipped.signatures[1].signature[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(flipped.cosigned("witness/w1", &public), Err(NoteError::BadSignature));
    }
    for length in [0, 7, 8, 71, 73] {
        let mut resized = note.clone();
        resized.signatures[1].signature.resize(length, 0);
        assert_eq!(resized.cosigned("witness/w1", &public), Err(NoteError::BadSignature));
    }
    let again = note.clone().cosign(&key(3), "witness/w1", seconds(5)).unwrap();
    assert_eq!(again.signatures.len(), 2, "one key says one thing");
    assert_eq!(again.cosigned("witness/w1", &public), Ok(seconds(5)));
    let mut both = again;
    both.signatures.push(note.signatures[1].clone());
    assert_eq!(both.cosigned("witness/w1", &public), Ok(seconds(1_679_315_147)));
    for name in ["", "a b", "a+b", "a\nb"] {
        assert_eq!(note.clone().cosign(&key(3), name, at), Err(NoteError::Name), "{name}");
    }
}

#[test]
fn a_time_no_ledger_can_hold_is_refused() {
    let id = line::key_id("w", line::COSIGNATURE, &key(3).public_key());
    let most = Timestamp::MAX.as_millis() / 1000;
    for (time, expect) in [(most, Ok(seconds(most))), (most + 1, Err(())), (u64::MAX, Err(()))] {
        let mut note = signed(7);
        let signature = key(3).sign_now(note.cosigned_text(time).as_bytes());
        let signature = [&time.to_be_bytes(), signature.as_bytes().as_slice()].concat();
        note.signatures.push(Line { name: "w".into(), id, signature });
        let expect = expect.map_err(|()| NoteError::BadSignature);
        assert_eq!(note.cosigned("w", &key(3).public_key()), expect, "{time}");
    }
}

#[test]
fn in_json_a_note_is_its_text() {
    let note = signed(7).cosign(&key(3), "w1", seconds(5)).unwrap();
    let json = serde_json::to_string(&note).unwrap();
    assert_eq!(json, serde_json::to_string(&note.to_string()).unwrap());
    assert_eq!(serde_json::from_str::<SignedCheckpoint>(&json).unwrap(), note);
    assert!(serde_json::from_str::<SignedCheckpoint>("\"no\"").is_err());
    let mut canonical = Vec::new();
    crate::canonical::write(&note, &mut canonical).unwrap();
    assert_eq!(canonical, json.as_bytes());
}

#[test]
fn base64_has_one_form() {
    let check = |bytes: &[u8], text: &str| {
        assert_eq!(base64::encode(bytes), text);
        assert_eq!(base64::decode(text).as_deref(), Some(bytes), "{text}");
    };
    // RFC 4648, section 10.
    check(b"", "");
    check(b"f", "Zg==");
    check(b"fo", "Zm8=");
    check(b"foo", "Zm9v");
    check(b"foob", "Zm9vYg==");
    check(b"fooba", "Zm9vYmE=");
    check(b"foobar", "Zm9vYmFy");
    check(&[0xfb, 0xff, 0xbf], "+/+/");
    for bad in [
        "=",
        "==",
        "====",
        "A",
        "A=",
        "A==",
        "A===",
        "Zg",
        "Zg=",
        "Zg===",
        "Zh==",
        "Zm9=",
        "Zm8",
        "Zm9v=",
        "Zm9v====",
        "Zg==Zm9v",
        "Zm9\n",
        "Zm9v\n",
        " Zm9v",
        "Zm 9",
        "-_-_",
        "Zm9\u{e9}",
    ] {
        assert_eq!(base64::decode(bad), None, "{bad}");
    }
}
