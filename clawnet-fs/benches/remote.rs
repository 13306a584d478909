//! What a node on the other side of a Unix socket costs, beside an echo of the same bytes.
#![expect(clippy::print_stdout, reason = "prints what it measures")]
#![expect(clippy::disallowed_methods, reason = "it measures time and opens folders")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant, SystemTime},
};

use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{
    Action, Agent, Grant, Kernel, MemoryStore, Mount, Owner, Region, Signer, SoftwareKey,
};
use clawnet_fs::{
    Durability, Folders, Heard, Node, Pairing, Pin, Post, Read, RemoteNode, Station, UnixLink,
    Watch, Write,
};
use futures::executor::block_on;

const ROUNDS: usize = 40;
const EACH: u32 = 250;
/// About as long as a signed directive for a read, and its receipt with the frame's header.
const QUESTION: usize = 1000;
const ANSWER: usize = 4096 + 900;

fn main() {
    let base = tempfile::Builder::new().tempdir_in(place()).unwrap();
    let top = Dir::open_ambient_dir(base.path(), ambient_authority()).unwrap();
    for name in ["work", "state", "station"] {
        top.create_dir(name).unwrap();
    }
    top.write("work/file", vec![b'x'; 4096]).unwrap();
    let (_kernel, owner, agent, edge) = remote(&top);
    let mut echo = echo();
    let read = Read::of("/work/file".parse().unwrap());
    let (mut reads, mut echoes) = (Vec::new(), Vec::new());
    let mut bytes = vec![0; ANSWER];
    for _ in 0..ROUNDS {
        reads.push(timed(|| drop(block_on(agent.submit(&edge, &read)).unwrap())));
        echoes.push(timed(|| {
            echo.write_all(&[7; QUESTION]).unwrap();
            echo.read_exact(&mut bytes).unwrap();
        }));
    }
    let (read, echo) = (median(reads), median(echoes));
    println!("remote_read_4k {:.1} us", read * 1e6);
    println!("remote_echo_4k {:.1} us", echo * 1e6);
    println!("remote_ratio {:.2} x", read / echo);
    let mut writes = Vec::new();
    for round in 0..40_u8 {
        let write = Write::new("/work/file".parse().unwrap(), vec![round; 4096]);
        let begun = Instant::now();
        block_on(agent.submit(&edge, &write)).unwrap();
        writes.push(begun.elapsed().as_secs_f64());
    }
    println!("remote_write_4k {:.1} us", median(writes) * 1e6);
    drop(owner);
}

/// Memory, where there is some.
fn place() -> std::path::PathBuf {
    let shared = std::path::PathBuf::from("/dev/shm");
    if shared.is_dir() { shared } else { std::env::temp_dir() }
}

fn timed(mut once: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..EACH).for_each(|_| once());
    begun.elapsed().as_secs_f64() / f64::from(EACH)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

struct Deaf;

impl Watch for Deaf {
    fn heard(&mut self, _: Heard) {}

    fn stops(&self) -> bool {
        false
    }
}

fn remote(top: &Dir) -> (Kernel, Owner, Agent, Mount<RemoteNode>) {
    let clock = || SystemTime::now().into();
    let [key, kernel_key, node_key, operator] =
        [1, 2, 3, 4].map(|byte| SoftwareKey::from_secret(&[byte; 32]));
    let opening = Kernel::governing(key.public_key()).open(MemoryStore::new(), clock);
    let kernel = block_on(opening).unwrap();
    let owner = block_on(kernel.owner(key)).unwrap();
    let (told_by, node_is) = (kernel_key.public_key(), node_key.public_key());
    block_on(owner.certify(told_by)).unwrap();
    kernel.sign_with(kernel_key);
    let work = block_on(owner.identity("work")).unwrap();
    let rules =
        Grant::new().allow([Action::Read, Action::Write], Region::subtree("fs:/work").unwrap());
    block_on(owner.grant(work, rules)).unwrap();
    let agent = block_on(owner.bind(work, "assistant", "bench")).unwrap();

    let folders = Folders::new().read_write("/work", top.open_dir("work").unwrap()).unwrap();
    let node = Node::open(folders, top.open_dir("state").unwrap(), Durability::ProcessSafe);
    let opening = Kernel::governing(operator.public_key()).open(MemoryStore::new(), clock);
    let own = block_on(opening).unwrap();
    let post = Post {
        owner: block_on(own.owner(operator)).unwrap(),
        kernel: own,
        node: node.unwrap(),
        key: node_key,
        pins: vec![Pin { kernel: told_by, owner: owner.id() }],
        confinement: "none".into(),
        durability: Durability::ProcessSafe,
    };
    let dir = top.open_dir("station").unwrap();
    let mut station = block_on(Station::open(post, &dir, clock)).unwrap();
    let (here, there) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        block_on(station.serve(&mut UnixLink::new(there), &mut Deaf)).unwrap();
    });
    let pairing = Pairing::new(node_is, told_by).answers_within(Duration::from_mins(1));
    let far = RemoteNode::pair(Box::new(UnixLink::new(here)), pairing).unwrap();
    let edge = kernel.mount("edge", far);
    (kernel, owner, agent, edge)
}

/// A thread that answers as many bytes to as many, and does nothing else.
fn echo() -> UnixStream {
    let (here, mut there) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let (mut question, answer) = (vec![0; QUESTION], vec![7; ANSWER]);
        while there.read_exact(&mut question).is_ok() {
            if there.write_all(&answer).is_err() {
                break;
            }
        }
    });
    here
}
