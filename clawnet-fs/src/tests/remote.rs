//! A kernel here, a node there, and a real socket between them that may lie.
use std::{
    io,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use clawnet_core::{
    AuditRecord, Digest, Event, NodeHead, PublicKey, Recall as _, Recalled, SignedReceipt, Store,
};

use super::*;
use crate::remote::FrameKind;

mod alike;
mod attacks;
mod crash;
mod lies;
mod refusals;
mod story;

/// What is between the two: sees every frame, and may change it, keep it or cut the link.
#[derive(Clone, Default)]
struct Wire {
    sent: Arc<Mutex<Vec<Frame>>>,
    received: Arc<Mutex<Vec<Frame>>>,
    on_answer: Arc<Mutex<Option<Change>>>,
    /// Answers are lost: the link breaks instead.
    deaf: Arc<AtomicBool>,
    /// Questions are lost: the link breaks before they leave.
    mute: Arc<AtomicBool>,
}

type Change = Box<dyn FnMut(Frame) -> Frame + Send>;

struct Tapped {
    link: UnixLink,
    wire: Wire,
}

impl Link for Tapped {
    fn send(&mut self, frame: &Frame, within: Duration) -> io::Result<()> {
        self.wire.sent.lock().unwrap().push(frame.clone());
        if self.wire.mute.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.link.send(frame, within)
    }

    fn receive(&mut self, within: Duration) -> io::Result<Option<Frame>> {
        let frame = self.link.receive(within)?;
        if self.wire.deaf.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(frame) = frame else { return Ok(None) };
        self.wire.received.lock().unwrap().push(frame.clone());
        Ok(Some(match &mut *self.wire.on_answer.lock().unwrap() {
            Some(change) => change(frame),
            None => frame,
        }))
    }
}

impl Wire {
    /// The last directive that was told.
    fn told(&self) -> Frame {
        let sent = self.sent.lock().unwrap();
        sent.iter().rfind(|frame| frame.kind == FrameKind::Directive).unwrap().clone()
    }

    fn changing(&self, change: impl FnMut(Frame) -> Frame + Send + 'static) {
        *self.on_answer.lock().unwrap() = Some(Box::new(change));
    }
}

/// What a station was told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Heard>>>);

impl Watch for Log {
    fn heard(&mut self, heard: Heard) {
        self.0.lock().unwrap().push(heard);
    }

    fn stops(&self) -> bool {
        false
    }
}

/// One owner's kernel here, and a station over one folder, `/work`, there.
struct Far {
    base: TempDir,
    work: Dir,
    clock: ManualClock,
    kernel: Kernel,
    owner: Owner,
    agent: Agent,
    own_store: Arc<dyn Store>,
    log: Log,
    wire: Wire,
    serving: Option<JoinHandle<Station>>,
    remote: Option<Mount<RemoteNode>>,
}

const START: u64 = 1_795_000_000_000;

fn kernel_key() -> SoftwareKey {
    SoftwareKey::from_secret(&[8; 32])
}

fn node_key() -> SoftwareKey {
    SoftwareKey::from_secret(&[9; 32])
}

impl Far {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient_dir(base.path(), ambient_authority()).unwrap();
        for name in ["work", "state", "station"] {
            top.create_dir(name).unwrap();
        }
        let clock = ManualClock::at(Timestamp::from_millis(START));
        let key = SoftwareKey::from_secret(&[7; 32]);
        let opening = Kernel::governing(key.public_key()).open(MemoryStore::new(), clock.clone());
        let kernel = block_on(opening).unwrap();
        let owner = block_on(kernel.owner(key)).unwrap();
        block_on(owner.certify(kernel_key().public_key())).unwrap();
        kernel.sign_with(kernel_key());
        let agent = agent(&owner, "work");
        let mut far = Self {
            work: top.open_dir("work").unwrap(),
            base,
            clock,
            kernel,
            owner,
            agent,
            own_store: Arc::new(MemoryStore::new()),
            log: Log::default(),
            wire: Wire::default(),
            serving: None,
            remote: None,
        };
        far.pair();
        far
    }

    /// The station, as its process starts it.
    fn station(&self) -> Result<Station, StationError> {
        self.station_of(node_key(), true)
    }

    fn station_of(&self, key: SoftwareKey, pinned: bool) -> Result<Station, StationError> {
        let top = Dir::open_ambient_dir(self.base.path(), ambient_authority()).unwrap();
        let folders = Folders::new().read_write("/work", top.open_dir("work").unwrap()).unwrap();
        let state = top.open_dir("state").unwrap();
        let node = Node::open(folders, state, Durability::ProcessSafe).unwrap();
        let operator = SoftwareKey::from_secret(&[5; 32]);
        let governing = Kernel::governing(operator.public_key());
        let opening = governing.open_shared(self.own_store.clone(), self.clock.clone());
        let kernel = block_on(opening).unwrap();
        let owner = block_on(kernel.owner(operator)).unwrap();
        let pin = Pin { kernel: kernel_key().public_key(), owner: self.owner.id() };
        let post = Post {
            kernel,
            owner,
            node,
            key,
            pins: pinned.then_some(pin).into_iter().collect(),
            confinement: "a test".into(),
            durability: Durability::ProcessSafe,
        };
        let dir = top.open_dir("station").unwrap();
        block_on(Station::open(post, &dir, self.clock.clone()))
    }

    /// Serves over one end of a new socket pair, in a thread; gives the other end.
    fn serve(&mut self, mut station: Station) -> Tapped {
        let (here, there) = UnixStream::pair().unwrap();
        let mut log = self.log.clone();
        self.serving = Some(std::thread::spawn(move || {
            block_on(station.serve(&mut UnixLink::new(there), &mut log)).unwrap();
            station
        }));
        Tapped { link: UnixLink::new(here), wire: self.wire.clone() }
    }

    fn pairing() -> Pairing {
        let pairing = Pairing::new(node_key().public_key(), kernel_key().public_key());
        pairing.answers_within(Duration::from_mins(1))
    }

    /// A station that was started, and a session with it.
    fn pair(&mut self) {
        let station = self.station().unwrap();
        let link = Box::new(self.serve(station));
        if let Some(mount) = &self.remote {
            mount.endpoint().reconnect(link).unwrap();
        } else {
            let remote = RemoteNode::pair(link, Self::pairing()).unwrap();
            self.remote = Some(self.kernel.mount("edge", remote));
        }
    }

    /// Hangs up, and waits until the station noticed. Gives it as its thread left it.
    fn hang_up(&mut self) -> Station {
        let (here, there) = UnixStream::pair().unwrap();
        drop(there);
        // A link that leads nowhere takes the place of the one that is.
        drop(self.remote().endpoint().reconnect(Box::new(UnixLink::new(here))));
        self.serving.take().unwrap().join().unwrap()
    }

    fn top(&self) -> Dir {
        Dir::open_ambient_dir(self.base.path(), ambient_authority()).unwrap()
    }

    fn daybook(&self) -> Vec<u8> {
        self.top().read("station/daybook").unwrap()
    }

    fn set_daybook(&self, bytes: &[u8]) {
        self.top().write("station/daybook", bytes).unwrap();
    }

    fn remote(&self) -> &Mount<RemoteNode> {
        self.remote.as_ref().unwrap()
    }

    fn submit<O: Served>(&self, operation: &O) -> Result<O::Output, Refusal> {
        block_on(self.agent.submit(self.remote(), operation))
    }

    /// The code of the fault or denial.
    fn code<O: Served>(&self, operation: &O) -> String
    where
        O::Output: std::fmt::Debug,
    {
        match self.submit(operation).unwrap_err() {
            Refusal::Failed(fault) => fault.code().to_owned(),
            Refusal::Denied(denial) => format!("{:?}", denial.code),
            Refusal::Escalated(_) | Refusal::Ledger(_) => panic!("not this"),
        }
    }

    fn write(&self, name: &str, content: &str) -> Result<Written, Refusal> {
        self.submit(&Write::new(path(name), content))
    }

    /// How many records the station's own ledger has.
    fn own_records(&self) -> u64 {
        let owner = SoftwareKey::from_secret(&[5; 32]).public_key().owner();
        block_on(self.own_store.head(owner)).unwrap().sequence
    }

    fn heard(&self, code: &str) -> usize {
        let log = self.log.0.lock().unwrap();
        let is = |heard: &&Heard| match heard {
            Heard::Told { code: told, .. } => told == code,
            Heard::Refused(refused) => refused == code,
            Heard::Welcomed(_) | Heard::Alone => false,
        };
        log.iter().filter(is).count()
    }
}

fn path(name: &str) -> FsPath {
    format!("/work/{name}").parse().unwrap()
}
