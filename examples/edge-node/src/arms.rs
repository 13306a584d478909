//! One arm of the experiment: the same attempts with one wall, the other, or none.
//!
//! `none` and `landlock` act as a node whose layer 2 is forced open would: by plain calls, with what
//! was opened before. `layer2` sends each attempt through a node that no Landlock confines.
use std::{
    fs,
    io::Read as _,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::Command,
};

use anyhow::Result;
use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{Action, Agent, Grant, Kernel, ManualClock, MemoryStore, Mount, Region};
use clawnet_core::{Signer, SoftwareKey};
use clawnet_fs::{Durability, Folders, FsPath, List, Node, Read, Stat, Station, Write};
use futures::executor::block_on;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::wall;

/// What is said of an attempt that layer 2 has no operation for.
pub(crate) const NO_OPERATION: &str = "no such operation";
/// Which operation each of these attempts would be: a node that had it would have to be tried.
const UNSAID: [(&str, &str); 3] = [
    ("run a program", "fs.run"),
    ("make a pipe in the folder", "fs.pipe"),
    ("make a link in the folder", "fs.link"),
];

/// Tries everything in `base`, and prints a line for each: what, and whether it went through.
pub(crate) fn run(arm: &str, base: &Path) -> Result<()> {
    let open = |name: &str| Dir::open_ambient_dir(base.join(name), ambient_authority());
    let (work, outside, moving) = (open("work")?, open("outside")?, open("work/moving")?);
    let mut opened = outside.open("secret")?.into_std();
    fs::rename(base.join("work/moving"), base.join("moved"))?;
    if arm == "layer2" {
        return through_a_node(base, work, open("state")?);
    }
    if arm == "landlock" {
        let level = wall::enter(&[&work, &open("state")?], &[])?;
        anyhow::ensure!(level.is_confined(), "{level}");
    }
    let at = |name: &str| base.join(name);
    let tried = |what: &str, went: bool| println!("{what}\t{went}");
    tried("read /etc/passwd", fs::read("/etc/passwd").is_ok());
    tried("read beside the folder", fs::read(at("outside/secret")).is_ok());
    tried("write beside the folder", fs::write(at("outside/new"), "x").is_ok());
    tried("read through a link that leads out", fs::read(at("work/link")).is_ok());
    tried("list by a handle opened before", outside.entries().is_ok());
    tried("write by a handle that was moved out", moving.write("new", "x").is_ok());
    tried("read a file opened before", opened.read(&mut [0; 1]).is_ok());
    tried("stat beside the folder", fs::metadata(at("outside/secret")).is_ok());
    tried("read by a second name of an outer file", fs::read(at("work/hard")).is_ok());
    tried("write a name that holds secrets", fs::write(at("work/.env"), "x").is_ok());
    tried("run a program", Command::new("/bin/true").status().is_ok());
    let mode = Mode::from_raw_mode(0o600);
    let pipe = mknodat(CWD, at("work/pipe"), FileType::Fifo, mode, 0);
    tried("make a pipe in the folder", pipe.is_ok());
    tried("make a link in the folder", symlink("/etc", at("work/etc")).is_ok());
    tried("write in the folder", fs::write(at("work/new"), "x").is_ok());
    Ok(())
}

fn through_a_node(base: &Path, work: Dir, state: Dir) -> Result<()> {
    let folders = Folders::new().read_write("/work", work)?;
    let node = Node::open(folders, state, Durability::ProcessSafe)?;
    let key = SoftwareKey::from_secret(&[1; 32]);
    let governing = Kernel::governing(key.public_key());
    let kernel = block_on(governing.open(MemoryStore::new(), ManualClock::default()))?;
    let owner = block_on(kernel.owner(key))?;
    let identity = block_on(owner.identity("any"))?;
    // Layer 1 is forced open: what is stopped here, layer 2 stops.
    let all = [Action::Read, Action::List, Action::Write, Action::Delete];
    block_on(owner.grant(identity, Grant::new().allow(all, Region::whole_volume()?)))?;
    let agent = block_on(owner.bind(identity, "any", "here"))?;
    let node = Attempts { agent, node: kernel.mount("node", node) };
    let outside = base.join("outside").display().to_string();
    println!("read /etc/passwd\t{}", node.reads("/etc/passwd"));
    println!("read beside the folder\t{}", node.reads(&format!("{outside}/secret")));
    println!("write beside the folder\t{}", node.writes(&format!("{outside}/new")));
    println!("read through a link that leads out\t{}", node.reads("/work/link"));
    println!("list by a handle opened before\t{}", node.lists(&outside));
    // The path is gone from the folder, and the node keeps no handle below its folders.
    println!("write by a handle that was moved out\t{}", node.writes("/work/moving/new"));
    println!("read a file opened before\t{}", node.reads(&format!("{outside}/secret")));
    println!("stat beside the folder\t{}", node.looks(&format!("{outside}/secret")));
    println!("read by a second name of an outer file\t{}", node.reads("/work/hard"));
    println!("write a name that holds secrets\t{}", node.writes("/work/.env"));
    for (attempt, kind) in UNSAID {
        anyhow::ensure!(!Station::kinds().iter().any(|known| known == kind), "`{kind}` is untried");
        println!("{attempt}\t{NO_OPERATION}");
    }
    println!("write in the folder\t{}", node.writes("/work/new"));
    anyhow::ensure!(fs::metadata(base.join("outside/secret"))?.nlink() == 2, "no second name");
    Ok(())
}

struct Attempts {
    agent: Agent,
    node: Mount<Node>,
}

impl Attempts {
    fn reads(&self, path: &str) -> bool {
        let path = path.parse::<FsPath>().map(Read::of);
        path.is_ok_and(|read| block_on(self.agent.submit(&self.node, &read)).is_ok())
    }

    fn looks(&self, path: &str) -> bool {
        let path = path.parse::<FsPath>().map(Stat::of);
        path.is_ok_and(|stat| block_on(self.agent.submit(&self.node, &stat)).is_ok())
    }

    fn lists(&self, path: &str) -> bool {
        let path = path.parse::<FsPath>().map(List::of);
        path.is_ok_and(|list| block_on(self.agent.submit(&self.node, &list)).is_ok())
    }

    fn writes(&self, path: &str) -> bool {
        let path = path.parse::<FsPath>().map(|path| Write::new(path, "x"));
        path.is_ok_and(|write| block_on(self.agent.submit(&self.node, &write)).is_ok())
    }
}
