//! What opening a store found, for programs and for people.
use std::fmt;

use crate::store::StoreError;

/// What opening a [`LocalStore`](super::LocalStore) found and did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Opened {
    /// How many records there are, in all logs.
    pub records: u64,
    /// How many logs there are.
    pub logs: usize,
    /// How many segments there are, archived ones included.
    pub segments: usize,
    /// How many of them are archived: here is only a stub of each.
    pub archived: usize,
    /// How many records were read again and verified: those behind the index's watermark.
    pub replayed: u64,
    /// How many bytes of a torn end were cut. They were never acknowledged as durable.
    pub torn_size_bytes: u64,
    /// Where the cut was made.
    pub torn_at: Option<String>,
    /// Why the index was rebuilt, if it was. It cost time, and nothing else.
    pub index_rebuilt: Option<String>,
    /// Damage that is no torn end. Nothing was cut, and the store only reads.
    pub damage: Option<StoreError>,
    /// What was flushed once and is not there any more. It is damage as well, so the store only
    /// reads: a log that went on behind a lost end would give numbers to records that others may
    /// have seen other records under.
    pub missing: Option<Missing>,
}

/// The index has seen a group flushed, and the segments do not have it.
///
/// Either the end of the segments is gone (they were put back from an older copy, or the file
/// system lost what it had flushed), or the index belongs to other segments. A checkpoint that
/// somebody else holds tells which. Until someone decides, every opening says so. To decide for the
/// segments as they are, remove the folder `index/`, which costs the time to rebuild it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// How many records there were, in all logs, up to the end of the group that is missing.
    pub records_before: u64,
    /// How many records there are.
    pub records_found: u64,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records_before, records_found } = self;
        write!(
            f,
            "{records_before} records were flushed, and the {records_found} that are there "
        )?;
        f.write_str("are not all of them")
    }
}

/// One line, the worst last.
impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, logs, segments, archived, replayed, torn_size_bytes, .. } = self;
        write!(f, "{records} records in {logs} logs and {segments} segments")?;
        if *archived > 0 {
            write!(f, ", {archived} of them archived")?;
        }
        if *replayed > 0 {
            write!(f, "; {replayed} read again")?;
        }
        if let Some(why) = &self.index_rebuilt {
            write!(f, "; index rebuilt, because {why}")?;
        }
        if let Some(at) = &self.torn_at {
            write!(f, "; {torn_size_bytes} bytes of a torn end cut at {at}")?;
        }
        if let Some(missing) = &self.missing {
            write!(f, "; MISSING: {missing}")?;
        }
        if let Some(damage) = &self.damage {
            write!(f, "; READS ONLY: {damage}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_says_in_one_line_what_was_found() {
        let check = |opened: Opened, expect: &str| assert_eq!(opened.to_string(), expect);
        let opened = Opened { records: 7, logs: 2, segments: 1, ..Opened::default() };
        check(opened.clone(), "7 records in 2 logs and 1 segments");
        check(
            Opened { segments: 3, archived: 2, ..opened.clone() },
            "7 records in 2 logs and 3 segments, 2 of them archived",
        );
        let torn =
            Opened { torn_size_bytes: 9, torn_at: Some("segment 1, byte 32".into()), ..opened };
        let rebuilt = Some("it had no watermark".to_owned());
        let torn = Opened { replayed: 7, index_rebuilt: rebuilt, ..torn };
        let line = "7 records in 2 logs and 1 segments; 7 read again; index rebuilt, because it had \
                    no watermark; 9 bytes of a torn end cut at segment 1, byte 32";
        check(torn, line);
        let missing = Missing { records_before: 9, records_found: 7 };
        let (position, what) = ("segment 1, byte 32".to_owned(), missing.to_string());
        let damage = Some(StoreError::Damaged { position, what });
        let line = Opened { missing: Some(missing), damage, ..Opened::default() }.to_string();
        assert!(
            line.contains("; MISSING: 9 records were flushed, and the 7 that are there"),
            "{line}"
        );
        assert!(line.contains("; READS ONLY: the store is damaged at segment 1"), "{line}");
        assert!(!line.contains('\n'));
    }
}
