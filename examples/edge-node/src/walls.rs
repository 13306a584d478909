//! What each wall stops, with the other one forced open: measured, in processes of their own.
use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// Prints the table.
pub(crate) fn run() -> Result<()> {
    let arms = ["none", "layer2", "landlock"];
    let [none, layer2, landlock] = arms.map(arm);
    let (none, layer2, landlock) = (none?, layer2?, landlock?);
    println!("{:<40} {:<9} {:<18} landlock", "attempt", "no wall", "layer 2");
    for (attempt, went) in &none {
        let of = |arm: &[(String, String)]| {
            let found = arm.iter().find(|(other, _)| other == attempt);
            found.map_or_else(|| "untried".to_owned(), |(_, went)| went.clone())
        };
        println!("{attempt:<40} {went:<9} {:<18} {}", of(&layer2), of(&landlock));
    }
    Ok(())
}

/// One arm, in a fresh place and a fresh process.
fn arm(arm: &str) -> Result<Vec<(String, String)>> {
    let base = tempfile::tempdir()?;
    set_up(base.path())?;
    let own = std::env::current_exe()?;
    let output = Command::new(own).arg("walls-arm").arg(arm).arg(base.path()).output()?;
    let told = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "the arm `{arm}` failed: {told}");
    let lines = String::from_utf8(output.stdout)?;
    let read = |line: &str| {
        let (attempt, went) = line.split_once('\t').context("no result")?;
        let went = match went {
            "true" => "through",
            "false" => "stopped",
            said => said,
        };
        Ok((attempt.to_owned(), went.to_owned()))
    };
    lines.lines().map(read).collect()
}

fn set_up(base: &Path) -> Result<()> {
    for name in ["work", "work/moving", "outside", "state"] {
        fs::create_dir(base.join(name))?;
    }
    fs::write(base.join("outside/secret"), "secret")?;
    symlink("../outside/secret", base.join("work/link"))?;
    fs::hard_link(base.join("outside/secret"), base.join("work/hard"))?;
    Ok(())
}
