//! A kernel in this process, a node in another, and what can go wrong between them.
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use clawnet_core::{Kernel, LocalStore, Owner, PublicKey, Signer};
use clawnet_fs::{Frame, FsPath, Read, Undo, Write};
use futures::executor::block_on;

use crate::{
    config::{self, Keys},
    kernel::{Desk, Tap},
};

pub(crate) fn run() -> Result<()> {
    let home = tempfile::tempdir()?;
    block_on(tell(home.path()))
}

async fn tell(home: &Path) -> Result<()> {
    let desk = Desk::open().await?;
    let work = home.join("work");
    fs::create_dir(&work)?;
    fs::write(work.join("q3.md"), "by hand")?;
    config::init(home)?;
    let pins = serde_json::json!({ "pins": [{ "kernel": desk.key, "owner": desk.owner.id() }] });
    fs::write(home.join("edge.json"), pins.to_string())?;
    let work = work.display().to_string();
    let folder = format!("name = \"/work\"\npath = {work:?}\nmode = \"read-write\"");
    let list = format!("format = 1\n[[folder]]\n{folder}\n[end]\n");
    fs::write(home.join(config::LIST_DIRECTORY).join(config::LIST), list)?;
    let node = Keys::read(home)?.node.public_key();
    let mut process = start(home)?;
    let told = go_wrong(home, &desk, node).await;
    stop(&mut process)?;
    told?;
    println!("\nthe kernel's ledger                      here");
    records(&desk.owner).await?;
    println!("\nthe node's own ledger                    there");
    let (store, _) = LocalStore::open(&home.join("state/ledger"))?;
    let operator = Keys::read(home)?.operator;
    let governing = Kernel::governing(operator.public_key());
    let kernel = governing.open(store, || SystemTime::now().into()).await?;
    records(&kernel.owner(operator).await?).await?;
    ensure!(kernel.verify().await?.damage.is_none(), "the node's ledger does not verify");
    ensure!(desk.kernel.verify().await?.damage.is_none(), "the kernel's ledger does not verify");
    println!("\nboth verify");
    Ok(())
}

async fn go_wrong(home: &Path, desk: &Desk, node: PublicKey) -> Result<()> {
    let socket = home.join("edge.sock");
    let tap = Tap::connect(&socket)?;
    let edge = desk.kernel.mount("edge", tap.pair(node, desk.key)?);
    let welcome = edge.endpoint().welcome().context("no welcome")?;
    println!("paired: {}, {}", welcome.confinement, welcome.kinds.join(" "));
    let path: FsPath = "/work/q3.md".parse()?;
    let content = || fs::read_to_string(home.join("work/q3.md"));

    let read = desk.ask(&edge, &Read::of(path.clone())).await.map_err(anyhow::Error::msg)?;
    say("read", &format!("{:?}", read.content.as_text().unwrap_or_default()));
    let write = Write::new(path.clone(), "by an agent");
    let written = desk.ask(&edge, &write).await.map_err(anyhow::Error::msg)?;
    say("write", &format!("{:?}, signed receipt kept", content()?));
    let change = tap.last().context("nothing was sent")?;
    let needs = serde_json::json!([{ "action": "write", "path": path }]);
    let undo = serde_json::json!({ "intent": written.intent, "needs": needs });
    let undo: Undo = serde_json::from_value(undo)?;
    desk.ask(&edge, &undo).await.map_err(anyhow::Error::msg)?;
    say("undo", &format!("{:?}", content()?));
    let secret = desk.ask(&edge, &Write::new("/work/.env".parse()?, "TOKEN=1")).await;
    say("veto by the node's own list", &format!("{:?}", secret.err()));

    let again = tap.say(&change)?;
    ensure!(content()? == "by hand", "a replay had an effect");
    let stored = again.contains(r#""outcome":"done""#);
    say("the change replayed", &format!("the old receipt again: {stored}, {:?}", content()?));
    let mut bytes = change.to_bytes();
    if let Some(digit) = bytes.iter_mut().rev().nth(b"by an agent\"}".len() + 3) {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    let (header, rest) = bytes.split_first_chunk().context("no frame")?;
    say("a forged directive", &tap.say(&Frame::read(header, rest)?)?);
    drop(desk.ask(&edge, &Read::of(path.clone())).await.map_err(anyhow::Error::msg)?);
    let look = tap.last().context("nothing was sent")?;
    let refused = tap.say(&look)?;
    say("a look replayed", if refused.contains("replayed") { "replayed" } else { &refused });
    let noticed = desk.ask(&edge, &Read::of(path.clone())).await;
    say("the kernel notices the stranger", &format!("{:?}", noticed.err()));
    let down = desk.ask(&edge, &Read::of(path.clone())).await;
    say("without a link", &format!("{:?}", down.err()));
    drop(tap);
    let tap = Tap::connect(&socket)?;
    say("the kernel gone, no session", &tap.say(&look)?);
    edge.endpoint().reconnect(Box::new(tap))?;
    let read = desk.ask(&edge, &Read::of(path)).await.map_err(anyhow::Error::msg)?;
    say("a new session", &format!("{:?}", read.content.as_text().unwrap_or_default()));
    Ok(())
}

fn say(what: &str, came: &str) {
    println!("{what:<36} {came}");
}

/// Starts the node, and waits until it listens.
fn start(home: &Path) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").arg(home).stdout(Stdio::piped());
    let mut process = command.spawn()?;
    let mut lines = BufReader::new(process.stdout.take().context("no output")?);
    let mut line = String::new();
    while !line.starts_with("opened") {
        line.clear();
        ensure!(lines.read_line(&mut line)? > 0, "the node did not start");
        print!("  node: {line}");
    }
    std::thread::spawn(move || {
        lines.lines().map_while(Result::ok).for_each(|line| println!("  node: {line}"));
    });
    Ok(process)
}

/// Asks the node to end, as a service manager would.
fn stop(process: &mut Child) -> Result<()> {
    let id = rustix::process::Pid::from_child(process);
    rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
    let status = process.wait()?;
    ensure!(status.success(), "the node ended with {status}");
    Ok(())
}

async fn records(owner: &Owner) -> Result<()> {
    for record in owner.records(1, 1000).await? {
        let line: String = record.to_string().chars().take(132).collect();
        println!("  {line}");
    }
    Ok(())
}
