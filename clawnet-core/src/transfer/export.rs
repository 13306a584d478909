//! Writing a whole ledger down, verified as it goes by.
use std::{collections::BTreeSet, io::Write};

use super::{BODY_BYTES_MAX, Export, ExportError, Transferred, record_of, write::Writer};
use crate::{
    digest::Digest,
    ledger::{Ledger, Progress, Reading, Unread},
    record::AuditRecord,
    store::StoreError,
};

/// How much is read from the store at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Writes `ledger` down to where it ends now. A ledger that breaks, or that had failed before, gets
/// no end.
pub(crate) async fn export(
    ledger: &Ledger,
    out: &mut (dyn Write + Send),
    how: Export,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Transferred, ExportError> {
    let mut reading = Reading::of(ledger);
    let mut writer = Writer::new(out, how.form);
    let mut bodies = Bodies { ledger, named: BTreeSet::new(), count: 0 };
    writer.header(reading.founder())?;
    loop {
        let frames = reading.next(CHUNK_BYTES).await.map_err(|unread| match unread {
            Unread::Damage(damage) => ExportError::Damage(damage),
            Unread::Store(error) => ExportError::Store(error),
        });
        let frames = match frames {
            Ok(frames) if frames.is_empty() => break,
            Ok(frames) => frames,
            // What is as it was written gets out all the same.
            Err(error) => return writer.flush().and(Err(error)),
        };
        for frame in &frames {
            let record = record_of(frame)?;
            writer.record(frame)?;
            if how.bodies {
                bodies.follow(&record, &mut writer).await?;
            }
        }
        progress(reading.progress());
    }
    if let Some(error) = ledger.failure() {
        return writer.flush().and(Err(error.clone().into()));
    }
    writer.end(reading.head())?;
    Ok(Transferred { found: reading.found(), bodies: bodies.count })
}

/// Puts each body behind the first record that names it: 32 bytes are remembered of each.
struct Bodies<'l> {
    ledger: &'l Ledger,
    named: BTreeSet<Digest>,
    count: u64,
}

impl Bodies<'_> {
    async fn follow(
        &mut self,
        record: &AuditRecord,
        writer: &mut Writer<'_>,
    ) -> Result<(), ExportError> {
        let Some(digest) = record.event.body().filter(|digest| self.named.insert(*digest)) else {
            return Ok(());
        };
        let Some(content) = self.ledger.store.body(self.ledger.owner, digest).await? else {
            return Ok(());
        };
        if content.len() > BODY_BYTES_MAX {
            let (size_bytes, size_bytes_max) = (content.len(), BODY_BYTES_MAX);
            return Err(StoreError::TooLarge { size_bytes, size_bytes_max }.into());
        }
        if Digest::of_content(&content) != digest {
            let what = "its content does not have its digest".into();
            return Err(StoreError::Damaged { position: format!("body {digest}"), what }.into());
        }
        self.count += 1;
        writer.body(digest, &content)
    }
}
