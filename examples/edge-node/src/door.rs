//! The way in, and the user this process is.
use std::{
    fs,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    fs::Mode,
    net::sockopt::socket_peercred,
    process::{Gid, Uid, geteuid, umask},
    thread::{set_thread_gid, set_thread_groups, set_thread_uid},
};

/// A socket for its owner alone.
pub(crate) fn listen(path: &Path, uid: Option<u32>) -> Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        bail!("another node listens on `{}`", path.display());
    }
    drop(fs::remove_file(path));
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path).with_context(|| format!("`{}`", path.display()));
    umask(before);
    if let Some(uid) = uid.filter(|_| geteuid().is_root()) {
        std::os::unix::fs::chown(path, Some(uid), None)?;
    }
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The next connection, if it is by root or by the user this process runs as.
pub(crate) fn accept(listener: &UnixListener) -> Result<Option<UnixStream>> {
    let Ok((stream, _)) = listener.accept() else {
        std::thread::sleep(Duration::from_millis(20));
        return Ok(None);
    };
    stream.set_nonblocking(false)?;
    let peer = socket_peercred(&stream)?;
    if peer.uid.is_root() || peer.uid == geteuid() {
        return Ok(Some(stream));
    }
    println!("refused a stranger: user {}", peer.uid.as_raw());
    Ok(None)
}

/// Gives root up, where it is held and another user is named.
pub(crate) fn become_user(uid: Option<u32>) -> Result<()> {
    let Some(uid) = uid.filter(|uid| *uid != geteuid().as_raw()) else { return Ok(()) };
    ensure!(geteuid().is_root(), "only root can become user {uid}");
    set_thread_groups(&[])?;
    set_thread_gid(Gid::from_raw(uid))?;
    set_thread_uid(Uid::from_raw(uid))?;
    ensure!(set_thread_uid(Uid::ROOT).is_err(), "root was not given up");
    Ok(())
}
