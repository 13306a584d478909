//! The known name nearest to one that is not known: for people who mistype.

/// The name among `known` that `word` was probably meant to be, if one is near.
pub(super) fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = known.into_iter().map(|name| (distance(word, name), name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    let part = !word.is_empty() && (name.contains(word) || word.contains(name));
    (distance <= 2 + word.len() / 4 || part).then_some(name)
}

/// `message` with a suggestion, if it speaks of an unknown word and names the known ones, each in
/// backticks, as the JSON reader does.
pub(super) fn with_suggestion(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    match words.next().and_then(|unknown| nearest(unknown, words)) {
        Some(name) if message.starts_with("unknown ") => {
            format!("{message}; did you mean `{name}`?")
        }
        Some(_) | None => message.to_owned(),
    }
}

/// How many letters must be changed, added or left out.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (nth, letter) in a.chars().enumerate() {
        let mut next = vec![nth + 1];
        for (at, pair) in row.windows(2).enumerate() {
            let [diagonal, above] = pair else { continue };
            let same = b.get(at) == Some(&letter);
            let before = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(!same)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["grant", "revoke", "what_can", "who_can"];
        assert_eq!(nearest("grnat", known), Some("grant"));
        assert_eq!(nearest("whocan", known), Some("who_can"));
        assert_eq!(nearest("xyzzy", known), None);
        let said = with_suggestion("unknown field `ot`, expected `to` or `rules`");
        assert!(said.ends_with("did you mean `to`?"), "{said}");
        assert_eq!(with_suggestion("missing field `to`"), "missing field `to`");
    }
}
