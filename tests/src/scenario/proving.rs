//! Commands that prove. Each proof is checked at once, as an outsider does: with what was handed
//! over and public keys alone.
use clawnet_core::{
    ConsistencyProof, Digest, InclusionProof, SignedCheckpoint, Signer as _, TreeHash,
};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::plain, principal::key, step::Step, tampering::chain, trouble::Trouble, world::World,
};

/// Signs the size and the root of the whole ledger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointStep {
    r#as: Option<String>,
}

impl Step for CheckpointStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let principal = world.principal()?;
        let signed = block_on(principal.opened()?.kernel.checkpoint())?;
        let by = principal.kernel_key().unwrap_or_default().to_owned();
        // It is a text, and whoever gets it reads it.
        let note: SignedCheckpoint = signed.to_string().parse()?;
        note.verify(&key(&by).public_key())?;
        let said = note.checkpoint();
        let result = json!({"size": said.size, "root": plain(&said.root), "by": by});
        world.checkpoints.keep(self.r#as.as_deref(), note)?;
        Ok(result)
    }
}

/// What is altered before somebody checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Forge {
    /// The path of hashes.
    Path,
    /// The content of the record.
    Record,
    /// The root under the checkpoint, or the earlier root.
    Root,
    /// Where the record stands.
    Sequence,
    /// How many records the tree has, or had.
    Size,
}

/// Proves that a record is under a checkpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProveStep {
    record: u64,
    under: String,
    forge: Option<Forge>,
}

impl Step for ProveStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let signed = world.checkpoints.find(&self.under)?.clone();
        let principal = world.principal()?;
        let ledger = principal.public_key().owner();
        let proof = block_on(principal.opened()?.kernel.prove(self.record, &signed))?;
        let said = signed.checkpoint();
        let (mut sequence, mut size) = (proof.sequence(), proof.size());
        let (mut path, mut root) = (proof.path().to_vec(), said.root);
        let frames = world.frames(ledger, self.record)?;
        let nothing = || Trouble::misread("the store has no such record");
        let (frame, before) = frames.split_last().ok_or_else(nothing)?;
        let mut record = frame.payload.to_vec();
        match self.forge {
            Some(Forge::Path) => alter_path(&mut path),
            Some(Forge::Record) => record.push(b' '),
            Some(Forge::Root) => root = altered(&root),
            Some(Forge::Sequence) if sequence == size => sequence -= 1,
            Some(Forge::Sequence) => sequence += 1,
            Some(Forge::Size) => size += 1,
            None => {}
        }
        // What an outsider does: the record gives its hash, and the checkpoint says size and root.
        let previous = before.last().map_or(Digest::from_bytes([0; 32]), |frame| frame.hash);
        let hash = chain((ledger, self.record), previous, &record);
        check_size(size, said.size)?;
        InclusionProof::new(sequence, size, path).verify(hash, &root)?;
        Ok(json!({"proven": sequence, "of": size, "path": proof.path().len()}))
    }
}

/// Proves that what is under one checkpoint begins with what is under another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProveGrowthStep {
    from: String,
    to: String,
    forge: Option<Forge>,
}

impl Step for ProveGrowthStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (from, to) = (world.checkpoints.find(&self.from)?, world.checkpoints.find(&self.to)?);
        let (old, to) = (from.checkpoint().clone(), to.clone());
        let kernel = &world.principal()?.opened()?.kernel;
        let proof = block_on(kernel.prove_growth(old.size, &to))?;
        let (mut size, mut path, mut root) = (proof.from(), proof.path().to_vec(), old.root);
        match self.forge {
            Some(Forge::Path) => alter_path(&mut path),
            Some(Forge::Root) => root = altered(&root),
            Some(Forge::Size) => size += 1,
            Some(Forge::Record | Forge::Sequence) => {
                return Err(Trouble::misread("growth has no record: forge path, root or size"));
            }
            None => {}
        }
        let new = to.checkpoint();
        check_size(size, old.size)?;
        check_size(proof.to(), new.size)?;
        ConsistencyProof::new(size, proof.to(), path).verify(&root, &new.root)?;
        Ok(json!({"from": old.size, "grew_to": new.size, "path": proof.path().len()}))
    }
}

/// A proof speaks of a size, and the checkpoint says which it has to be.
fn check_size(proven: u64, signed: u64) -> Result<(), Trouble> {
    if proven == signed {
        return Ok(());
    }
    Err(Trouble::Said(format!("the proof is of {proven} records, the checkpoint of {signed}")))
}

fn alter_path(path: &mut Vec<TreeHash>) {
    match path.last_mut() {
        Some(last) => *last = altered(last),
        None => path.push(TreeHash::EMPTY),
    }
}

fn altered(hash: &TreeHash) -> TreeHash {
    TreeHash::from_bytes(hash.as_bytes().map(|byte| byte ^ 1))
}
