//! A store behind glass: every file can be read, and nothing is ever changed.
//!
//! The application may be at work behind it. A group of records that it is writing is a torn end to
//! whoever reads, and is not looked at.
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use clawnet_core::Disk;

/// The files of a store, without its lock and without its index.
#[derive(Debug)]
pub(crate) struct Glass {
    folder: PathBuf,
    /// The file that was read last.
    last: Mutex<Option<(String, Arc<File>)>>,
}

impl Glass {
    pub(crate) fn before(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), last: Mutex::default() }
    }

    fn file(&self, name: &str) -> io::Result<Arc<File>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((open, file)) = &*last
            && open == name
        {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(self.folder.join(name))?);
        *last = Some((name.to_owned(), Arc::clone(&file)));
        Ok(file)
    }
}

impl Disk for Glass {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        match fs::read_dir(self.folder.join(folder)) {
            Ok(entries) => {
                entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn size_bytes(&self, name: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.folder.join(name)) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = self.file(name)?;
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

    /// Opening makes sure of a file that is there.
    fn create(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn append(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    /// What others wrote is theirs to make certain.
    fn sync(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    /// A torn end is not read, and stays.
    fn truncate(&self, _: &str, _: u64) -> io::Result<()> {
        Ok(())
    }

    /// Opening writes again what is there.
    fn rewrite(&self, _: &str, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn keep(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    /// Opening tidies up among the segments; here that is left to who may.
    fn remove(&self, name: &str) -> io::Result<()> {
        let tidied = name.starts_with("segments/");
        if tidied { Ok(()) } else { Err(ErrorKind::ReadOnlyFilesystem.into()) }
    }
}
