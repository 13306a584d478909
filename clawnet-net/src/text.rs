//! Text that people are shown by others.

/// `text`, if all of it is seen, in the order in which it is written: no controls, and nothing that
/// turns it around, parts lines or has no shape of its own, by which one text looks like another.
///
/// What joins letters, or keeps them apart, has its place within scripts that need it, and none in
/// those of Latin, Greek and Cyrillic letters, where nobody would see it.
pub(crate) fn is_seen(text: &str) -> Option<&str> {
    let mut before = None;
    let mut after = text.chars().skip(1);
    let seen = text.chars().all(|char| {
        let beside = (before.replace(char), after.next());
        if matches!(char, '\u{200c}' | '\u{200d}') { joins(beside) } else { !is_hidden(char) }
    });
    seen.then_some(text)
}

/// Whether what is between the two may be a joiner.
fn joins(beside: (Option<char>, Option<char>)) -> bool {
    let (Some(before), Some(after)) = beside else { return false };
    // Hebrew is the first of the scripts behind those three.
    [before, after].iter().all(|char| *char >= '\u{590}' && !is_hidden(*char) && !is_joiner(*char))
}

fn is_joiner(char: char) -> bool {
    matches!(char, '\u{200c}' | '\u{200d}')
}

/// Controls, and what Unicode calls formats (Cf), line separators (Zl) and paragraph separators
/// (Zp), but for the two joiners.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
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
    fn joiners_are_where_they_are_needed() {
        check("می\u{200c}خواهم", true);
        check("👩\u{200d}🔧", true);
        check("An\u{200d}n", false);
        check("Ann\u{200c}", false);
        check("\u{200d}弁", false);
        check("弁\u{200d}\u{200d}弁", false);
    }
}
