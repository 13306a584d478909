//! What an export does when its writer, its ledger or the time goes wrong.
use super::*;

#[test]
fn a_writer_that_fails_fails_the_export_and_not_the_ledger() {
    block_on(async {
        let (kernel, owner) = story(Arc::new(MemoryStore::new())).await;
        for room in [0, 100, 4000] {
            let failed = owner.export(&mut Full(room), Export::json_lines(), |_| ()).await;
            assert!(matches!(failed, Err(ExportError::Writer(_))), "{room}: {failed:?}");
        }
        assert!(kernel.failure().is_none());
        owner.identity("after").await.unwrap();
    });
}

#[test]
fn a_broken_ledger_is_never_exported_as_whole() {
    block_on(async {
        let whole = Arc::new(MemoryStore::new());
        drop(story(whole.clone()).await);
        let mut frames = log(&*whole).await;
        Arc::make_mut(&mut frames[5].payload)[40] ^= 1;
        // Broken when it was opened.
        let (kernel, owner) = open(Arc::new(beginning(&frames).await)).await;
        assert_eq!(kernel.damage().unwrap().sequence, 6);
        for how in FORMS {
            let mut out = Vec::new();
            let stopped = owner.export(&mut out, how, |_| ()).await;
            assert!(matches!(stopped, Err(ExportError::Damage(at)) if at.sequence == 6));
            assert_eq!(flaw(verified(&out)), Flaw::CutOff);
        }
        // Opened from a kept state, so that the damage is found by the export.
        let (kernel, owner) = open(whole.clone()).await;
        drop(owner.certify(key(9).public_key()).await);
        kernel.sign_with(key(9));
        kernel.snapshot().await.unwrap();
        let log_id = kernel.owner_id();
        let kept = whole.snapshot(log_id).await.unwrap().unwrap();
        let mut frames = log(&*whole).await;
        Arc::make_mut(&mut frames[5].payload)[40] ^= 1;
        let broken = Arc::new(beginning(&frames).await);
        broken.keep_snapshot(log_id, kept).await.unwrap();
        let (kernel, owner) = open(broken).await;
        assert_eq!(kernel.damage(), None);
        let mut out = Vec::new();
        let stopped = owner.export(&mut out, Export::json_lines(), |_| ()).await;
        assert!(matches!(stopped, Err(ExportError::Damage(at)) if at.sequence == 6));
        assert_eq!(flaw(verified(&out)), Flaw::CutOff);
        assert!(matches!(kernel.failure(), Some(StoreError::Damaged { .. })));
    });
}

#[test]
fn a_ledger_that_was_cut_is_never_exported_as_whole() {
    block_on(async {
        let whole = Arc::new(MemoryStore::new());
        let (kernel, _owner) = story(whole.clone()).await;
        let frames = log(&*whole).await;
        let cut = Arc::new(beginning(&frames[..frames.len() - 2]).await);
        let governing = Kernel::governing(founder()).remembering(kernel.head());
        let clock = ManualClock::at(Timestamp::from_millis(1000));
        let kernel = governing.open_shared(cut, clock).await.unwrap();
        let owner = kernel.owner(key(1)).await.unwrap();
        for how in FORMS {
            let mut out = Vec::new();
            let stopped = owner.export(&mut out, how, |_| ()).await;
            assert!(matches!(stopped, Err(ExportError::Store(StoreError::Damaged { .. }))));
            assert_eq!(flaw(verified(&out)), Flaw::CutOff);
        }
    });
}

#[test]
fn an_export_ends_where_the_ledger_did_when_it_began() {
    block_on(async {
        let (kernel, owner) = story(Arc::new(MemoryStore::new())).await;
        let before = kernel.head().sequence;
        let mut reading = Reading::of(&owner.ledger);
        owner.freeze_all().await.unwrap();
        let Ok(frames) = reading.next(usize::MAX).await else { panic!() };
        assert_eq!(frames.last().unwrap().sequence, before, "what came since is not read along");
        let Ok(behind) = reading.next(usize::MAX).await else { panic!() };
        assert!(behind.is_empty());

        let (kernel, owner) = story(Arc::new(MemoryStore::new())).await;
        let before = kernel.head();
        let mut out = Grow { owner: &owner, bytes: Vec::new() };
        let found = owner.export(&mut out, Export::json_lines(), |_| ()).await.unwrap();
        assert!(kernel.head().sequence > before.sequence);
        assert_eq!((found.found.records, found.found.head), (before.sequence, before.hash));
        verified(&out.bytes).unwrap();
        let mut seen = Vec::new();
        let progress = |progress| seen.push(progress);
        owner.export(&mut Vec::new(), Export::native(), progress).await.unwrap();
        let last = seen.last().unwrap();
        assert_eq!((last.records, last.of), (kernel.head().sequence, kernel.head().sequence));
    });
}

/// A writer during whose writing the ledger grows.
struct Grow<'o> {
    owner: &'o Owner,
    bytes: Vec<u8>,
}

impl io::Write for Grow<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::scope(|s| drop(s.spawn(|| block_on(self.owner.freeze_all()).unwrap())));
        self.bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
