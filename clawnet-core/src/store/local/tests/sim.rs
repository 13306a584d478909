//! A disk in memory that fails, forgets what was not flushed, and can be made to wait.
use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use super::super::Disk;

/// Handles to one disk share it.
#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk(Arc<(Mutex<Sim>, Condvar)>, Option<PathBuf>);

#[derive(Debug, Default)]
pub(super) struct Sim {
    pub(super) files: BTreeMap<String, SimFile>,
    /// How many calls that change something were made, and which one fails.
    pub(super) calls: u64,
    pub(super) fails_at: Option<u64>,
    /// After the failing call nothing works any more: the power is gone.
    pub(super) dies: bool,
    /// What is kept whole is not what was given.
    pub(super) garbles: bool,
    /// Appending waits.
    pub(super) held: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct SimFile {
    pub(super) bytes: Vec<u8>,
    flushed: usize,
    /// What a failed flush has dropped: it is read from the cache, and is never written.
    lost: Vec<Range<usize>>,
}

impl SimFile {
    /// The process was killed, and the disk had nothing to do with it.
    pub(super) fn recover(&mut self) {
        self.lost.clear();
    }
}

/// Makes of bytes what a power cut makes of them.
pub(super) type Tear = fn(&[u8]) -> Vec<u8>;

/// What a power cut makes of the bytes that were not flushed.
pub(super) const TEARS: [Tear; 6] = [
    |_| Vec::new(),
    <[u8]>::to_vec,
    |bytes| bytes[..bytes.len() / 2].to_vec(),
    |bytes| vec![0; bytes.len()],
    |bytes| bytes.iter().enumerate().map(|(at, byte)| if at < 100 { 0 } else { *byte }).collect(),
    |bytes| bytes.iter().map(|byte| !byte).collect(),
];

impl SimDisk {
    /// A disk whose index is in a real folder, of which a power cut takes nothing.
    pub(super) fn indexed_at(dir: PathBuf) -> Self {
        Self(Arc::default(), Some(dir))
    }

    pub(super) fn sim(&self) -> MutexGuard<'_, Sim> {
        self.0.0.lock().unwrap()
    }

    /// The disk as it is found after the power is back.
    pub(super) fn after_cut(&self, tear: Tear) -> Self {
        let disk = Self(Arc::default(), self.1.clone());
        for (name, file) in &self.sim().files {
            let mut bytes = file.bytes[..file.flushed].to_vec();
            for lost in &file.lost {
                let end = lost.end.min(bytes.len());
                bytes[lost.start.min(end)..end].fill(0);
            }
            bytes.extend(tear(&file.bytes[file.flushed..]));
            disk.put(name, bytes);
        }
        disk
    }

    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let flushed = bytes.len();
        self.sim().files.insert(name.to_owned(), SimFile { bytes, flushed, lost: Vec::new() });
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        self.sim().files[name].bytes.clone()
    }

    pub(super) fn hold(&self, held: bool) {
        self.sim().held = held;
        self.0.1.notify_all();
    }

    /// Waits until everything is flushed that ever will be, at most ten seconds.
    pub(super) fn wait_until_flushed(&self, size_bytes_min: usize) {
        let behind = |sim: &mut Sim| {
            sim.files.values().map(|file| file.flushed).sum::<usize>() < size_bytes_min
        };
        let waited = self.0.1.wait_timeout_while(self.sim(), Duration::from_secs(10), behind);
        assert!(!waited.unwrap().1.timed_out(), "not flushed by itself");
    }

    fn change<T>(&self, change: impl FnOnce(&mut Sim, bool) -> T) -> io::Result<T> {
        let mut sim = self.0.1.wait_while(self.sim(), |sim| sim.held).unwrap();
        sim.calls += 1;
        let fails = sim.fails_at.is_some_and(|at| sim.calls == at || sim.dies && sim.calls > at);
        let dead = fails && sim.fails_at != Some(sim.calls);
        let done = (!dead).then(|| change(&mut sim, fails));
        self.0.1.notify_all();
        done.filter(|_| !fails).ok_or_else(|| io::Error::other("simulated"))
    }
}

impl Disk for SimDisk {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{folder}/");
        Ok(self
            .sim()
            .files
            .keys()
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }

    fn size_bytes(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.sim().files.get(name).map(|file| file.bytes.len() as u64))
    }

    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let sim = self.sim();
        let file = sim.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let rest = file.bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn create(&self, name: &str) -> io::Result<()> {
        self.change(|sim, fails| {
            if !fails {
                sim.files.entry(name.to_owned()).or_default();
            }
        })
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(|sim, fails| {
            let written = if fails { bytes.len() / 3 } else { bytes.len() };
            sim.files.get_mut(name).unwrap().bytes.extend(&bytes[..written]);
        })
    }

    fn rewrite(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(|sim, fails| {
            let file = sim.files.get_mut(name).unwrap();
            let start = usize::try_from(offset).unwrap();
            assert_eq!(&file.bytes[start..start + bytes.len()], bytes, "it is there already");
            let apart =
                |lost: &Range<usize>| lost.end <= start || start + bytes.len() <= lost.start;
            if !fails && !file.lost.iter().all(apart) {
                file.lost.retain(apart);
                file.flushed = file.flushed.min(start);
            }
        })
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.change(|sim, fails| {
            let file = sim.files.get_mut(name).unwrap();
            if fails {
                file.lost.push(file.flushed..file.bytes.len());
            } else {
                file.flushed = file.bytes.len();
            }
        })
    }

    fn truncate(&self, name: &str, size_bytes: u64) -> io::Result<()> {
        self.change(|sim, fails| {
            let file = sim.files.get_mut(name).unwrap();
            if !fails {
                file.bytes.truncate(usize::try_from(size_bytes).unwrap());
                file.flushed = file.flushed.min(file.bytes.len());
                let size_bytes = file.bytes.len();
                file.lost.retain(|lost| lost.end <= size_bytes);
            }
        })
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(|sim, fails| {
            if !fails {
                let mut bytes = bytes.to_vec();
                let garbled = bytes.first_mut().filter(|_| sim.garbles);
                garbled.map(|byte| *byte ^= 1).unwrap_or_default();
                let file = SimFile { flushed: bytes.len(), bytes, lost: Vec::new() };
                sim.files.insert(name.to_owned(), file);
            }
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|sim, fails| {
            if !fails {
                sim.files.remove(name);
            }
        })
    }

    fn index(&self) -> Option<&Path> {
        self.1.as_deref()
    }
}
