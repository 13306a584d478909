//! Words for people: moments, numbers, identifiers that fit, and nothing that draws on a terminal.
use std::fmt::Write as _;

use clawnet_core::Timestamp;

/// A moment to the second. Programs get milliseconds.
pub(crate) fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    seconds.replacen('T', " ", 1)
}

/// A number with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// With how many contents.
pub(crate) fn with(bodies: u64) -> String {
    match bodies {
        0 => String::new(),
        1 => ", with one content".to_owned(),
        _ => format!(", with {} contents", grouped(bodies)),
    }
}

/// How much that is, in the unit that suits it.
pub(crate) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let suits = units.iter().find(|(_, bits)| bytes >> bits > 0);
    suits.map_or(format!("{bytes} B"), |(unit, bits)| {
        let tenths = (u128::from(bytes) * 10) >> bits;
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    })
}

/// The text with every character made visible that would do something else than show: what agents
/// say is in ledgers, and a terminal obeys what it reads.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let marks = matches!(c, '\u{200e}' | '\u{200f}');
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || marks || turns {
            write!(shown, "{}", c.escape_default()).unwrap_or_default();
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The text with identifiers and digests cut to what tells them apart.
pub(crate) fn shortened(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    for run in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let end = run.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(run.len());
        let (digits, after) = run.split_at(end);
        let id = short.ends_with('_') && matches!(digits.len(), 24 | 32);
        match (id, digits.len()) {
            (true, _) => short.push_str(digits.get(..8).unwrap_or(digits)),
            (_, 64 | 128) => {
                short.push_str(digits.get(..12).unwrap_or(digits));
                short.push('…');
            }
            _ => short.push_str(digits),
        }
        short.push_str(after);
    }
    short
}

/// At most `width` characters, the last of them a sign that there were more.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_to_what_tells_it_apart() {
        let check = |text: &str, expect: &str| assert_eq!(shortened(text), expect, "{text}");
        let id = "5b1f22c05b1f22c05b1f22c0";
        check(&format!("makes `work`, idn_{id}"), "makes `work`, idn_5b1f22c0");
        check(&format!("agt_{id}@idn_{id}"), "agt_5b1f22c0@idn_5b1f22c0");
        check(&format!("grt_{id}:2, tkt_{id}"), "grt_5b1f22c0:2, tkt_5b1f22c0");
        check(&format!("erases {}", "ab".repeat(32)), "erases abababababab…");
        check("will file.write /a_b/face_1", "will file.write /a_b/face_1");
        check(id, id);
        check("", "");
    }

    #[test]
    fn what_would_draw_is_shown() {
        assert_eq!(visible("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        for (number, text) in [(7, "7"), (1000, "1 000"), (12_345_678, "12 345 678")] {
            assert_eq!(grouped(number), text);
        }
        for (bytes, text) in [(999, "999 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
