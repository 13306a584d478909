//! Torn ends are cut; everything else that is broken is said, and nothing is changed.
use super::*;

const FIRST: &str = "segments/00000001.log";

/// A disk with one segment of `groups` groups of three frames in two logs, and where each ends.
fn disk_of(groups: usize) -> (SimDisk, Vec<usize>) {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, LocalStore::SEGMENT_SIZE_BYTES_MAX);
    let mut ends = Vec::new();
    for nth in 0..groups {
        let log = owner(u8::try_from(nth % 2).unwrap());
        block_on(append(&store, log, (3, 33), Durability::Durable)).unwrap();
        ends.push(disk.bytes(FIRST).len());
    }
    drop(store);
    (disk, ends)
}

fn with(bytes: Vec<u8>) -> SimDisk {
    let disk = SimDisk::default();
    disk.put(FIRST, bytes);
    disk
}

fn check_cut(bytes: &[u8], end: usize, what: &str) {
    let (disk, torn) = (with(bytes.to_vec()), bytes.len() - end);
    let (store, opened) = open_on(&disk, LocalStore::SEGMENT_SIZE_BYTES_MAX);
    assert_eq!((opened.records, opened.torn_size_bytes), (9, torn as u64), "{what}: {opened:?}");
    assert!(opened.damage.is_none(), "{what}: {opened:?}");
    let at = (torn > 0).then(|| format!("segment 1, byte {end}"));
    assert_eq!(opened.torn_at, at, "{what}");
    assert_eq!(disk.bytes(FIRST), bytes[..end], "{what}");
    block_on(append(&store, owner(1), (3, 33), Durability::Durable)).unwrap();
    drop(store);
    let (store, opened) = open_on(&disk, LocalStore::SEGMENT_SIZE_BYTES_MAX);
    assert_eq!((opened.records, opened.torn_size_bytes), (12, 0), "{what}: {opened:?}");
    (0..2).for_each(|log| assert_eq!(read_all(&store, owner(log), 100).unwrap().len(), 6));
}

#[test]
fn a_torn_end_is_cut_at_every_byte() {
    let (disk, ends) = disk_of(4);
    let (bytes, end) = (disk.bytes(FIRST), ends[2]);
    for cut in end..bytes.len() {
        check_cut(&bytes[..cut], end, &format!("cut at {cut}"));
        let mut zeroed = bytes.clone();
        zeroed[cut..].fill(0);
        if zeroed != bytes {
            check_cut(&zeroed, end, &format!("zeros from {cut}"));
        }
        let mut flipped = bytes.clone();
        flipped[cut] ^= 0x10;
        check_cut(&flipped, end, &format!("flipped at {cut}"));
    }
}

#[test]
fn a_torn_first_group_leaves_an_empty_store() {
    let (disk, _) = disk_of(1);
    let bytes = disk.bytes(FIRST);
    for cut in 0..bytes.len() {
        let disk = with(bytes[..cut].to_vec());
        let (store, opened) = open_on(&disk, TINY);
        assert_eq!((opened.records, opened.damage.is_none()), (0, true), "{cut}: {opened:?}");
        block_on(append(&store, owner(0), (3, 33), Durability::Durable)).unwrap();
        drop(store);
        assert_eq!(disk.bytes(FIRST), bytes, "{cut}");
    }
}

#[test]
fn a_flipped_bit_before_a_whole_group_is_damage_and_nothing_is_cut() {
    let (disk, ends) = disk_of(4);
    let bytes = disk.bytes(FIRST);
    for bit in 0..ends[2] * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let disk = with(flipped.clone());
        let (store, opened) = open_on(&disk, LocalStore::SEGMENT_SIZE_BYTES_MAX);
        let damage = opened.damage.unwrap_or_else(|| panic!("bit {bit} is not found"));
        assert!(matches!(damage, StoreError::Damaged { .. }));
        let said = block_on(append(&store, owner(0), (1, 10), Durability::Durable));
        assert!(matches!(said, Err(StoreError::Damaged { .. })), "bit {bit}: {said:?}");
        let said = block_on(store.keep_body(owner(0), b""));
        assert!(matches!(said, Err(StoreError::Damaged { .. })), "bit {bit}: {said:?}");
        for log in [0, 1].map(owner) {
            for sequence in 1..=6 {
                match block_on(store.read(log, sequence, 1)) {
                    Ok(found) => assert_eq!(found, [frame(log, sequence, 33)], "bit {bit}"),
                    Err(error) => assert!(matches!(error, StoreError::Damaged { .. })),
                }
            }
        }
        drop(store);
        assert_eq!(disk.bytes(FIRST), flipped, "bit {bit}");
    }
}

#[test]
fn a_flipped_payload_is_refused_alone() {
    let (disk, ends) = disk_of(6);
    let mut bytes = disk.bytes(FIRST);
    // The last payload byte of the second log's third frame.
    bytes[ends[1] - 65] ^= 1;
    let (store, opened) = open_on(&with(bytes), LocalStore::SEGMENT_SIZE_BYTES_MAX);
    let at = format!("segment 1, byte {}", ends[0]);
    let said = format!("the store is damaged at {at}: no whole group, but one after it");
    assert_eq!(opened.damage.unwrap().to_string(), said);
    assert_eq!(read_all(&store, owner(0), 1).unwrap().len(), 9);
    assert_eq!(block_on(store.read(owner(1), 1, 1000)).unwrap().len(), 2);
    assert!(matches!(block_on(store.read(owner(1), 3, 1)), Err(StoreError::Damaged { .. })));
    assert_eq!(block_on(store.read(owner(1), 4, 1000)).unwrap().len(), 6);
}

#[test]
fn a_sealed_segment_is_never_cut() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, 1 << 10);
    for _ in 0..20 {
        block_on(append(&store, owner(0), (1, 300), Durability::Durable)).unwrap();
    }
    drop(store);
    let whole = disk.bytes("segments/00000002.log");
    for cut in [0, 10, 32, whole.len() - 1] {
        disk.put("segments/00000002.log", whole[..cut].to_vec());
        let (store, opened) = open_on(&disk, 1 << 10);
        assert!(opened.damage.is_some() && opened.torn_size_bytes == 0, "{cut}: {opened:?}");
        drop(store);
        assert_eq!(disk.bytes("segments/00000002.log").len(), cut);
    }
    disk.sim().files.remove("segments/00000002.log");
    let (store, opened) = open_on(&disk, 1 << 10);
    let said = "the store is damaged at segment 2, byte 0: the segment is missing";
    assert_eq!(opened.damage.unwrap().to_string(), said);
    assert!(read_all(&store, owner(0), 1000).is_err());
}

#[test]
fn what_is_longer_than_a_group_was_whole_once() {
    let (disk, ends) = disk_of(2);
    let mut bytes = disk.bytes(FIRST);
    bytes.extend(vec![7; 5 << 20]);
    let (_store, opened) = open_on(&with(bytes), LocalStore::SEGMENT_SIZE_BYTES_MAX);
    assert!(opened.damage.unwrap().to_string().contains(&format!("byte {}", ends[1])));
}

#[test]
fn a_changed_body_is_said() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, TINY);
    let digest = block_on(store.keep_body(owner(0), b"body")).unwrap();
    disk.put(&format!("bodies/{}-{digest}", owner(0)), b"bogy".to_vec());
    let said = block_on(store.body(owner(0), digest));
    assert!(matches!(said, Err(StoreError::Damaged { .. })), "{said:?}");
    block_on(append(&store, owner(0), (1, 10), Durability::Durable)).unwrap();
    block_on(store.keep_body(owner(0), b"body")).unwrap();
    assert!(block_on(store.body(owner(0), digest)).unwrap().is_some());
}
