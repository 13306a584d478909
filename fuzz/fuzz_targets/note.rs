//! Any text is refused as a note, or is written again byte for byte; and verifying it never panics.
#![no_main]

use clawnet_core::{PublicKey, SignedCheckpoint, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    let Ok(note) = text.parse::<SignedCheckpoint>() else { return };
    assert_eq!(note.to_string(), text);
    let key = PublicKey::from_bytes([7; 32]);
    assert!(note.verify(&key).is_err(), "nobody signs with a key that is no key");
    _ = note.cosigned("witness", &key);
});
