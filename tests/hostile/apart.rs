//! Processes: a neighbour beside the test, and the test itself once more in a process of its own.
use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdout, Command, Stdio},
};

const NEIGHBOUR: &str = env!("CARGO_BIN_EXE_neighbour");
const MARK: &str = "CLAWNET_APART";

/// Whether the long counts are wanted.
pub(crate) fn full() -> bool {
    env::var("CLAWNET_RACE").is_ok_and(|value| value == "full")
}

/// Whether this process is root's. A test that needs it says so when it is not.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    let required = env::var("CLAWNET_REQUIRE_ROOT").is_ok_and(|value| value == "1");
    assert!(root || !required, "root is required");
    root
}

/// A process that attacks or saves until it is told to end.
pub(crate) struct Neighbour {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Neighbour {
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut child = Command::new(NEIGHBOUR)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// One that attacks, once it began.
    pub(crate) fn attacking(words: &[&str]) -> Self {
        let mut neighbour = Self::start(words);
        assert_eq!(neighbour.line().as_deref(), Some("ready"), "{words:?}");
        neighbour
    }

    /// The next line it says, or none if it ended.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let size = self.out.read_line(&mut line).unwrap();
        (size > 0).then(|| line.trim_end().to_owned())
    }

    /// Asks it to end. It goes on until it notices.
    pub(crate) fn dismiss(&mut self) {
        drop(self.child.stdin.take());
    }

    /// How often an attacker did it.
    pub(crate) fn end(mut self) -> u64 {
        self.dismiss();
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success());
        said.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // Also when a test failed: nobody goes on attacking a folder that is gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a test is in this process: none in the harness's, a word in one made by [`Apart::run`].
pub(crate) fn role(test: &str) -> Option<String> {
    let mark = env::var(MARK).ok()?;
    mark.strip_prefix(test)?.strip_prefix('=').map(str::to_owned)
}

/// A test run again, alone in a process: with its own descriptors, user, mounts and limits.
pub(crate) struct Apart<'a> {
    test: &'a str,
    role: &'a str,
    under: Vec<&'a str>,
    user: Option<u32>,
    env: Vec<(&'a str, String)>,
}

impl<'a> Apart<'a> {
    /// `test` is its full name in the harness.
    pub(crate) fn new(test: &'a str, role: &'a str) -> Self {
        Self { test, role, under: Vec::new(), user: None, env: Vec::new() }
    }

    /// With this program and these words in front.
    pub(crate) fn under(self, words: &[&'a str]) -> Self {
        Self { under: words.to_vec(), ..self }
    }

    /// As this user and group, which needs root.
    pub(crate) fn user(self, id: u32) -> Self {
        Self { user: Some(id), ..self }
    }

    pub(crate) fn env(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Runs it, and shows what it said. It must succeed, and must have run exactly one test.
    pub(crate) fn run(self) -> String {
        // The link stays good for a user who may not search the way to the file itself.
        let words = ["/proc/self/exe", self.test, "--exact", "--nocapture", "--test-threads=1"];
        let real = env::current_exe().unwrap();
        let mut line: Vec<&str> = self.under.clone();
        // In front of a wrapper, the link would be the wrapper's own.
        line.extend(words);
        if !self.under.is_empty() {
            line[self.under.len()] = real.to_str().unwrap();
        }
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).env(MARK, format!("{}={}", self.test, self.role));
        command.envs(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        if let Some(id) = self.user {
            command.uid(id).gid(id);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} as {}:\n{said}\n{complained}", self.test, self.role);
        assert!(said.contains("1 passed"), "{} as {}:\n{said}", self.test, self.role);
        for line in said.lines().filter(|line| line.starts_with("> ")) {
            println!("{}: {line}", self.role);
        }
        said
    }
}
