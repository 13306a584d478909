//! The demo, word for word. `ORCHESTRATOR_TRANSCRIPT=write` writes it anew, to be read before it is
//! kept.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test of a program that works on sockets")]

use std::{env, fs, path::Path, process::Command};

#[test]
fn the_demo_goes_as_told() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo.txt");
    let output = Command::new(env!("CARGO_BIN_EXE_orchestrator")).arg("demo").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    if env::var_os("ORCHESTRATOR_TRANSCRIPT").is_some() {
        fs::write(&path, &found).unwrap();
        return;
    }
    assert_eq!(found, fs::read_to_string(&path).unwrap());
}
