#![doc = include_str!("ledger/FORMAT.md")]
