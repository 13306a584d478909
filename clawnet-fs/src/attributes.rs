//! What a file is besides its content: mode, owner, access lists and extended attributes.
//!
//! A file that replaces another takes them over, so that a save by an agent changes content and
//! nothing else. A new one gets what it would have got if it had been made in its directory. What
//! cannot be kept refuses the change: a file that became readable to others is no undo away.
use std::{fs::File, os::fd::AsFd};

use rustix::{
    fs::{Gid, Mode, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr, fsetxattr},
    io::Errno,
};

use crate::{handle::Facts, refusal::FsError};

/// The mode of a new file, before the process's umask: everybody reads, the owner writes.
pub(crate) const FILE_MODE: Mode = Mode::from_bits_retain(0o644);
/// The mode of a new directory, before the process's umask.
pub(crate) const DIRECTORY_MODE: Mode = Mode::from_bits_retain(0o755);
/// The mode of a replacement while nobody but the node may see it.
pub(crate) const PRIVATE_MODE: Mode = Mode::from_bits_retain(0o600);

const SET_GROUP: u32 = 0o2000;
const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";
const LABEL: &str = "security.selinux";
const SMALL_BYTES: usize = 256;
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Gives `new` what `old` has. Bits that lend a file's owner or group to whoever runs it are not
/// content and are not taken over.
///
/// What `new` is then. Of its content nothing may follow.
pub(crate) fn take_over(old: &File, old_facts: &Facts, new: &File) -> Result<Facts, FsError> {
    let facts = own(new, Some(old_facts.user), Some(old_facts.group))?;
    let mut mode = Some(facts.mode);
    let names = match sized(|room| flistxattr(old, room)) {
        Err(Errno::OPNOTSUPP) => Vec::new(),
        other => other?,
    };
    for name in names.split(|byte| *byte == 0) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name.starts_with("user.") || name == ACCESS || name == LABEL {
            copy(old, name, new)?;
            mode = None;
        }
    }
    let wanted = old_facts.mode & 0o777;
    if mode == Some(wanted) {
        return Ok(facts);
    }
    fchmod(new, Mode::from_bits_retain(wanted))?;
    Facts::of(new.as_fd())
}

/// Gives `new` what being made in `parent` would have given it.
///
/// `wanted` is the mode of something that is a copy, before lists and umask; else it is the usual.
pub(crate) fn inherit(
    parent: (&File, &Facts),
    wanted: Option<u32>,
    new: &File,
) -> Result<(), FsError> {
    let (parent, parent_facts) = parent;
    let facts = Facts::of(new.as_fd())?;
    let is_directory = facts.kind == crate::handle::EntryKind::Directory;
    let mut mode = facts.mode;
    if parent_facts.mode & SET_GROUP != 0 {
        own(new, None, Some(parent_facts.group))?;
        if is_directory {
            mode |= SET_GROUP;
        }
    }
    if let Some(list) = value(parent, DEFAULT)? {
        // With a list to inherit, the umask does not count: the list masks instead.
        let usual = if is_directory { 0o777 } else { 0o666 };
        mode = mode & !0o777 | wanted.unwrap_or(usual);
        let (masked, permissions) =
            mask(&list, mode).ok_or(FsError::Unsupported("an access list"))?;
        mode = mode & !0o777 | permissions;
        fsetxattr(new, ACCESS, &masked, XattrFlags::empty())?;
        if is_directory {
            fsetxattr(new, DEFAULT, &list, XattrFlags::empty())?;
        }
    }
    if mode != facts.mode {
        fchmod(new, Mode::from_bits_retain(mode))?;
    }
    Ok(())
}

/// Gives a file to its owner and group. What it is then.
fn own(file: &File, user: Option<u32>, group: Option<u32>) -> Result<Facts, FsError> {
    let facts = Facts::of(file.as_fd())?;
    let user = user.filter(|user| *user != facts.user).map(Uid::from_raw);
    let group = group.filter(|group| *group != facts.group).map(Gid::from_raw);
    if user.is_none() && group.is_none() {
        return Ok(facts);
    }
    fchown(file, user, group)
        .map_err(|_| FsError::Unsupported("the file belongs to somebody else"))?;
    Facts::of(file.as_fd())
}

fn copy(old: &File, name: &str, new: &File) -> Result<(), FsError> {
    match value(old, name)? {
        Some(value) if self::value(new, name)?.as_ref() == Some(&value) => Ok(()),
        Some(value) => Ok(fsetxattr(new, name, &value, XattrFlags::empty())?),
        None => Ok(()),
    }
}

fn value(file: &File, name: &str) -> Result<Option<Vec<u8>>, FsError> {
    match sized(|room| fgetxattr(file, name, room)) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// What a call writes into a room: a small one first, which is nearly always enough.
fn sized(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; SMALL_BYTES];
    match call(&mut small) {
        Err(Errno::RANGE) => {}
        other => return Ok(small.get(..other?).unwrap_or_default().to_vec()),
    }
    let mut value = vec![0; VALUE_BYTES_MAX];
    let size = call(&mut value)?;
    value.truncate(size);
    Ok(value)
}

/// A default list cut down to `mode`, as the kernel does when it makes a file, and the permission
/// bits that come of it. The format is fixed: a version, then entries of tag, bits and id.
fn mask(list: &[u8], mode: u32) -> Option<(Vec<u8>, u32)> {
    const USER: u16 = 0x01;
    const GROUP: u16 = 0x04;
    const MASK: u16 = 0x10;
    const OTHER: u16 = 0x20;
    let (version, entries) = list.split_at_checked(4)?;
    let tag = |entry: &[u8]| Some(u16::from_le_bytes([*entry.first()?, *entry.get(1)?]));
    let has_mask = entries.chunks(8).any(|entry| tag(entry) == Some(MASK));
    let (mut out, mut permissions) = (version.to_vec(), 0);
    for entry in entries.chunks(8) {
        let mut entry: [u8; 8] = entry.try_into().ok()?;
        let [tag_low, tag_high, bits, ..] = &mut entry;
        let shift = match u16::from_le_bytes([*tag_low, *tag_high]) {
            USER => Some(6),
            MASK => Some(3),
            GROUP if !has_mask => Some(3),
            OTHER => Some(0),
            _ => None,
        };
        if let Some(shift) = shift {
            let allowed = u32::from(*bits) & (mode >> shift) & 0o7;
            *bits = u8::try_from(allowed).ok()?;
            permissions |= allowed << shift;
        }
        out.extend_from_slice(&entry);
    }
    Some((out, permissions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16)]) -> Vec<u8> {
        let each = entries.iter().flat_map(|(tag, bits)| {
            [tag.to_le_bytes(), bits.to_le_bytes(), [0xff, 0xff], [0xff, 0xff]].concat()
        });
        2u32.to_le_bytes().into_iter().chain(each).collect()
    }

    #[test]
    fn an_inherited_list_is_cut_down_to_the_mode() {
        let wide = list(&[(1, 7), (2, 7), (4, 7), (0x10, 7), (0x20, 5)]);
        let narrow = list(&[(1, 6), (2, 7), (4, 7), (0x10, 6), (0x20, 4)]);
        assert_eq!(mask(&wide, 0o666), Some((narrow, 0o664)));
        assert_eq!(mask(&[2, 0, 0, 0, 1], 0o666), None);
    }
}
