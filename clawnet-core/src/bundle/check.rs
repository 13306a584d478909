//! Checking a bundle, with the founding key and nothing else.
use std::collections::BTreeMap;

use super::{
    Bundle, FORMAT, Proven, RECORDS_MAX, Shown, Unproven,
    case::{Case, Records},
};
use crate::{
    digest::Digest,
    key::PublicKey,
    policy::may_cause,
    record::{AuditRecord, Event, chain},
    store::Head,
    time::Timestamp,
    tree::{InclusionProof, TreeHash},
    verify::{Keys, check_opening},
};

impl Bundle {
    /// Checks everything, and says what is proven: that each record is under the checkpoint, that
    /// the certified kernel signed that, that the owner signed each act among the records, all of
    /// it beginning with `founder`; and that the records bear each other.
    pub fn check(&self, founder: PublicKey) -> Result<Proven, Unproven> {
        let said = self.checkpoint.checkpoint();
        match self {
            Self { format, .. } if *format != FORMAT => return Err(Unproven::Format(*format)),
            Self { key, .. } if *key != founder => return Err(Unproven::Foreign(*key)),
            Self { records, .. } if records.len() > RECORDS_MAX => return Err(Unproven::TooMany),
            Self { .. } => {}
        }
        let mut walk = Walk {
            tree: (said.size, said.root),
            keys: Keys::of(founder),
            head: Head::EMPTY,
            at: Timestamp::default(),
            records: BTreeMap::new(),
        };
        for shown in &self.records {
            walk.take(shown)?;
        }
        let Walk { keys, records, .. } = walk;
        let kernel_key = keys.kernel.ok_or(Unproven::Uncertified)?;
        if said.owner() != Some(keys.owner) {
            return Err(Unproven::Foreign(founder));
        }
        self.checkpoint.verify(&kernel_key).map_err(Unproven::Checkpoint)?;
        Case { owner: keys.owner, records: &records }
            .prove(self.subject)
            .map(|facts| facts.under((keys.owner, kernel_key), said.clone()))
    }
}

/// The records from the first to the last, of which some are left out.
struct Walk {
    tree: (u64, TreeHash),
    keys: Keys,
    head: Head,
    at: Timestamp,
    records: Records,
}

impl Walk {
    fn take(&mut self, shown: &Shown) -> Result<(), Unproven> {
        let sequence = shown.sequence;
        let (size, root) = self.tree;
        let payload = shown.record.get().as_bytes();
        let hash = chain(self.keys.owner, sequence, shown.previous, payload);
        let proof = InclusionProof::new(sequence, size, shown.path.clone());
        proof.verify(hash, &root).map_err(|why| Unproven::Outside { sequence, why })?;
        self.follow(shown, hash).map_err(|what| Unproven::Record { sequence, what })
    }

    fn follow(&mut self, shown: &Shown, hash: Digest) -> Result<(), String> {
        let sequence = shown.sequence;
        if sequence <= self.head.sequence {
            return Err("it is out of order".into());
        }
        let next_to_it = sequence == self.head.sequence.saturating_add(1);
        if next_to_it && shown.previous != self.head.hash {
            return Err("it does not follow the record before it".into());
        }
        let record = AuditRecord::from_frame(&shown.frame(hash)).map_err(|error| error.what)?;
        if record.at < self.at {
            return Err("its time is before the record before it".into());
        }
        if !may_cause(record.actor, &record.event) {
            return Err(format!("it is not the {}'s to cause", record.actor.role()));
        }
        if let Event::Act(signed) = &record.event {
            if signed.number <= self.keys.acts {
                return Err("its act is out of order".into());
            }
            self.keys.take(signed)?;
        }
        if let Event::Opened { format, key } = &record.event {
            check_opening((sequence, self.keys.owner), *format, *key)?;
        }
        (self.head, self.at) = (Head { sequence, hash }, record.at);
        self.records.insert(sequence, record);
        Ok(())
    }
}
