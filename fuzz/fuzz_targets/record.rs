//! Any payload is refused, or reads the same again after being written.
#![no_main]

use clawnet_core::{AuditRecord, Digest, Event, Frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let frame = Frame::new(1, Digest::ZERO, payload.into());
    let Ok(record) = AuditRecord::from_frame(&frame) else { return };
    let text = serde_json::to_string(&record.event).expect("an event that was read can be written");
    let again: Event = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(again, record.event);
});
