//! Exports of what somebody put behind the last record: chaining needs no key.
use super::*;
use crate::record::chain;

/// The native form of these records, as anybody can write it.
fn native(frames: &[Frame]) -> Vec<u8> {
    let mut out = b"clawledg\x01\0\0\0".to_vec();
    out.extend(founder().as_bytes());
    for Frame { sequence, hash, payload, .. } in frames {
        let length = u32::try_from(payload.len()).unwrap();
        out.extend([[1].as_slice(), &length.to_le_bytes(), &sequence.to_le_bytes()].concat());
        out.extend([hash.as_bytes().as_slice(), payload].concat());
    }
    let end = Head::after(frames.last().unwrap());
    out.extend([[0].as_slice(), &end.sequence.to_le_bytes(), end.hash.as_bytes()].concat());
    out
}

#[test]
fn what_no_kernel_can_open_is_not_imported() {
    block_on(async {
        let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
        drop(story(whole.clone()).await);
        let frames = log(&*whole).await;
        assert!(Import::of(founder()).verify(Cursor::new(native(&frames)), |_| ()).is_ok());
        let last = frames.last().unwrap();
        let agent = frames.iter().find_map(|frame| {
            let text = std::str::from_utf8(&frame.payload).unwrap();
            text.strip_prefix(r#"{"actor":""#)?.starts_with("agt_").then(|| text[10..67].to_owned())
        });
        let agent = agent.unwrap();
        // Chaining needs no key.
        for (actor, event) in [
            ("agt_who", r#"{"intent":{}}"#),
            (&agent, r#"{"denied":{"denial":{"code":"no_grant","layer":"scope"},"kind":7}}"#),
            (&agent, r#"{"outcome":{"intent":1,"result":"done"},"more":0}"#),
        ] {
            let payload = format!(r#"{{"actor":"{actor}","at":1000,"event":{event}}}"#);
            let payload = payload.into_bytes();
            let owner = founder().owner();
            let hash = chain(owner, last.sequence + 1, last.hash, &payload);
            let mut forged = frames.clone();
            forged.push(Frame::new(last.sequence + 1, hash, payload.into()));
            let read = Import::of(founder()).verify(Cursor::new(native(&forged)), |_| ());
            let at = last.sequence + 1;
            let refused =
                matches!(&read, Err(ImportError::Damage(damage)) if damage.sequence == at);
            assert!(refused, "{event}: {read:?}");
        }
    });
}
