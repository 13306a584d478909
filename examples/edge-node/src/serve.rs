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
    config::{Config, Keys, LIST, LIST_DIRECTORY},
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
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, stopped.clone())?;
    }
    become_user(config.uid)?;
    let directory = open(&home.join(LIST_DIRECTORY))?;
    let (mut changed, mut read) = (vec![state.try_clone()?], vec![directory.try_clone()?]);
    let list = Folders::read_from(directory, LIST, ambient_authority())?;
    for (path, changes) in list.places() {
        let confined = if changes { &mut changed } else { &mut read };
        confined.push(open(path)?);
    }
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

/// Prints which identity of the node's own ledger stands for one of another: the list names it.
pub(crate) fn identity(home: &Path, owner: &str, identity: &str) -> Result<ExitCode> {
    let (owner, identity) = (owner.parse()?, identity.parse()?);
    let (config, keys) = (Config::read(home)?, Keys::read(home)?);
    become_user(config.uid)?;
    let open = |name: &str| Dir::open_ambient_dir(home.join(name), ambient_authority());
    let list = Folders::read_from(open(LIST_DIRECTORY)?, LIST, ambient_authority())?;
    let state = open("state")?;
    let node = Node::open(list, state.open_dir("node")?, Durability::PowerSafe)?;
    let keys = (keys, "not serving".to_owned());
    let station = block_on(station(home, (node, Vec::new()), keys, &state))?;
    println!("{}", block_on(station.stands_for(owner, identity))?);
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
