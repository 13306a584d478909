//! Any JSON is refused, or reads the same again after being written.
#![no_main]

use clawnet_core::Grant;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(grant) = serde_json::from_slice::<Grant>(bytes) else { return };
    let text = serde_json::to_vec(&grant).expect("a grant that was read can be written");
    assert_eq!(serde_json::from_slice::<Grant>(&text).expect("and read"), grant);
});
