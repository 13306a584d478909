use super::*;
use crate::id::{OwnerId, TicketId};

/// Whatever is seen at a glance is what the parser sees.
fn check(payload: &str, at_a_glance: bool) {
    let parsed: Option<Glance<'_>> = serde_json::from_str(payload).ok();
    let seen = glance(payload.as_bytes());
    assert_eq!(seen.is_some(), at_a_glance, "{payload}");
    assert!(seen.is_none() || seen == parsed, "{payload}: {seen:?} but {parsed:?}");
}

const FRONT: &str = r#"{"actor":"agt_a@idn_b","at":17,"event":{"#;

fn intent(operation: &str, rest: &str) -> String {
    let hot = r#""effect":"observe","epoch":3,"kind":"fs.read","mount":"files","operation":"#;
    format!(r#"{FRONT}"intent":{{"demands":[["read","fs:/a"]],{hot}{operation}{rest}}}}}}}"#)
}

#[test]
fn what_is_written_as_ever_is_seen_at_a_glance() {
    let rules = r#","rules":["gnt_x/0","gnt_y/1"]"#;
    for operation in
        [r#"{"offset":0,"path":"fs:/a"}"#, "{}", r#"{"a":[{"b":"}]\"{\\"},[]],"c":"\\"}"#]
    {
        check(&intent(operation, rules), true);
        check(&intent(operation, &format!(r#"{rules},"version":"absent""#)), true);
    }
    let ticket = TicketId::made_at(OwnerId::of_key(&[1; 32]), 4, 0);
    let approved = intent("{}", rules)
        .replace(r#"{"demands""#, &format!(r#"{{"approval":"{ticket}","demands""#));
    check(&approved, true);
    let many = intent("{}", rules).replace("[[", r#"[["list","fs:/b"],["#);
    check(&many, true);
    check(&format!(r#"{FRONT}"outcome":{{"intent":4,"result":"done"}}}}}}"#), true);
    let digest = "0".repeat(64);
    let fact = r#""fact":{"projection":"net","said":{"a":[{"b":"}]\"{\\"},[]]}}"#;
    check(&format!(r#"{FRONT}"declared":{{{fact}}}}}}}"#), true);
    check(&format!(r#"{FRONT}"declared":{{"body":"{digest}",{fact}}}}}}}"#), true);
    let attested = format!(r#""outcome":{{"evidence":"{digest}","intent":4,"result":"done"}}"#);
    check(&format!("{FRONT}{attested}}}}}"), true);
}

#[test]
fn what_is_written_otherwise_is_left_to_the_parser() {
    let rules = r#","rules":["gnt_x/0"]"#;
    let plain = intent("{}", rules);
    check(&plain, true);
    for (from, to) in [
        ("fs:/a", r"fs:/\u0061"),
        ("fs.read", r#"fs.\"read"#),
        (r#""fs:/a"]"#, r#""fs:/a","subtree"]"#),
        (r#""operation":{}"#, r#""operation":null"#),
        (r#""operation":{}"#, r#""operation":{},"other":1"#),
        (r#""at":17"#, r#""at":"17""#),
        (r#""at":17"#, r#""at":99999999999999999999"#),
        (r#"["gnt_x/0"]"#, "[]"),
        ("{\"actor", " {\"actor"),
        ("}}}", "}}} "),
        ("}}}", "}}}x"),
        ("}}}", "}}"),
    ] {
        let other = plain.replacen(from, to, 1);
        assert_ne!(other, plain, "{from}");
        check(&other, false);
    }
    check(&format!(r#"{FRONT}"outcome":{{"intent":4,"result":{{"failed":1}}}}}}}}"#), false);
    check(&format!(r#"{FRONT}"opened":{{"format":1}}}}}}"#), false);
    for end in 0..plain.len() {
        check(&plain[..end], false);
    }
}
