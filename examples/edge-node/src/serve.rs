//! The node process: everything opened, then the wall, then the first thread and the first directive.
use std::{
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{Kernel, LocalStore, Signer, SoftwareKey};
use clawnet_fs::{Durability, Folders, Heard, Node, Pin, Post, Station, UnixLink, Watch};
use futures::executor::block_on;

use crate::{
    config::{Config, Keys},
    door::{accept, become_user, listen},
    wall::{self, Level},
};

pub(crate) fn run(home: &Path, unconfined: bool) -> Result<ExitCode> {
    let (config, keys) = (Config::read(home)?, Keys::read(home)?);
    let listener = listen(&home.join("edge.sock"), config.uid)?;
    let open = |path: &Path| {
        let opened = Dir::open_ambient_dir(path, ambient_authority());
        opened.with_context(|| format!("`{}`", path.display()))
    };
    let state = open(&home.join("state"))?;
    let (mut list, mut changed, mut read) = (Folders::new(), vec![state.try_clone()?], Vec::new());
    for (name, folder) in &config.folders {
        let dir = open(&folder.path)?;
        let confined = if folder.read_only { &mut read } else { &mut changed };
        confined.push(dir.try_clone()?);
        list =
            if folder.read_only { list.read_only(name, dir)? } else { list.read_write(name, dir)? };
    }
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, stopped.clone())?;
    }
    become_user(config.uid)?;
    let level = if unconfined { None } else { Some(enter(&changed, &read)?) };
    let confinement = level.as_ref().map_or_else(|| "unconfined".to_owned(), Level::to_string);
    println!("node {} {confinement}", keys.node.public_key());
    if level.is_some_and(|level| !level.is_confined()) {
        eprintln!("edge-node: this system has no Landlock, and `--unconfined` was not said.");
        return Ok(ExitCode::from(3));
    }
    let node = Node::open(list, state.open_dir("node")?, Durability::PowerSafe)?;
    println!("opened {:?}", node.recovered());
    let pins = config.pins.iter().map(|pin| Pin { kernel: pin.kernel, owner: pin.owner });
    let pins = pins.collect();
    let mut station = block_on(station(home, (node, pins), (keys, confinement), &state))?;
    let mut log = Log { stopped };
    while !log.stops() {
        let Some(stream) = accept(&listener)? else { continue };
        block_on(station.serve(&mut UnixLink::new(stream), &mut log))?;
    }
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn enter(changed: &[Dir], read: &[Dir]) -> Result<Level> {
    let changed: Vec<&dyn std::os::fd::AsFd> = changed.iter().map(|dir| dir as _).collect();
    let read: Vec<&dyn std::os::fd::AsFd> = read.iter().map(|dir| dir as _).collect();
    wall::enter(&changed, &read)
}

/// The first threads start here, behind the wall: the ledger's.
async fn station(
    home: &Path,
    (node, pins): (Node, Vec<Pin>),
    (keys, confinement): (Keys, String),
    state: &Dir,
) -> Result<Station> {
    let (store, opened) = LocalStore::open(&home.join("state/ledger"))?;
    ensure!(opened.damage.is_none(), "the node's ledger is damaged: {:?}", opened.damage);
    let clock = || SystemTime::now().into();
    let governing = Kernel::governing(keys.operator.public_key());
    let kernel = governing.open(store, clock).await?;
    let owner = kernel.owner(keys.operator).await?;
    let (key, durability): (SoftwareKey, _) = (keys.node, Durability::PowerSafe);
    let post = Post { kernel, owner, node, key, pins, confinement, durability };
    Ok(Station::open(post, &state.open_dir("station")?, clock).await?)
}

/// One line on standard output for everything that is heard.
struct Log {
    stopped: Arc<AtomicBool>,
}

impl Watch for Log {
    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Welcomed(kernel) => println!("session with {kernel}"),
            Heard::Told { number, kind, code } => println!("directive {number} {kind}: {code}"),
            Heard::Refused(code) => println!("refused: {code}"),
            Heard::Alone => println!("the kernel is gone: nothing is done until it is back"),
            _ => println!("heard something new"),
        }
    }

    fn stops(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
