//! Somebody else at the same files, in a process of their own, until the standard input ends.
//!
//! - `neighbour swap FOLDER A B`: an attacker. The two names exchange what they hold, without end.
//! - `neighbour away FOLDER A OTHER`: an attacker. `FOLDER/A` goes to `OTHER/A` and comes back.
//! - `neighbour turn FOLDER A B C`: an attacker. `A` is taken away, and `B` or `C` comes in its
//!   place in turn: for a while nothing is there.
//! - `neighbour save FOLDER FILE...`: a person, who saves each file in turn as editors do. Prints
//!   `saved FILE TEXT` after a save, and `replaced FILE TEXT` for what that save replaced.
//!
//! An attacker prints `ready` once it began, and how often it did it at the end.
use std::{
    collections::VecDeque,
    env,
    io::{self, Read as _, Write as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result, bail};
use cap_std::{
    ambient_authority,
    fs::{Dir, File},
};
use rustix::{
    fs::{RenameFlags, renameat_with},
    io::Errno,
};

fn main() -> ExitCode {
    match live() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "neighbour: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn live() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [what, folder, names @ ..] = words.as_slice() else {
        bail!("say what, where, and to what")
    };
    let open = |path: &str| Dir::open_ambient_dir(path, ambient_authority());
    let dir = open(folder)?;
    let ended = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let ended = ended.clone();
        move || {
            drop(io::stdin().read_to_end(&mut Vec::new()));
            ended.store(true, Ordering::Release);
        }
    });
    let goes_on = || !ended.load(Ordering::Acquire);
    match (what.as_str(), names) {
        ("swap", [a, b]) => attack(goes_on, |_| {
            Ok(renameat_with(&dir, a.as_str(), &dir, b.as_str(), RenameFlags::EXCHANGE)?)
        }),
        ("away", [a, other]) => {
            let other = open(other)?;
            attack(goes_on, |_| {
                dir.rename(a, &other, a)?;
                other.rename(a, &dir, a)
            })
        }
        ("turn", [a, b, c]) => attack(goes_on, |round| {
            let other = if round % 2 == 0 { b } else { c };
            dir.rename(other, &dir, a)?;
            dir.rename(a, &dir, other)
        }),
        ("save", files) if !files.is_empty() => save(goes_on, &dir, files),
        _ => bail!("nobody does `{what}` to {names:?}"),
    }
}

/// Does it until the end. What fails because the other side was there first is done again.
fn attack(goes_on: impl Fn() -> bool, act: impl Fn(u64) -> io::Result<()>) -> Result<()> {
    say("ready")?;
    let (mut done, mut failed) = (0, 0);
    while goes_on() {
        match act(done) {
            Ok(()) => done += 1,
            Err(_) => failed += 1,
        }
    }
    say(&format!("{done} {failed}"))?;
    Ok(())
}

/// Saves again and again.
fn save(goes_on: impl Fn() -> bool, dir: &Dir, files: &[String]) -> Result<()> {
    let mut people: Vec<Person<'_>> =
        files.iter().map(|file| Person { dir, file, kept: VecDeque::new() }).collect();
    for nth in 0_u64.. {
        for person in &mut people {
            if !goes_on() {
                return Ok(());
            }
            person.save(nth)?;
        }
    }
    Ok(())
}

/// A person at one file.
struct Person<'a> {
    dir: &'a Dir,
    file: &'a str,
    /// Their last versions, held open: one that has no name any more is gone.
    kept: VecDeque<(File, String)>,
}

impl Person<'_> {
    fn save(&mut self, nth: u64) -> Result<()> {
        let Self { dir, file, .. } = *self;
        let text = format!("person{nth}");
        let saving = format!("{file}.saving");
        dir.write(&saving, &text)?;
        let held = dir.open(&saving)?;
        let replaced = match nth % 3 {
            0 => over(dir, &saving, file)?,
            1 => backup_first(dir, &saving, file)?,
            _ => self.without_looking(&saving)?,
        };
        for old in replaced {
            say(&format!("replaced {file} {old}"))?;
        }
        self.kept.push_back((held, text.clone()));
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
        }
        say(&format!("saved {file} {text}"))?;
        Ok(())
    }

    /// A rename over the file as it is made everywhere. Which version it replaced shows in the one
    /// that had a name right before and has none right after.
    fn without_looking(&mut self, saving: &str) -> Result<Vec<String>> {
        self.kept.retain(|(held, _)| has_name(held));
        self.dir.rename(saving, self.dir, self.file)?;
        let gone = self.kept.iter().filter(|(held, _)| !has_name(held));
        Ok(gone.map(|(_, text)| text.clone()).collect())
    }
}

const KEPT_MAX: usize = 64;

fn has_name(file: &File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink > 0)
}

/// A rename over the file, as an exchange, so that the person sees what it replaced.
fn over(dir: &Dir, saving: &str, file: &str) -> Result<Vec<String>> {
    loop {
        match renameat_with(dir, saving, dir, file, RenameFlags::EXCHANGE) {
            Ok(()) => {
                let old = dir.read_to_string(saving)?;
                dir.remove_file(saving)?;
                return Ok(vec![old]);
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).context("exchanging"),
        }
        match renameat_with(dir, saving, dir, file, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(Vec::new()),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).context("placing"),
        }
    }
}

/// The old file becomes `file~` first, so that for a moment there is none.
fn backup_first(dir: &Dir, saving: &str, file: &str) -> Result<Vec<String>> {
    let backup = format!("{file}~");
    let mut replaced = Vec::new();
    if dir.rename(file, dir, &backup).is_ok() {
        replaced.push(dir.read_to_string(&backup)?);
    }
    replaced.extend(over(dir, saving, file)?);
    Ok(replaced)
}

/// One line in one write.
fn say(what: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{what}\n").as_bytes())?;
    out.flush()
}
