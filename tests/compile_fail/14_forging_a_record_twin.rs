//! A record cannot be made up, only read.
use clawnet_core::*;

fn forge(record: AuditRecord) -> AuditRecord {
    let AuditRecord { sequence, hash, at, actor, event, .. } = record.clone();
    drop((sequence, hash, at, actor, event.clone()));
    record
}

fn main() {}
