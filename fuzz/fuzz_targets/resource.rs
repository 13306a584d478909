//! Any text is refused, or is its own canonical form.
#![no_main]

use clawnet_core::{Region, Resource};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(resource) = text.parse::<Resource>() else { return };
    assert_eq!(resource.as_str(), text);
    assert_eq!(resource.to_string().parse().as_ref(), Ok(&resource));
    assert!(Region::Exact(resource.clone()).contains(&resource));
    if let Some(parent) = resource.parent() {
        let beneath = Region::Subtree(parent.clone());
        assert!(beneath.contains(&resource), "{parent} above {resource}");
        assert!(!Region::Subtree(resource).contains(&parent));
    }
});
