//! A person in a process of their own, who saves as editors do while an agent changes the same
//! file. Every version they saved is at the path, in the store, or was replaced by themselves.
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use clawnet_fs::{Append, Copy, Delete, Move, Read, Write};

use super::{
    apart::{Neighbour, full},
    yard::{Yard, path, strays},
};

/// What the person said they did, by file.
#[derive(Debug, Default)]
struct Said {
    saved: BTreeSet<String>,
    replaced: BTreeSet<String>,
}

impl Said {
    fn hear(&mut self, what: &str, text: &str) {
        let words = text.split_whitespace().filter(|word| word.starts_with("person"));
        let heard = if what == "saved" { &mut self.saved } else { &mut self.replaced };
        heard.extend(words.map(str::to_owned));
    }

    /// What was saved, and is nowhere.
    fn lost(&self, found: &[Vec<u8>]) -> Vec<&String> {
        let texts = found.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let kept: BTreeSet<String> = texts
            .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        self.saved.iter().filter(|it| !kept.contains(*it) && !self.replaced.contains(*it)).collect()
    }
}

/// As many programs do it: copy the old file to a backup, then rename the new one over it.
fn copy_then_rename(work: &Path, backups: &Path, nth: u64) {
    let (file, new) = (work.join("naive"), work.join("naive.new"));
    if let Ok(old) = fs::read(&file) {
        fs::write(backups.join(nth.to_string()), old).unwrap();
    }
    fs::write(&new, format!("agent{nth}")).unwrap();
    fs::rename(&new, &file).unwrap();
}

/// What an agent does to the file while it is saved, one thing after the other.
fn meddle(yard: &Yard, nth: u64) -> (bool, bool) {
    let text = format!("agent{nth}");
    let file = || path("/work/file");
    match nth % 9 {
        0 => {
            let read = yard.submit(&Read::of(path("/work/file")).with_digest());
            let Some(digest) = read.ok().and_then(|read| read.digest) else {
                return (false, false);
            };
            let write = Write::new(path("/work/file"), text).if_content_is(digest);
            (yard.submit(&write).is_ok(), false)
        }
        1 => (yard.submit(&Delete::new(path("/work/file"))).is_ok(), false),
        5 => (yard.submit(&Append::new(file(), format!(" {text}"))).is_ok(), false),
        6 => {
            let copy = Copy::new(path("/work/seed"), file()).overwriting();
            (yard.submit(&copy).is_ok(), false)
        }
        7 => (yard.submit(&Move::new(file(), path("/work/moved")).overwriting()).is_ok(), false),
        8 => (yard.submit(&Move::new(path("/work/moved"), file()).overwriting()).is_ok(), false),
        2 | 3 => match yard.write("/work/file", &text) {
            Ok(written) => (yard.undo(&yard.agent, written.intent).is_ok(), written.raced),
            Err(_) => (false, false),
        },
        _ => {
            let written = yard.write("/work/file", &text);
            (written.is_ok(), written.is_ok_and(|written| written.raced))
        }
    }
}

/// How it went: saves, what the node did and was refused, races it noticed, and what was lost by
/// the node and by the other way.
#[derive(Debug, Default)]
struct Counts {
    saves: u64,
    done: u64,
    refused: u64,
    raced: u64,
    lost: usize,
    lost_by_copying: usize,
}

fn beside_a_person(saves: u64) -> Counts {
    let yard = Yard::new();
    let backups = yard.path("backups");
    fs::create_dir(&backups).unwrap();
    for name in ["file", "naive", "seed"] {
        fs::write(yard.path("work").join(name), "start").unwrap();
    }
    let mut person = Neighbour::start(&["save", &yard.text("work"), "file", "naive"]);
    let heard = Arc::new([Mutex::new(Said::default()), Mutex::new(Said::default())]);
    let count = Arc::new(AtomicU64::new(0));
    let (mut counts, mut nth) = (Counts::default(), 0);
    thread::scope(|scope| {
        let listener = scope.spawn(|| {
            while let Some(line) = person.line() {
                let words: Vec<&str> = line.splitn(3, ' ').collect();
                let which = usize::from(words[1] == "naive");
                let text = words.get(2).copied().unwrap_or_default();
                heard[which].lock().unwrap().hear(words[0], text);
                if words[0] == "saved"
                    && which == 0
                    && count.fetch_add(1, Ordering::Relaxed) == saves
                {
                    person.dismiss();
                }
            }
        });
        while !listener.is_finished() {
            let (done, raced) = meddle(&yard, nth);
            counts.done += u64::from(done);
            counts.refused += u64::from(!done);
            counts.raced += u64::from(raced);
            copy_then_rename(&yard.path("work"), &backups, nth);
            nth += 1;
        }
    });
    let mut found = yard.kept();
    found.extend(fs::read(yard.path("work/file")));
    found.extend(fs::read(yard.path("work/moved")));
    let lost = heard[0].lock().unwrap();
    let lost = lost.lost(&found);
    assert!(lost.is_empty(), "the node lost {lost:?}");
    let mut copied: Vec<Vec<u8>> =
        (0..nth).filter_map(|nth| fs::read(backups.join(nth.to_string())).ok()).collect();
    copied.extend(fs::read(yard.path("work/naive")));
    counts.saves = count.load(Ordering::Relaxed);
    counts.lost_by_copying = heard[1].lock().unwrap().lost(&copied).len();
    assert_eq!(strays(&yard.path("work")), Vec::<std::path::PathBuf>::new());
    counts
}

#[test]
fn no_save_is_lost() {
    let (wanted, each) = if full() { (100_000, 20_000) } else { (2_000, 2_000) };
    let mut all = Counts::default();
    while all.saves < wanted || all.lost_by_copying == 0 {
        let counts = beside_a_person(each);
        all.saves += counts.saves;
        all.done += counts.done;
        all.refused += counts.refused;
        all.raced += counts.raced;
        all.lost += counts.lost;
        all.lost_by_copying += counts.lost_by_copying;
    }
    println!("> {all:?}");
    assert!(all.done > 0 && all.refused > 0, "{all:?}");
}
