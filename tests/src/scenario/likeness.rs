//! Whether a result is like what a file expects: a partial match, with the first difference named.
use serde_json::Value;

/// The first respect in which `found` is not like `expected`, or none.
///
/// - An object expects its own fields and says nothing about others; `null` expects an absence.
/// - An array expects exactly its elements, in order, each of them a partial match.
/// - `{"contains": [..]}` expects each element somewhere in an array, `{"contains": "text"}` a part
///   of a text, `{"count": n}` so many elements.
pub(super) fn difference(expected: &Value, found: &Value) -> Option<String> {
    differ("result", expected, found)
}

fn differ(at: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(wanted), Value::Array(_) | Value::String(_)) if is_about_parts(expected) => {
            wanted.iter().find_map(|(word, part)| differ_in_part(at, (word, part), found))
        }
        (Value::Object(wanted), Value::Object(fields)) => {
            wanted.iter().find_map(|(name, value)| {
                let at = format!("{at}.{name}");
                differ(&at, value, fields.get(name).unwrap_or(&Value::Null))
            })
        }
        (Value::Array(wanted), Value::Array(items)) => {
            if wanted.len() != items.len() {
                let counts = (wanted.len(), items.len());
                return Some(format!(
                    "{at} should have {} elements and has {}",
                    counts.0, counts.1
                ));
            }
            let mut pairs = wanted.iter().zip(items).enumerate();
            pairs.find_map(|(nth, (wanted, item))| differ(&format!("{at}[{nth}]"), wanted, item))
        }
        (expected, found) if expected == found => None,
        (expected, found) => Some(format!("{at} should be {expected} and is {found}")),
    }
}

/// Whether `expected` speaks of the parts of an array or text.
fn is_about_parts(expected: &Value) -> bool {
    let words = ["contains", "count"];
    expected.as_object().is_some_and(|fields| {
        !fields.is_empty() && fields.keys().all(|name| words.contains(&name.as_str()))
    })
}

fn differ_in_part(at: &str, (word, part): (&str, &Value), found: &Value) -> Option<String> {
    match (word, part, found) {
        ("count", count, Value::Array(items)) => {
            let wrong = count.as_u64() != u64::try_from(items.len()).ok();
            wrong.then(|| format!("{at} should have {count} elements and has {}", items.len()))
        }
        ("contains", Value::Array(wanted), Value::Array(items)) => {
            let absent =
                |wanted: &&Value| items.iter().all(|item| differ(at, wanted, item).is_some());
            let missed = wanted.iter().find(absent)?;
            Some(format!("{at} should contain {missed} and is {found}"))
        }
        ("contains", Value::String(part), Value::String(text)) if text.contains(part) => None,
        ("contains", part, found) => Some(format!("{at} should contain {part} and is {found}")),
        (_, part, found) => Some(format!("{at} should be {part} and is {found}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expected: &Value, found: &Value, alike: bool) {
        assert_eq!(difference(expected, found).is_none(), alike, "{expected} / {found}");
    }

    #[test]
    fn objects_are_subsets_and_null_is_an_absence() {
        let found = json!({"refused": {"code": "no_grant", "layer": "scope"}});
        check(&json!({"refused": {"code": "no_grant"}}), &found, true);
        check(&json!({"refused": {"code": "expired"}}), &found, false);
        check(&json!({"done": null}), &found, true);
        check(&json!({"refused": null}), &found, false);
    }

    #[test]
    fn arrays_are_exact_unless_they_contain_or_count() {
        let found = json!([{"a": 1, "b": 2}, {"a": 3}]);
        check(&json!([{"a": 1}, {"a": 3}]), &found, true);
        check(&json!([{"a": 1}]), &found, false);
        check(&json!([{"a": 3}, {"a": 1}]), &found, false);
        check(&json!({"contains": [{"a": 3}]}), &found, true);
        check(&json!({"contains": [{"a": 3}, {"a": 4}]}), &found, false);
        check(&json!({"count": 2}), &found, true);
        check(&json!({"count": 2, "contains": [{"a": 9}]}), &found, false);
        check(&json!({"contains": "gap"}), &json!("a gap here"), true);
        check(&json!({"contains": "gap"}), &json!("none"), false);
        check(&json!({"contains": "gap"}), &json!(7), false);
    }

    #[test]
    fn the_first_difference_is_named_by_its_place() {
        let said = difference(&json!({"a": [{"b": 1}]}), &json!({"a": [{"b": 2}]}));
        assert_eq!(said.unwrap(), "result.a[0].b should be 1 and is 2");
    }
}
