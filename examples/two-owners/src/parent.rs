//! The same three as processes of their own: started, told of each other, and asked for accounts.
use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    account::{self, Account},
    cast::Who,
    word::{Wish, Word},
};

/// Plays it in `folder`.
pub(crate) fn play(folder: &Path) -> Result<()> {
    let mut family = Family::start(folder)?;
    let mut places = BTreeMap::new();
    while places.len() < Who::ALL.len() {
        if let (who, Word::At(place)) = family.hear()? {
            places.insert(who.name().to_owned(), place);
        }
    }
    family.wish(&Wish::Begin(places))?;
    let mut over = 0;
    while over < Who::ALL.len() {
        if let (_, Word::Over) = family.hear()? {
            over += 1;
        }
    }
    family.wish(&Wish::Account)?;
    let mut accounts: BTreeMap<Who, Account> = BTreeMap::new();
    while accounts.len() < Who::ALL.len() {
        if let (who, Word::Account(account)) = family.hear()? {
            accounts.insert(who, account);
        }
    }
    family.end()?;
    account::show(&accounts.into_values().collect::<Vec<_>>())
}

/// The processes. Dropped, they are gone: each ends with its end of the pipe.
struct Family {
    children: Vec<(Who, Child, ChildStdin)>,
    words: Receiver<(Who, String)>,
}

impl Family {
    fn start(folder: &Path) -> Result<Self> {
        let (said, words) = channel();
        let mut children = Vec::new();
        for who in Who::ALL {
            let mut command = Command::new(env::current_exe()?);
            command.args(["owner", who.name()]).arg(folder.join(who.name()));
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let stdin = child.stdin.take().context("no pipe to the child")?;
            let stdout = child.stdout.take().context("no pipe from the child")?;
            let said: Sender<(Who, String)> = said.clone();
            thread::spawn(move || {
                let lines = BufReader::new(stdout).lines().map_while(Result::ok);
                lines.map(|line| said.send((who, line))).take_while(Result::is_ok).count()
            });
            children.push((who, child, stdin));
        }
        Ok(Self { children, words })
    }

    /// What one of them says next. What is told is told on.
    fn hear(&mut self) -> Result<(Who, Word)> {
        let Ok((who, line)) = self.words.recv_timeout(PATIENCE) else {
            bail!("nobody says anything any more")
        };
        let word = serde_json::from_str(&line);
        let word = word.with_context(|| format!("the {} says `{line}`", who.name()))?;
        if let Word::Tale(tale) = &word {
            print!("{tale}");
        }
        Ok((who, word))
    }

    fn wish(&mut self, wish: &Wish) -> Result<()> {
        let line = serde_json::to_string(wish)?;
        for (_, _, pipe) in &mut self.children {
            writeln!(pipe, "{line}")?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        for (who, mut child, pipe) in self.children.drain(..) {
            drop(pipe);
            let status = child.wait()?;
            if !status.success() {
                bail!("the {} ended with {status}", who.name());
            }
        }
        Ok(())
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        for (_, child, _) in &mut self.children {
            // One that is gone already is as good.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_mins(1);
