//! Canonical JSON: one value, one text, as in RFC 8785 without fractions.
//!
//! What is approved and what is recorded are these bytes, so they must be a function of the value.
//! Object keys are sorted, there is no white space, and a number is an integer that a double
//! carries exactly. A value that already serialises that way costs one pass; one whose maps come
//! in another order is sorted.
use std::{io, iter};

use serde::Serialize;
use serde_json::{
    Serializer, Value,
    ser::{CharEscape, CompactFormatter, Formatter},
};

mod reader;

pub(crate) use reader::is_canonical;

/// The canonical bytes of `value`, appended to `out`.
pub(crate) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), NotCanonical> {
    let start = out.len();
    let mut order = Order::default();
    let mut serializer = Serializer::with_formatter(&mut *out, &mut order);
    if let Err(error) = value.serialize(&mut serializer) {
        out.truncate(start);
        return Err(NotCanonical(error.to_string()));
    }
    if order.unsorted {
        let text = out.get(start..).unwrap_or_default();
        let tree: Value =
            serde_json::from_slice(text).map_err(|error| NotCanonical(error.to_string()))?;
        if count_keys(&tree) != order.count {
            return Err(NotCanonical("an object has a key twice".into()));
        }
        out.truncate(start);
        write_sorted(&tree, out)?;
    }
    Ok(())
}

/// Whether this canonical text is how `value` is written.
pub(crate) fn is_written<T: Serialize + ?Sized>(value: &T, text: &str) -> bool {
    // What is declared in order needs not be watched: the text was.
    let mut plain = Vec::with_capacity(text.len());
    if serde_json::to_writer(&mut plain, value).is_ok() && plain == text.as_bytes() {
        return true;
    }
    plain.clear();
    write(value, &mut plain).is_ok() && plain == text.as_bytes()
}

/// A value has no canonical form: it holds a fraction, an integer beyond 2^53 - 1, a key twice, a
/// map whose keys are not text, or nests more than 64 deep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no canonical form: {0}")]
pub(crate) struct NotCanonical(String);

/// How deep objects and arrays may nest.
const DEPTH_MAX: usize = 64;
/// The greatest integer that every reader of JSON keeps exactly.
const INTEGER_MAX: u64 = (1 << 53) - 1;

fn write_sorted(value: &Value, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    let plain = |value: &Value, out: &mut Vec<u8>| {
        serde_json::to_writer(out, value).map_err(|error| NotCanonical(error.to_string()))
    };
    match value {
        Value::Array(items) => {
            for (item, open) in items.iter().zip(iter::once(b'[').chain(iter::repeat(b','))) {
                out.push(open);
                write_sorted(item, out)?;
            }
            out.extend_from_slice(if items.is_empty() { b"[]" } else { b"]" });
        }
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            for (key, open) in keys.iter().zip(iter::once(b'{').chain(iter::repeat(b','))) {
                out.push(open);
                plain(&Value::String((*key).clone()), out)?;
                out.push(b':');
                write_sorted(fields.get(*key).unwrap_or(&Value::Null), out)?;
            }
            out.extend_from_slice(if keys.is_empty() { b"{}" } else { b"}" });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => plain(value, out)?,
    }
    Ok(())
}

/// Watches keys go by, and refuses numbers that other readers would round.
#[derive(Default)]
struct Order {
    /// The last key of every open object, end to end.
    keys: Vec<u8>,
    /// Where each open object's last key starts, and whether it has one.
    levels: Vec<(usize, bool)>,
    /// Whether text going by is a key; the new key then stands behind the last.
    in_key: bool,
    unsorted: bool,
    /// Keys seen.
    count: usize,
    /// Objects and arrays that are open.
    depth: usize,
}

impl Order {
    /// What nests deeper than readers follow could not be shown to anybody.
    fn deeper(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(io::Error::other("it nests more than 64 deep"));
        }
        Ok(())
    }

    fn key_done(&mut self) {
        self.in_key = false;
        self.count += 1;
        let Some((start, has_key)) = self.levels.last_mut() else { return };
        let old_and_new = self.keys.get(*start..).unwrap_or_default();
        // A newline cannot stand in a serialised key, so it parts the old key from the new.
        let at = old_and_new.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let (old, new) = old_and_new.split_at(at);
        let new = new.get(1..).unwrap_or_default();
        // Bytes order like UTF-16 below the surrogates; beyond that the slow way decides.
        let in_order = (!*has_key || old < new) && new.iter().all(|byte| *byte < 0xEE);
        self.unsorted |= !in_order;
        *has_key = true;
        let removed = *start..*start + at + 1;
        self.keys.drain(removed);
    }
}

impl Formatter for &mut Order {
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.deeper()?;
        self.levels.push((self.keys.len(), false));
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if let Some((start, _)) = self.levels.pop() {
            self.keys.truncate(start);
        }
        writer.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.keys.push(b'\n');
        self.in_key = true;
        if first { Ok(()) } else { writer.write_all(b",") }
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.key_done();
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if self.in_key {
            self.keys.extend_from_slice(fragment.as_bytes());
        }
        writer.write_all(fragment.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        // An escaped key does not order as it is written: the slow way decides.
        self.unsorted |= self.in_key;
        CompactFormatter.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.deeper()?;
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        CompactFormatter.end_array(writer)
    }

    fn write_bool<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: bool) -> io::Result<()> {
        self.unsorted |= self.in_key;
        CompactFormatter.write_bool(writer, value)
    }

    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        self.unsorted |= self.in_key;
        exact(value)?;
        CompactFormatter.write_u64(writer, value)
    }

    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        self.unsorted |= self.in_key;
        exact(value.unsigned_abs())?;
        CompactFormatter.write_i64(writer, value)
    }

    fn write_u128<W: ?Sized + io::Write>(&mut self, _: &mut W, _: u128) -> io::Result<()> {
        Err(io::Error::other("an integer has 128 bits"))
    }

    fn write_i128<W: ?Sized + io::Write>(&mut self, _: &mut W, _: i128) -> io::Result<()> {
        Err(io::Error::other("an integer has 128 bits"))
    }

    /// Text that was kept as it is, such as an act inside a fact, is written as it is.
    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        text: &str,
    ) -> io::Result<()> {
        if is_canonical(text.as_bytes()) {
            self.count += count_keys_in(text);
            writer.write_all(text.as_bytes())
        } else {
            Err(io::Error::other("a text inside it is not canonical"))
        }
    }

    fn write_f32<W: ?Sized + io::Write>(&mut self, _: &mut W, _: f32) -> io::Result<()> {
        Err(io::Error::other("a number has a fraction"))
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, _: &mut W, _: f64) -> io::Result<()> {
        Err(io::Error::other("a number has a fraction"))
    }
}

fn exact(value: u64) -> io::Result<()> {
    if value > INTEGER_MAX {
        return Err(io::Error::other("an integer is beyond 2^53 - 1"));
    }
    Ok(())
}

/// How many keys all the objects in a canonical text have together: each is followed by a colon.
fn count_keys_in(text: &str) -> usize {
    let (mut quoted, mut escaped, mut count) = (false, false, 0);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b':' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

/// How many keys all the objects in `value` have together.
fn count_keys(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(count_keys).sum(),
        Value::Object(fields) => fields.len() + fields.values().map(count_keys).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn text<T: Serialize>(value: &T) -> Option<String> {
        let mut out = Vec::new();
        write(value, &mut out).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    #[derive(Serialize)]
    struct Unsorted {
        b: u8,
        a: Inner,
    }

    #[derive(Serialize)]
    struct Inner {
        z: [u8; 2],
        #[serde(rename = "\n")]
        newline: (),
        k: HashMap<String, i32>,
    }

    #[test]
    fn keys_are_sorted_at_every_level() {
        let k = (0..30).map(|n| (format!("k{n}"), -n)).collect();
        let value = Unsorted { b: 1, a: Inner { z: [1, 2], newline: (), k } };
        let got = text(&value).unwrap();
        assert!(got.starts_with(r#"{"a":{"\n":null,"k":{"k0":0,"k1":-1,"k10":-10,"#), "{got}");
        assert!(got.ends_with(r#""k9":-9},"z":[1,2]},"b":1}"#), "{got}");
        let again: Value = serde_json::from_str(&got).unwrap();
        assert_eq!(text(&again).unwrap(), got);
    }

    #[test]
    fn a_text_kept_as_it_is_counts_when_what_is_around_it_is_sorted() {
        #[derive(Serialize)]
        struct Around {
            b: Box<serde_json::value::RawValue>,
            a: u8,
        }
        let kept = r#"{"k:\"":{"x":":"},"z":["{:}"]}"#;
        let b = serde_json::value::RawValue::from_string(kept.into()).unwrap();
        assert_eq!(text(&Around { b, a: 1 }).unwrap(), format!(r#"{{"a":1,"b":{kept}}}"#));
    }

    #[test]
    fn prefixes_and_wide_characters_order_as_the_standard_says() {
        let sorted = |keys: &[&str]| {
            let map: HashMap<_, _> = keys.iter().map(|key| (*key, 0)).collect();
            let fields: Vec<_> = keys.iter().map(|key| format!("\"{key}\":0")).collect();
            assert_eq!(text(&map).unwrap(), format!("{{{}}}", fields.join(",")));
        };
        sorted(&["", "a", "aa", "b", "é", "\u{20ac}"]);
        sorted(&["\u{1f600}", "\u{fb33}"]);
    }

    #[test]
    fn what_readers_would_round_or_drop_is_refused() {
        struct Twice;
        impl Serialize for Twice {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map([("a", 1), ("a", 2)])
            }
        }
        assert_eq!(text(&1.5), None);
        assert_eq!(text(&u64::MAX), None);
        assert_eq!(text(&i64::MIN), None);
        assert_eq!(text(&1_u128), None);
        assert_eq!(text(&Twice), None);
        let mut deep = Value::Null;
        (0..64).for_each(|_| deep = Value::Array(vec![deep.take()]));
        assert!(text(&deep).is_some());
        assert_eq!(text(&Value::Array(vec![deep])), None);
        let keys = HashMap::from([(10, 0), (9, 0)]);
        assert_eq!(text(&keys).as_deref(), Some(r#"{"10":0,"9":0}"#));
        assert_eq!(text(&((1_u64 << 53) - 1)).as_deref(), Some("9007199254740991"));
    }
}
