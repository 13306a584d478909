#![doc = include_str!("../JOURNAL.md")]
