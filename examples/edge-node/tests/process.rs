//! The process as its operator and its kernel meet it: started, confined, killed and started again.
#![expect(clippy::disallowed_methods, reason = "an application opens folders and has a clock")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::{fs::chown, net::UnixStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant, SystemTime},
};

use clawnet_core::{
    Action, Agent, Event, Grant, Kernel, LocalStore, MemoryStore, Mount, OutcomeKind, Owner,
    PublicKey, Recall as _, Recalled, Refusal, Region, Signer, SoftwareKey,
};
use clawnet_fs::{FsPath, Pairing, Read, RemoteNode, UnixLink, Write};
use futures::executor::block_on;

const PROGRAM: &str = env!("CARGO_BIN_EXE_edge-node");

fn program(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_demo_tells_everything_that_goes_wrong() {
    let output = program(&["demo"]);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    for line in [
        "fully enforced",
        r#"veto by the node's own list          Some("protected_name")"#,
        r#"the change replayed                  the old receipt again: true, "by hand""#,
        r#"a forged directive                   {"code":"bad_signature"}"#,
        "a look replayed                      replayed",
        r#"the kernel gone, no session          {"code":"no_session"}"#,
        "the kernel is gone: nothing is done until it is back",
        "both verify",
    ] {
        assert!(told.contains(line), "`{line}` is missing in\n{told}");
    }
}

/// What each wall stops with the other one forced open. What only one of them stops is what makes
/// them two; what neither stops is what the node is for.
#[test]
fn each_wall_stops_what_the_other_does_not() {
    let output = program(&["walls"]);
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    println!("{table}");
    let count = |row: &str| table.lines().filter(|line| line.ends_with(row)).count();
    // No wall, layer 2, Landlock. Every attempt is live: with no wall it goes through.
    assert_eq!(count("through   stopped            stopped"), 6);
    assert_eq!(count("through   no such operation  stopped"), 3);
    assert_eq!(count("through   stopped            through"), 4);
    assert_eq!(count("through   through            through"), 1);
    assert_eq!(table.lines().count(), 15);
    let through = |row: &str| {
        let (begins, ends) = (row, "stopped            through");
        table.lines().any(|line| line.starts_with(begins) && line.ends_with(ends))
    };
    assert!(through("read by a second name") && through("stat beside"));
    assert!(through("write a name that holds secrets") && through("read a file opened before"));
}

/// A kernel, and a home for a node that takes its directives.
struct World {
    home: tempfile::TempDir,
    kernel: Kernel,
    owner: Owner,
    agent: Agent,
    key: PublicKey,
    node: PublicKey,
}

impl World {
    fn new() -> Self {
        let (owner_key, own) =
            (SoftwareKey::from_secret(&[7; 32]), SoftwareKey::from_secret(&[8; 32]));
        let key = own.public_key();
        let clock = || SystemTime::now().into();
        let opening = Kernel::governing(owner_key.public_key()).open(MemoryStore::new(), clock);
        let kernel = block_on(opening).unwrap();
        let owner = block_on(kernel.owner(owner_key)).unwrap();
        block_on(owner.certify(key)).unwrap();
        kernel.sign_with(own);
        let work = block_on(owner.identity("work")).unwrap();
        let all = [Action::Read, Action::Write, Action::Delete];
        let rules = Grant::new().allow(all, Region::subtree("fs:/work").unwrap());
        block_on(owner.grant(work, rules)).unwrap();
        let agent = block_on(owner.bind(work, "assistant", "test")).unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("work")).unwrap();
        let told = program(&["init", home.path().to_str().unwrap()]);
        let node = text(&told.stdout).trim().strip_prefix("node ").unwrap().parse().unwrap();
        let world = Self { home, kernel, owner, agent, key, node };
        world.list(None);
        world
    }

    fn list(&self, uid: Option<u32>) {
        let pins = [serde_json::json!({ "kernel": self.key, "owner": self.owner.id() })];
        let config = serde_json::json!({ "pins": pins, "uid": uid });
        fs::write(self.home.path().join("edge.json"), config.to_string()).unwrap();
        self.serve_to("");
    }

    /// Writes the list as an editor does: the folder, and what is said of it besides.
    fn serve_to(&self, more: &str) {
        let path = self.home.path().join("work");
        let path = path.display().to_string();
        let folder = format!("name = \"/work\"\npath = {path:?}\nmode = \"read-write\"\n{more}");
        let list = format!("format = 1\n[[folder]]\n{folder}\n[end]\n");
        fs::write(self.home.path().join("list/new"), list).unwrap();
        let at = |name: &str| self.home.path().join("list").join(name);
        fs::rename(at("new"), at("whitelist.toml")).unwrap();
    }

    /// Starts the node, and gives what it said first.
    fn start(&self, more: &[&str]) -> (Running, String) {
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(self.home.path()).args(more).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("opened") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
        }
        // What it says later is read away, or it would wait for a reader.
        std::thread::spawn(move || drop(lines.lines().map_while(Result::ok).last()));
        (Running(process), said)
    }

    fn link(&self) -> UnixLink {
        let stream = UnixStream::connect(self.home.path().join("edge.sock")).unwrap();
        UnixLink::new(stream)
    }

    fn pair(&self) -> Mount<RemoteNode> {
        let pairing = Pairing::new(self.node, self.key).answers_within(Duration::from_mins(1));
        self.kernel.mount("edge", RemoteNode::pair(Box::new(self.link()), pairing).unwrap())
    }

    /// How many writes the node's own ledger says were done.
    fn done(&self) -> usize {
        let secret = fs::read(self.home.path().join("keys/operator")).unwrap();
        let key = SoftwareKey::from_secret(secret.as_slice().try_into().unwrap());
        let (store, _) = LocalStore::open(&self.home.path().join("state/ledger")).unwrap();
        let clock = || SystemTime::now().into();
        let kernel = block_on(Kernel::governing(key.public_key()).open(store, clock)).unwrap();
        assert!(block_on(kernel.verify()).unwrap().damage.is_none());
        let owner = block_on(kernel.owner(key)).unwrap();
        let records = block_on(owner.records(1, 100_000)).unwrap();
        let done = |event: &Event| {
            let outcome = matches!(event, Event::Outcome(it) if it.result == OutcomeKind::Done);
            outcome || matches!(event, Event::Recalled { said: Recalled::Done, .. })
        };
        records.iter().filter(|record| done(&record.event)).count()
    }

    fn last_intent(&self) -> u64 {
        let records = block_on(self.owner.records(1, 100_000)).unwrap();
        records.iter().rfind(|record| matches!(record.event, Event::Intent(_))).unwrap().sequence
    }
}

/// A node process that does not outlive its test.
struct Running(Child);

impl Running {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn path() -> FsPath {
    "/work/counter".parse().unwrap()
}

fn content(home: &Path) -> u64 {
    fs::read_to_string(home.join("work/counter")).unwrap().parse().unwrap()
}

#[test]
fn a_node_killed_at_any_point_does_nothing_twice_and_loses_no_receipt() {
    let world = World::new();
    let (mut process, _) = world.start(&[]);
    let edge = world.pair();
    let (mut count, mut lost, mut undone) = (0_u64, 0, 0_u64);
    for round in 0..24_u64 {
        // Spread over a round of several changes, the same in every run.
        let delay = Duration::from_micros(round * 2_654_435_761 % 40_000);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(delay);
            process.kill();
        });
        loop {
            let next = (count + 1).to_string();
            match block_on(world.agent.submit(&edge, &Write::new(path(), next))) {
                Ok(_) => count += 1,
                Err(Refusal::Failed(fault)) => {
                    assert_eq!(fault.code(), "outcome_unknown");
                    break;
                }
                Err(other @ (Refusal::Denied(_) | Refusal::Escalated(_) | Refusal::Ledger(_))) => {
                    panic!("{other}")
                }
            }
        }
        killer.join().unwrap();
        let intent = world.last_intent();
        process = world.start(&[]).0;
        edge.endpoint().reconnect(Box::new(world.link())).unwrap();
        match edge.endpoint().recall(world.owner.id(), intent) {
            Recalled::Done => (count, lost) = (count + 1, lost + 1),
            Recalled::NotDone => undone += 1,
            Recalled::Unknown => panic!("the node cannot tell, round {round}"),
        }
        if count > 0 {
            assert_eq!(content(world.home.path()), count, "round {round}");
        }
    }
    process.kill();
    println!("{count} changes; {lost} answers lost and {undone} changes not begun in 24 kills");
    assert!(count > 0 && count + undone >= 24);
    assert_eq!(world.done() as u64, count);
}

#[test]
fn without_the_wall_it_runs_only_if_told() {
    let world = World::new();
    let (mut process, said) = world.start(&["--unconfined"]);
    assert!(said.contains("unconfined"), "{said}");
    process.kill();
    let mut strace = Command::new("strace");
    strace.args(["-o", "/dev/null", "-e", "inject=landlock_create_ruleset:error=EOPNOTSUPP"]);
    let refused = strace.arg(PROGRAM).arg("serve").arg(world.home.path()).output();
    let Ok(refused) = refused else {
        assert!(std::env::var_os("CLAWNET_REQUIRE_STRACE").is_none(), "strace is missing");
        println!("SKIPPED: strace is missing");
        return;
    };
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    assert!(text(&refused.stdout).contains("unconfined"));
    assert!(!text(&refused.stdout).contains("opened"));
}

#[test]
fn it_says_how_it_ended() {
    assert_eq!(program(&["fly"]).status.code(), Some(2));
    assert_eq!(program(&["serve", "/nowhere"]).status.code(), Some(1));
    let world = World::new();
    let (mut process, said) = world.start(&[]);
    assert!(said.contains("landlock abi"), "{said}");
    let again = program(&["serve", world.home.path().to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    let id = rustix::process::Pid::from_child(&process.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn the_list_is_the_owners_file_and_holds_as_it_changes() {
    let world = World::new();
    let (mut process, _) = world.start(&[]);
    let edge = world.pair();
    let write = || match block_on(world.agent.submit(&edge, &Write::new(path(), "1"))) {
        Ok(_) => "done".to_owned(),
        Err(Refusal::Failed(fault)) => fault.code().to_owned(),
        Err(other @ (Refusal::Denied(_) | Refusal::Escalated(_) | Refusal::Ledger(_))) => {
            panic!("{other}")
        }
    };
    // What a list before said is refused for a second yet.
    let comes = |expected: &str| {
        let begun = Instant::now();
        while write() != expected {
            assert!(begun.elapsed() < Duration::from_mins(1), "{expected} does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    assert_eq!(write(), "done");
    // It is read again behind the wall. One that is cut off ends everything, and at once.
    let list = world.home.path().join("list/whitelist.toml");
    let whole = fs::read_to_string(&list).unwrap();
    fs::write(&list, whole.replace("[end]", "")).unwrap();
    assert_eq!(write(), "whitelist_unavailable");
    fs::write(&list, whole.replace("read-write", "read-only")).unwrap();
    comes("read_only");
    fs::write(&list, &whole).unwrap();
    comes("done");
    process.kill();
    // A folder is declared in one place.
    let config = world.home.path().join("edge.json");
    let pins = fs::read_to_string(&config).unwrap();
    fs::write(&config, pins.replacen('{', r#"{"folders":{},"#, 1)).unwrap();
    let home = world.home.path().to_str().unwrap();
    let refused = program(&["serve", home]);
    assert!(text(&refused.stderr).contains("folders"), "{}", text(&refused.stderr));
}

#[test]
fn a_folder_is_served_to_identities_of_the_nodes_own_ledger() {
    let world = World::new();
    let home = world.home.path().to_str().unwrap();
    let (owner, there) = (world.owner.id().to_string(), world.agent.caller().identity());
    // The identity there is nobody here, and a list that names it is refused.
    world.serve_to(&format!("identities = [\"{there}\"]\n"));
    let refused = program(&["serve", home, "--unconfined"]);
    let why = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(why.contains("no identity of this node's own ledger"), "{why}");
    world.serve_to("");
    let told = program(&["identity", home, &owner, &there.to_string()]);
    let here = text(&told.stdout).trim().to_owned();
    assert!(here.starts_with("idn_") && here != there.to_string(), "{here}");
    let other = block_on(world.owner.identity("home")).unwrap();
    let rules = Grant::new().allow([Action::Read, Action::Write], Region::whole_volume().unwrap());
    block_on(world.owner.grant(other, rules)).unwrap();
    let other = block_on(world.owner.bind(other, "other", "test")).unwrap();
    world.serve_to(&format!("identities = [\"{here}\"]\n"));
    let (mut process, _) = world.start(&[]);
    let edge = world.pair();
    block_on(world.agent.submit(&edge, &Write::new(path(), "1"))).unwrap();
    let Err(Refusal::Failed(fault)) = block_on(other.submit(&edge, &Read::of(path()))) else {
        panic!("it is served to somebody else")
    };
    assert_eq!(fault.code(), "not_whitelisted");
    process.kill();
}

#[test]
fn root_is_given_up_where_another_user_is_named() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root can give root up");
        return;
    }
    let world = World::new();
    fs::write(world.home.path().join("work/counter"), "7").unwrap();
    world.list(Some(NOBODY));
    own(world.home.path(), NOBODY);
    let (mut process, _) = world.start(&[]);
    let status = fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap();
    let ids = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ids("Uid:"), vec![NOBODY.to_string(); 4]);
    assert_eq!(ids("Gid:"), vec![NOBODY.to_string(); 4]);
    assert!(ids("Groups:").is_empty());
    assert_eq!(ids("CapEff:"), ["0000000000000000"]);
    let edge = world.pair();
    let read = block_on(world.agent.submit(&edge, &Read::of(path()))).unwrap();
    assert_eq!(read.content.as_text(), Some("7"));
    process.kill();
}

const NOBODY: u32 = 65_534;

fn own(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path(), uid);
        }
    }
}
