//! Large maps, read so that they take no more memory than they need.
use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

/// Reads a map all at once. One that is filled entry by entry, in order, keeps its nodes little more
/// than half full; one that is made of all of them has full ones.
pub(super) fn read<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    deserializer.deserialize_map(Entries(PhantomData))
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Entries<K, V>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // How many are to come is the word of who wrote it.
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_as_any_other_is() {
        let texts = ["{}", r#"{"b":2,"a":1,"c":3}"#, r#"{"a":1,"a":2}"#, r#"{"a":1,"b":"#, "[1]"];
        for text in texts {
            let plain: Option<BTreeMap<String, u32>> = serde_json::from_str(text).ok();
            let packed = read(&mut serde_json::Deserializer::from_str(text)).ok();
            assert_eq!(packed, plain, "{text}");
        }
    }
}
