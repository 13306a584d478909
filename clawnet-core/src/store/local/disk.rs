//! Where the store's bytes are: the seam beneath it, and a folder of a real file system.
#![expect(
    clippy::disallowed_methods,
    reason = "the one file of the store that opens files: beneath the folder `LocalStore` was given"
)]

use std::{
    collections::HashMap,
    fmt,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::store::StoreError;

/// The files of a [`LocalStore`](super::LocalStore), by names like `segments/00000001.log`.
///
/// The store appends to one file at a time, from one thread, and reads and keeps from any. It never
/// calls [`Disk::sync`] again on a disk where it failed. A name has one `/`, behind its folder, or
/// none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry a `LocalStore`",
    note = "use `LocalStore::open` for a folder, or implement `Disk` for a simulation"
)]
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// The names of the files in `folder`, without the folder, in any order.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// How long a file is, or none if there is no such file.
    fn size_bytes(&self, name: &str) -> io::Result<Option<u64>>;

    /// Fills `into` from `offset` on, as far as the file reaches, and tells how far.
    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Makes the file unless it is there. Its *name* survives a power cut when this returns.
    fn create(&self, name: &str) -> io::Result<()>;

    /// Writes behind the end. Until [`Disk::sync`], a power cut may keep any part of it.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Writes bytes again that are there already, so that the next [`Disk::sync`] puts them on disk
    /// even if one before it failed: after a failed flush a cache shows what was never written.
    fn rewrite(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended or rewritten survive a power cut.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Cuts the file to `size_bytes`, durable when it returns.
    fn truncate(&self, name: &str, size_bytes: u64) -> io::Result<()>;

    /// Puts a whole file in place of the one before it, at once and durable when it returns.
    fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file, durable when it returns. One that is not there is removed already.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// A path of the real file system for what can be rebuilt. None keeps it in memory.
    fn index(&self) -> Option<&Path> {
        None
    }
}

/// A folder, locked against a second opener for as long as this lives.
#[derive(Debug)]
pub(super) struct DirDisk {
    dir: PathBuf,
    index: PathBuf,
    staged: AtomicU64,
    /// The file that is appended to, apart, so that its handle lives from write to sync: an error
    /// of writing back is told to the handles that were open when it happened.
    tail: Mutex<Option<(String, Arc<File>)>>,
    /// Handles for reading, at most [`DirDisk::HANDLES_MAX`].
    handles: Mutex<HashMap<String, Arc<File>>>,
    /// None where there is only reading.
    lock: Option<File>,
}

impl Drop for DirDisk {
    /// Unlocks by name: a process that is being started at this moment still shares the handle, and
    /// closing ours alone would leave the folder locked until it is not.
    fn drop(&mut self) {
        drop(self.lock.as_ref().map(File::unlock));
    }
}

impl DirDisk {
    const FOLDERS: [&str; 3] = ["segments", "bodies", "staging"];
    const HANDLES_MAX: usize = 64;

    /// Opens `dir`, makes it if it is absent, and refuses it while somebody else has it open.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let failed = |source| super::io_failed("opening the store's folder", source);
        let fresh = !dir.is_dir();
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let lock = options().write(true).create(true).open(dir.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|said| match said {
            TryLockError::WouldBlock => StoreError::InUse,
            TryLockError::Error(source) => failed(source),
        })?;
        let disk = Self::of(dir, Some(lock));
        disk.prepare(fresh).map_err(failed)?;
        Ok(disk)
    }

    /// Opens a new `dir`, absent or empty, with the file `marker` in it before anything else. One
    /// that has the marker already is opened again `if_marked`.
    pub(super) fn begin(dir: &Path, marker: &str, if_marked: bool) -> Result<Self, StoreError> {
        let failed = |source| super::io_failed(&format!("beginning {}", dir.display()), source);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mark = dir.join(marker);
        if !(if_marked && mark.is_file()) {
            if fs::read_dir(dir).map_err(failed)?.next().is_some() {
                return Err(failed(ErrorKind::DirectoryNotEmpty.into()));
            }
            let made = options().write(true).create_new(true).open(mark);
            made.and_then(|file| file.sync_all()).map_err(failed)?;
            sync_dir(dir).and_then(|()| sync_parent(dir)).map_err(failed)?;
        }
        Self::open(dir)
    }

    /// A folder to read from, by any number of stores.
    pub(super) fn attach(dir: &Path) -> Result<Self, StoreError> {
        let failed = |source| super::io_failed("attaching the archive", source);
        fs::read_dir(dir).map_err(failed)?;
        Ok(Self::of(dir, None))
    }

    fn of(dir: &Path, lock: Option<File>) -> Self {
        Self {
            dir: dir.to_path_buf(),
            index: dir.join("index"),
            staged: AtomicU64::new(0),
            tail: Mutex::default(),
            handles: Mutex::default(),
            lock,
        }
    }

    fn prepare(&self, fresh: bool) -> io::Result<()> {
        for folder in Self::FOLDERS {
            DirBuilder::new().recursive(true).mode(0o700).create(self.dir.join(folder))?;
        }
        for left in self.list("staging")? {
            fs::remove_file(self.dir.join("staging").join(left))?;
        }
        sync_dir(&self.dir)?;
        if fresh { sync_parent(&self.dir) } else { Ok(()) }
    }

    fn sync_folder_of(&self, name: &str) -> io::Result<()> {
        self.dir.join(name).parent().map_or(Ok(()), sync_dir)
    }

    fn handle(&self, name: &str) -> io::Result<Arc<File>> {
        if let Some(file) = locked(&self.handles).get(name) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(self.dir.join(name))?);
        let mut handles = locked(&self.handles);
        if handles.len() >= Self::HANDLES_MAX {
            handles.clear();
        }
        handles.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn tail(&self, name: &str) -> io::Result<Arc<File>> {
        let mut tail = locked(&self.tail);
        if let Some((open, file)) = &*tail
            && open == name
        {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(options().append(true).open(self.dir.join(name))?);
        *tail = Some((name.to_owned(), Arc::clone(&file)));
        Ok(file)
    }
}

impl Disk for DirDisk {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.dir.join(folder))?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn size_bytes(&self, name: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.dir.join(name)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = self.handle(name)?;
        let (mut offset, mut read) = (offset, 0);
        while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset) {
                Ok(0) => break,
                Ok(more) => (offset, read) = (offset.saturating_add(more as u64), read + more),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn create(&self, name: &str) -> io::Result<()> {
        drop(options().append(true).create(true).open(self.dir.join(name))?);
        self.sync_folder_of(name)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        (&*self.tail(name)?).write_all(bytes)
    }

    fn rewrite(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        options().write(true).open(self.dir.join(name))?.write_all_at(bytes, offset)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.tail(name)?.sync_data()
    }

    fn truncate(&self, name: &str, size_bytes: u64) -> io::Result<()> {
        let file = options().write(true).open(self.dir.join(name))?;
        file.set_len(size_bytes)?;
        file.sync_all()
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let staged = self.staged.fetch_add(1, Ordering::Relaxed).to_string();
        let staged = self.dir.join("staging").join(staged);
        let mut file = options().write(true).create(true).truncate(true).open(&staged)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&staged, self.dir.join(name))?;
        locked(&self.handles).remove(name);
        self.sync_folder_of(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        locked(&self.handles).remove(name);
        match fs::remove_file(self.dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.sync_folder_of(name),
        }
    }

    fn index(&self) -> Option<&Path> {
        Some(&self.index)
    }
}

/// Moves a folder that can be rebuilt out of the way, in place of the one moved there before.
pub(super) fn set_aside(dir: &Path) -> io::Result<()> {
    let aside = dir.with_extension("aside");
    for gone in [fs::remove_dir_all(&aside), fs::rename(dir, &aside)] {
        match gone {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// A handle is put in or taken out by one call, so a panic leaves the map whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
