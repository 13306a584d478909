//! Any bytes are refused as an export, or hold exactly what would be exported again: imported into a
//! store and opened, the ledger says the same. The first byte chooses the form, and the header is
//! put in front, so that what is fuzzed is behind it.
#![no_main]

use std::io::Cursor;

use clawnet_core::{Import, MemoryStore, Signer as _, SoftwareKey, Store};
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((form, rest)) = bytes.split_first() else { return };
    let founder = SoftwareKey::from_secret(&[7; 32]).public_key();
    let owner = founder.owner();
    let header = match form % 3 {
        0 => format!(r#"{{"export":{{"format":1,"key":"{founder}","ledger":"{owner}"}}}}"#) + "\n",
        _ => String::new(),
    };
    let native = [b"clawledg\x01\0\0\0".as_slice(), founder.as_bytes()].concat();
    let export = match form % 3 {
        0 => [header.as_bytes(), rest].concat(),
        1 => [&native, rest].concat(),
        _ => rest.to_vec(),
    };
    let import = Import::of(founder);
    let verified = import.verify(&*export, |_| ());
    let store = MemoryStore::new();
    let imported = block_on(import.into_store(Cursor::new(&export), &store, |_| ()));
    assert_eq!(verified.is_ok(), imported.is_ok(), "verifying and importing say the same");
    let kept = block_on(store.head(owner)).expect("memory can be read");
    match imported {
        Ok(found) => assert_eq!(kept.sequence, found.found.records),
        Err(_) => assert_eq!(kept.sequence, 0, "nothing is kept of what is not whole"),
    }
});
