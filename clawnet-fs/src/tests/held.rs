//! Between the look and the act: whoever changes the tree just then changes nothing.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

/// How often the kernel asks for the time in one operation, at most: before `admit` and after it.
const MOMENTS: usize = 8;

/// Does something at one of the moments at which the kernel asks for the time.
fn at_a_moment<O: Operation>(
    nth: usize,
    operation: &O,
    change: impl Fn(&Dir) + Send + 'static,
) -> (Result<O::Output, Refusal>, bool)
where
    Node: Endpoint<O>,
{
    type Change = Box<dyn Fn() + Send>;
    let armed: Arc<Mutex<Option<Change>>> = Arc::default();
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let (trap, countdown) = (armed.clone(), left.clone());
    let world = World::on(Durability::ProcessSafe, move || {
        if countdown.fetch_sub(1, Ordering::SeqCst) == 0
            && let Some(change) = trap.lock().unwrap().take()
        {
            change();
        }
        Timestamp::from_millis(1_000)
    });
    world.work.create_dir("folder").unwrap();
    world.work.write("folder/inner", "inner").unwrap();
    world.work.write("file", "what was seen").unwrap();
    let work = world.folder("work");
    *armed.lock().unwrap() = Some(Box::new(move || change(&work)));
    left.store(nth, Ordering::SeqCst);
    let result = world.submit(operation);
    left.store(usize::MAX, Ordering::SeqCst);
    let sprung = armed.lock().unwrap().is_none();
    (result, sprung)
}

/// Puts a file with a second name, outside, in the place of the one that was seen.
fn swap(work: &Dir) {
    work.remove_file("file").unwrap();
    work.write("other", "what was not seen").unwrap();
    work.hard_link("other", work, "file").unwrap();
}

#[test]
fn what_is_read_is_what_was_let_pass() {
    let mut between = 0;
    for nth in 0..MOMENTS {
        let (read, sprung) = at_a_moment(nth, &Read::of(path("/work/file")), swap);
        let text = read.as_ref().ok().and_then(|portion| portion.content.as_text());
        // Either it was looked at after the swap, and refused; or before, and is what it was.
        let expect = if text.is_some() { "ok" } else { "denied hard_linked" };
        assert_eq!(
            (word(&read).as_str(), text.unwrap_or("what was seen")),
            (expect, "what was seen")
        );
        between += usize::from(sprung && text.is_some());
    }
    assert!(between > 0, "nothing got between the look and the act");
}

#[test]
fn what_is_told_and_listed_is_what_was_let_pass() {
    let (mut told, mut listed) = (0, 0);
    for nth in 0..MOMENTS {
        let (stat, sprung) = at_a_moment(nth, &Stat::of(path("/work/file")), |work: &Dir| {
            work.remove_file("file").unwrap();
        });
        if let Ok(status) = &stat {
            assert_eq!(status.size_bytes, 13);
            told += usize::from(sprung);
        } else {
            assert_eq!(word(&stat), "failed not_found");
        }
        let (list, sprung) = at_a_moment(nth, &List::of(path("/work/folder")), |work: &Dir| {
            work.rename("folder", work, "gone").unwrap();
            work.create_dir("folder").unwrap();
            work.write("folder/other", "").unwrap();
        });
        let names: Vec<_> = list.unwrap().entries.into_iter().map(|e| e.relative_path).collect();
        assert!(names == ["inner".into()] || names == ["other".into()], "{names:?}");
        listed += usize::from(sprung && names == ["inner".into()]);
    }
    assert!(told > 0 && listed > 0, "nothing got between the look and the act");
}

#[test]
fn a_file_that_grows_or_shrinks_is_never_cut_in_silence() {
    let check = |operation: Read, change: fn(&Dir), expect: [(&str, bool, u64); 2]| {
        let mut seen = [0; 2];
        for nth in 0..MOMENTS {
            let (read, sprung) = at_a_moment(nth, &operation, change);
            let portion = read.unwrap();
            let text = portion.content.as_text().unwrap();
            let found = (text, portion.has_more, portion.size_bytes);
            // A change after the read is none.
            let which = usize::from(sprung && found != expect[0]);
            assert_eq!(found, expect[which], "{nth}");
            seen[which] += 1;
        }
        // A range that was there in whole is given as it was, whatever grew behind it meanwhile.
        assert!(seen[1] > usize::from(operation.limit.is_none()), "{seen:?}");
    };
    let grow = |work: &Dir| work.write("file", "what was seen, and more").unwrap();
    let shrink = |work: &Dir| work.write("file", "what").unwrap();
    let whole = || Read::of(path("/work/file"));
    let seen = ("what was seen", false, 13);
    check(whole(), grow, [seen, ("what was seen, and more", false, 23)]);
    check(whole(), shrink, [seen, ("what", false, 4)]);
    check(whole().range(9, 4), grow, [("seen", false, 13), ("seen", true, 23)]);
    check(whole().range(2, 5), shrink, [("at wa", true, 13), ("at", false, 4)]);
}
