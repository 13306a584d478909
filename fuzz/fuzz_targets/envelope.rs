//! Any bytes are refused as a message between kernels, or are written again as they were read.
#![no_main]

use clawnet_net::{Address, Envelope, SessionId, To};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::decode(bytes) {
        assert_eq!(envelope.encode().as_deref(), Ok(bytes));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(to) = text.parse::<To>() {
        assert_eq!(to.to_string(), text);
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string(), text);
    }
    if let Ok(session) = text.parse::<SessionId>() {
        assert_eq!(session.to_string(), text);
    }
});
