//! Any bytes are refused as a directive and as a receipt, or are written again as they were read.
#![no_main]

use clawnet_core::{PublicKey, Receipt, SignedDirective, SignedReceipt, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(receipt) = Receipt::read(bytes) {
        assert_eq!(receipt.to_bytes(), bytes);
    }
    if let Ok(signed) = SignedReceipt::read(bytes) {
        assert_eq!(signed.to_bytes(), bytes);
    }
    if let Ok(signed) = SignedDirective::read(bytes) {
        assert_eq!(signed.to_bytes(), bytes);
        let nobody = PublicKey::from_bytes([0; 32]);
        assert!(signed.verify(&nobody, &nobody, Timestamp::default()).is_err());
    }
});
