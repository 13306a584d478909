//! Reading, listing and asking: exact, bounded, and never cut in silence.
use super::*;

#[test]
fn a_read_gives_a_range_and_says_what_is_left() {
    let world = World::new();
    world.work.write("file", "0123456789").unwrap();
    let read =
        |offset, limit| world.submit(&Read::of(path("/work/file")).range(offset, limit)).unwrap();
    let part = read(2, 3);
    assert_eq!((part.content.as_text(), part.has_more, part.size_bytes), (Some("234"), true, 10));
    assert_eq!((read(8, 9).content.as_text(), read(8, 9).has_more), (Some("89"), false));
    assert_eq!((read(99, 9).content.as_text(), read(99, 9).has_more), (Some(""), false));
    let whole = world.submit(&Read::of(path("/work/file")).with_digest()).unwrap();
    assert_eq!(whole.digest, Some(clawnet_core::Digest::of_content(b"0123456789")));
    let part = world.submit(&Read::of(path("/work/file")).range(1, 1).with_digest()).unwrap();
    assert_eq!(part.digest, whole.digest);
}

#[test]
fn what_is_over_a_limit_is_refused_and_not_cut() {
    let world = World::new();
    let big = world.work.create("big").unwrap();
    big.set_len(Read::SIZE_BYTES_MAX + 1).unwrap();
    assert_eq!(world.code(&Read::of(path("/work/big"))), "failed limit_exceeded");
    assert_eq!(world.code(&Read::of(path("/work/big")).range(0, 10)), "ok");
    let over = Read::of(path("/work/big")).range(0, Read::SIZE_BYTES_MAX + 1);
    assert_eq!(world.code(&over), "denied limit_exceeded");
    let list = List::of(path("/work"));
    assert_eq!(world.code(&list.clone().recursive(65)), "denied limit_exceeded");
    let many = list.first(10_001, SortBy::Name, Direction::Ascending);
    assert_eq!(world.code(&many), "denied limit_exceeded");
}

#[test]
fn a_listing_sorts_first_and_cuts_after() {
    let world = World::new();
    for (name, size) in [("c", 1), ("a", 3), ("b", 2)] {
        world.work.write(name, "x".repeat(size)).unwrap();
    }
    world.work.create_dir_all("d/e/f").unwrap();
    world.work.write("d/e/file", "").unwrap();
    world.work.write(".hidden", "").unwrap();
    let names = |list: List| {
        let listing = world.submit(&list).unwrap();
        let names = listing.entries.iter().map(|entry| &*entry.relative_path);
        (names.collect::<Vec<_>>().join(" "), listing.truncated)
    };
    let list = List::of(path("/work"));
    assert_eq!(names(list.clone()), ("a b c d".into(), false));
    assert_eq!(names(list.clone().with_hidden()), (".hidden a b c d".into(), false));
    let deep = list.clone().recursive(9);
    assert_eq!(names(deep), ("a b c d d/e d/e/f d/e/file".into(), false));
    assert_eq!(names(list.clone().recursive(2)), ("a b c d d/e".into(), true));
    let largest = list.first(2, SortBy::Size, Direction::Descending);
    assert!(names(largest.clone()).1);
    assert_eq!(names(largest).0.split(' ').count(), 2);
    let listing = world.submit(&List::of(path("/work/d")).recursive(2)).unwrap();
    let entry = &listing.entries[2];
    assert_eq!((&*entry.relative_path, entry.name()), ("e/file", "file"));
    assert_eq!(listing.path_of(entry), Ok(path("/work/d/e/file")));
}

#[test]
fn operations_read_from_json_and_refuse_what_they_do_not_know() {
    let write: Write =
        serde_json::from_str(r#"{"path":"fs:/work/a","content":"hello","if_match":"absent"}"#)
            .unwrap();
    assert_eq!(write, Write::new(path("/work/a"), "hello").if_absent());
    let text = serde_json::to_string(&write).unwrap();
    assert!(text.contains(r#""bytes":5"#) && !text.contains("hello"), "{text}");
    for unknown in [
        r#"{"path":"fs:/work/a","root":"/"}"#,
        r#"{"path":"fs:/work/../a"}"#,
        r#"{"path":"/work/a"}"#,
        r#"{"path":"env:prod"}"#,
    ] {
        assert!(serde_json::from_str::<Read>(unknown).is_err(), "{unknown}");
    }
    assert!(serde_json::from_str::<Undo>(r#"{"intent":1,"needs":[]}"#).is_err());
}
