//! What proves or decides cannot be copied, made from nothing, or read from bytes.
#![cfg(test)]

use clawnet_core::{
    Admission, Agent, Authorized, Caller, Commit, Decider, Follow, Governing, Kernel, Mount, Owner,
    SoftwareKey, Verdict,
};
use serde::{Serialize, de::DeserializeOwned};
use static_assertions::assert_not_impl_any;

/// Any operation and endpoint: the assertions are about what holds them.
type Any = String;

assert_not_impl_any!(
    Authorized<'static, Any>: Clone, Copy, Default, Serialize, DeserializeOwned, From<Any>, PartialEq
);
assert_not_impl_any!(Agent: Clone, Copy, Default, Serialize, DeserializeOwned, From<Caller>);
assert_not_impl_any!(Owner: Clone, Copy, Default, Serialize, DeserializeOwned, AsRef<Agent>);
assert_not_impl_any!(Kernel: Clone, Copy, Default, Serialize, DeserializeOwned);
assert_not_impl_any!(Governing: Clone, Copy, Default, Serialize, DeserializeOwned);
assert_not_impl_any!(
    Mount<Any>: Clone, Copy, Default, Serialize, DeserializeOwned, std::ops::Deref, AsRef<Any>
);
assert_not_impl_any!(Admission: Clone, Copy, Default, Serialize, DeserializeOwned, PartialEq);
assert_not_impl_any!(Caller: Default, Serialize, DeserializeOwned);
assert_not_impl_any!(Commit: Clone, Copy, Default, Serialize, DeserializeOwned);
assert_not_impl_any!(Decider: Clone, Copy, Default, Serialize, DeserializeOwned);
assert_not_impl_any!(Follow: Clone, Copy, Default, Serialize, DeserializeOwned);
assert_not_impl_any!(SoftwareKey: Clone, Copy, Default, Serialize, DeserializeOwned);
assert_not_impl_any!(
    clawnet_fs::Node: Clone, Copy, Default, std::ops::Deref, std::os::fd::AsFd, std::os::fd::AsRawFd, AsRef<cap_std::fs::Dir>
);
assert_not_impl_any!(clawnet_fs::Folders: Clone, Copy, Serialize, DeserializeOwned, std::ops::Deref);
assert_not_impl_any!(Verdict: Default, Into<bool>, std::ops::Not);

/// Nothing of the owner's or of a key is shown by printing it.
#[test]
fn printing_a_key_shows_no_secret() {
    let key = SoftwareKey::from_secret(&[0xa5; 32]);
    assert_eq!(format!("{key:?}"), "SoftwareKey");
}
