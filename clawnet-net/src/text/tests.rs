//! What is seen and what is not, by tables.
use super::*;

fn check(text: &str, seen: bool) {
    assert_eq!(is_seen(text).is_some(), seen, "{text:?}");
}

#[test]
fn what_is_not_seen_is_refused() {
    check("2,000 valves, Größe M: «да», 弁", true);
    for hidden in ['\u{ad}', '\u{200b}', '\u{2028}', '\u{2029}', '\u{feff}', '\u{e0041}'] {
        check(&format!("Ann{hidden}e"), false);
    }
    for turning in ['\u{200e}', '\u{61c}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{206a}'] {
        check(&format!("{turning}gpj.exe"), false);
    }
    check("a\nb", false);
    check("a\u{7f}b", false);
}

#[test]
fn letters_and_marks_without_a_shape_are_refused() {
    let blank = [
        ('\u{34f}', '\u{34f}'),
        ('\u{115f}', '\u{1160}'),
        ('\u{17b4}', '\u{17b5}'),
        ('\u{180b}', '\u{180f}'),
        ('\u{2800}', '\u{2800}'),
        ('\u{3164}', '\u{3164}'),
        ('\u{fe00}', '\u{fe0d}'),
        ('\u{ffa0}', '\u{ffa0}'),
        ('\u{e0100}', '\u{e01ef}'),
    ];
    for char in blank.into_iter().flat_map(|(first, last)| first..=last) {
        for (before, after) in [("Ann", "e"), ("", ""), ("弁", "弁"), ("👩", "\u{200d}🔧")] {
            check(&format!("{before}{char}{after}"), false);
        }
        check(&format!("弁{char}\u{fe0f}"), false);
    }
    for seen in ["한국", "\u{1100}\u{1161}", "ភាសា", "ᠮᠣᠩᠭᠣᠯ", "⠁⠃", "e\u{301}"]
    {
        check(seen, true);
    }
}

#[test]
fn joiners_are_where_they_are_needed() {
    check("می\u{200c}خواهم", true);
    check("👩\u{200d}🔧", true);
    check("An\u{200d}n", false);
    check("Ann\u{200c}", false);
    check("\u{200d}弁", false);
    check("弁\u{200d}\u{200d}弁", false);
    check("弁\u{200d} 弁", false);
}

#[test]
fn what_picks_a_picture_stands_behind_one() {
    for seen in ["❤\u{fe0f}", "❤\u{fe0e} a", "🏳\u{fe0f}\u{200d}🌈", "👁\u{fe0f}\u{200d}🗨\u{fe0f}"]
    {
        check(seen, true);
    }
    for hidden in ["Ann\u{fe0f}", "\u{fe0f}Ann", "❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\u{fe0e}"] {
        check(hidden, false);
    }
    for hidden in
        ["👩\u{200d}\u{fe0f}🔧", "❤\u{fe0f}\u{200d}", "❤\u{fe0f}\u{200d}a", "\u{3000}\u{fe0f}"]
    {
        check(hidden, false);
    }
}

#[test]
fn nothing_joins_letters_that_need_no_joiner() {
    let plain = [
        "aª",
        "ÿā",
        "ƀɏ",
        "αω",
        "жя",
        "ѐԯ",
        "\u{1c80}\u{1c88}",
        "ᴀᶿ",
        "Ḁỿἀ῾",
        "ⱠⱿ",
        "\u{2de0}\u{2dff}",
        "ꙀꙮꚀ\u{a69f}",
        "ꜢꞋ",
        "ꬰꭥ",
        "ﬀﬆ",
        "ＡＺ",
        "ａｚ",
        "\u{10780}\u{107ba}",
        "\u{1df00}\u{1df1e}",
        "\u{1e030}\u{1e08f}",
        "\u{2003}\u{3000}",
    ];
    for char in plain.iter().flat_map(|text| text.chars()) {
        check(&char.to_string(), true);
        for joiner in ['\u{200c}', '\u{200d}'] {
            check(&format!("{char}{joiner}弁"), false);
            check(&format!("弁{joiner}{char}"), false);
        }
        check(&format!("{char}\u{fe0f}"), false);
    }
}
