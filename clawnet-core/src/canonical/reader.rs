//! Telling canonical JSON from any other way to write the same.
use super::INTEGER_MAX;

/// Whether `text` is canonical JSON: what [`write`](super::write) makes of some value, nested at
/// most twice as deep.
pub(crate) fn is_canonical(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let mut reader = Reader { rest: text.as_bytes() };
    reader.value(DEPTH_MAX).is_some() && reader.rest.is_empty()
}

/// A record holds an operation, which nests at most half as deep.
const DEPTH_MAX: usize = 2 * super::DEPTH_MAX;

/// What is left of a text. Every method consumes one thing in its one form, or says none.
struct Reader<'t> {
    rest: &'t [u8],
}

impl<'t> Reader<'t> {
    fn value(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match self.rest {
            [b'{', ..] => self.object(depth),
            [b'[', ..] => self.array(depth),
            [b'"', ..] => self.string().map(drop),
            [b't', ..] => self.eat(b"true"),
            [b'f', ..] => self.eat(b"false"),
            [b'n', ..] => self.eat(b"null"),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.eat(b"{")?;
        if self.eat(b"}").is_some() {
            return Some(());
        }
        let mut before = None;
        loop {
            let name = self.string()?;
            if before.is_some_and(|before| !precedes(before, name)) {
                return None;
            }
            before = Some(name);
            self.eat(b":")?;
            self.value(depth)?;
            if self.eat(b",").is_none() {
                return self.eat(b"}");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.eat(b"[")?;
        if self.eat(b"]").is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if self.eat(b",").is_none() {
                return self.eat(b"]");
            }
        }
    }

    /// What is between the quotes, as it is written.
    fn string(&mut self) -> Option<&'t [u8]> {
        self.eat(b"\"")?;
        let (start, mut length) = (self.rest, 0_usize);
        loop {
            length += match self.rest {
                [b'"', after @ ..] => {
                    self.rest = after;
                    return start.get(..length);
                }
                [b'\\', b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', after @ ..] => {
                    self.rest = after;
                    2
                }
                [b'\\', b'u', b'0', b'0', high, low, after @ ..] if is_escaped(*high, *low) => {
                    self.rest = after;
                    6
                }
                [byte, after @ ..] if *byte >= b' ' && *byte != b'\\' => {
                    self.rest = after;
                    1
                }
                _ => return None,
            };
        }
    }

    fn number(&mut self) -> Option<()> {
        let negative = self.eat(b"-").is_some();
        let (first, mut number) = (*self.rest.first()?, 0_u64);
        let zero = first == b'0';
        while let [digit @ b'0'..=b'9', after @ ..] = self.rest {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.rest = after;
            if zero {
                break;
            }
        }
        let whole = first.is_ascii_digit() && number <= INTEGER_MAX && !(negative && zero);
        whole.then_some(())
    }

    fn eat(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }
}

/// Whether the control character of these two digits is written that way: it has no shorter name.
fn is_escaped(high: u8, low: u8) -> bool {
    match (high, low) {
        (b'0', low) => matches!(low, b'0'..=b'7' | b'b' | b'e' | b'f'),
        (b'1', low) => low.is_ascii_digit() || matches!(low, b'a'..=b'f'),
        _ => false,
    }
}

/// Whether one member's name, as it is written, stands before another: by UTF-16 code units.
fn precedes(one: &[u8], two: &[u8]) -> bool {
    // Bytes order like UTF-16 below the surrogates.
    let plain = |name: &[u8]| name.iter().all(|byte| *byte < 0xEE && *byte != b'\\');
    if plain(one) && plain(two) {
        return one < two;
    }
    let units = |name: &[u8]| {
        let text: String = serde_json::from_slice(&[b"\"", name, b"\""].concat()).ok()?;
        Some(text.encode_utf16().collect::<Vec<_>>())
    };
    match (units(one), units(two)) {
        (Some(one), Some(two)) => one < two,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: bool) {
        assert_eq!(is_canonical(text.as_bytes()), expect, "{text}");
    }

    #[test]
    fn one_value_has_one_text() {
        check(r#"{"a":[],"b":{},"c":[1,-2,0,true,false,null,"é\n\"\\\u001f/ "]}"#, true);
        check("9007199254740991", true);
        check("\"\u{7f}\u{2028}\u{1f600}\"", true);
        check("{\"\":0,\"\\n\":0,\"a\":0,\"\u{1f600}\":0,\"\u{fb33}\":0}", true);
        for text in [
            "",
            " 1",
            "1 ",
            "{\"a\": 1}",
            "{\"a\":1,}",
            "[1,]",
            "[1 ,2]",
            "[",
            "{\"a\"}",
            "nul",
            "01",
            "-0",
            "-",
            "1.5",
            "1e2",
            "9007199254740992",
            "99999999999999999999",
            "+1",
            "NaN",
            r#""\/""#,
            r#""\u000a""#,
            r#""\u001F""#,
            r#""\u0041""#,
            r#""\ud83d""#,
            "\"\n\"",
            "\"",
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":2}"#,
            "{\"\u{fb33}\":0,\"\u{1f600}\":0}",
            "1 2",
            r#"{"a":0,"\n":0}"#,
            "\u{feff}1",
            "{\"a\":1}{",
            "'a'",
        ] {
            check(text, false);
        }
        assert!(!is_canonical(b"\"\xff\""));
    }

    #[test]
    fn what_nests_without_end_is_refused() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        check(&nested(DEPTH_MAX), true);
        check(&nested(DEPTH_MAX + 1), false);
        check(&nested(1 << 20), false);
    }

    #[test]
    fn what_is_written_is_canonical_and_nothing_near_it_is_another() {
        let value = serde_json::json!({
            "b": [1, {"\u{1f600}": "\u{1}\t", "é": -7}], "a": {"\u{fb33}": null, "": true},
        });
        let mut text = Vec::new();
        crate::canonical::write(&value, &mut text).unwrap();
        assert!(is_canonical(&text));
        for at in 0..text.len() * 8 {
            let mut other = text.clone();
            other[at / 8] ^= 1 << (at % 8);
            let read = serde_json::from_slice::<serde_json::Value>(&other);
            let mut again = Vec::new();
            let rewritten =
                read.ok().and_then(|read| crate::canonical::write(&read, &mut again).ok());
            let same = rewritten.is_some() && again == other;
            assert_eq!(is_canonical(&other), same, "{}", String::from_utf8_lossy(&other));
        }
    }
}
