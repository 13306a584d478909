//! Any text is refused as a bundle, or is written again byte for byte; and it proves nothing under
//! a key whose secret the fuzzer does not have.
#![no_main]

use clawnet_core::{Bundle, Signer as _, SoftwareKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(bundle) = text.parse::<Bundle>() else { return };
    assert_eq!(bundle.to_string(), text.strip_suffix('\n').unwrap_or(text));
    let founder = SoftwareKey::from_secret(&[7; 32]).public_key();
    assert!(bundle.check(founder).is_err(), "a bundle was forged");
});
