//! Text that people are shown by others.

/// `text`, if all of it is seen, in the order in which it is written: no controls, and nothing that
/// turns it around, parts lines or has no shape of its own, by which one text looks like another.
///
/// What joins letters, or keeps them apart, has its place within scripts that need it, and none in
/// those of Latin, Greek and Cyrillic letters, where nobody would see it. So has what asks for a
/// sign as a letter or as a picture, behind that sign. Whether it is seen where it may stand, and
/// whether two letters look alike, is not asked here.
pub(crate) fn is_seen(text: &str) -> Option<&str> {
    let mut before = None;
    let mut after = text.chars().skip(1);
    let seen = text.chars().all(|char| {
        let (before, after) = (before.replace(char), after.next());
        if is_joiner(char) {
            before.is_some_and(|char| is_joined(char) || is_selector(char))
                && after.is_some_and(is_joined)
        } else if is_selector(char) {
            before.is_some_and(is_joined)
        } else {
            !is_hidden(char)
        }
    });
    seen.then_some(text)
}

fn is_joiner(char: char) -> bool {
    matches!(char, '\u{200c}' | '\u{200d}')
}

/// What asks for the sign before it as a letter, or as a picture.
fn is_selector(char: char) -> bool {
    matches!(char, '\u{fe0e}' | '\u{fe0f}')
}

/// Whether a joiner may stand beside it: something to be seen, of another script.
fn is_joined(char: char) -> bool {
    // Hebrew is the first of the scripts behind those three.
    let other = char >= '\u{590}' && !is_plain_letter(char) && !char.is_whitespace();
    other && !is_joiner(char) && !is_hidden(char)
}

/// Latin, Greek and Cyrillic letters and marks that are encoded behind other scripts.
fn is_plain_letter(char: char) -> bool {
    matches!(
        char,
        '\u{1c80}'..='\u{1c8f}'
            | '\u{1d00}'..='\u{1dbf}'
            | '\u{1e00}'..='\u{1fff}'
            | '\u{2c60}'..='\u{2c7f}'
            | '\u{2de0}'..='\u{2dff}'
            | '\u{a640}'..='\u{a69f}'
            | '\u{a720}'..='\u{a7ff}'
            | '\u{ab30}'..='\u{ab6f}'
            | '\u{fb00}'..='\u{fb06}'
            | '\u{ff21}'..='\u{ff3a}'
            | '\u{ff41}'..='\u{ff5a}'
            | '\u{10780}'..='\u{107bf}'
            | '\u{1df00}'..='\u{1dfff}'
            | '\u{1e030}'..='\u{1e08f}'
    )
}

/// Controls, what Unicode calls formats (Cf), line separators (Zl) and paragraph separators (Zp),
/// but for the two joiners; and letters, marks and signs that have no shape: fillers of Hangul, the
/// blank of Braille, vowels of Khmer that are not written, what picks a variant of a character.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests;
