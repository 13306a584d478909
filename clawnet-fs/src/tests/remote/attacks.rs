//! Attacks that once worked.
use super::*;

/// The node's own layer 1 lets all of it be listed: this kernel's does not.
#[test]
fn a_listing_from_there_shows_what_layer_one_here_lets_be_listed() {
    let far = Far::new();
    far.work.create_dir("secret").unwrap();
    for name in ["a", "b", "c", "secret/plan", "z"] {
        far.work.write(name, "").unwrap();
    }
    let identity = far.agent.caller().identity();
    let deny = Grant::new()
        .deny(Action::List, Region::subtree("fs:/work/secret").unwrap())
        .deny(Action::List, Region::exact("fs:/work/b").unwrap());
    block_on(far.owner.grant(identity, deny)).unwrap();
    let top: FsPath = "/work".parse().unwrap();
    for list in [List::of(top.clone()), List::of(top.clone()).recursive(5)] {
        let told = far.submit(&list).unwrap();
        let names: Vec<&str> = told.entries.iter().map(|entry| &*entry.relative_path).collect();
        assert_eq!(names, ["a", "c", "z"]);
    }
    let page = |max| List::of(top.clone()).first(max, SortBy::Name, Direction::Ascending);
    let told = far.submit(&page(1)).unwrap();
    assert_eq!(told.next.unwrap().relative_path, "a");
    // To go on behind what is not shown would show it.
    assert_eq!(far.code(&page(2)), "limit_exceeded");
}
