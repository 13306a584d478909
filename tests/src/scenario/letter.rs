//! What a message carries and what was answered to it, in words a file can expect.
use clawnet_net::{Envelope, Letter, NOBODY, Reason, Relations, Said, What};
use serde_json::{Map, Value, json};

use super::answer::plain;

/// What a message carries, in a word.
pub(super) fn carried(bytes: &[u8]) -> String {
    let word = described(bytes).get("carries").and_then(Value::as_str).map(str::to_owned);
    word.unwrap_or_default()
}

/// What a message carries: which decision, which entry, which answer.
pub(super) fn described(bytes: &[u8]) -> Map<String, Value> {
    let value = match Envelope::decode(bytes) {
        _ if bytes == NOBODY => json!({"carries": "refused", "reason": Reason::Unknown}),
        Err(reason) => json!({"carries": "nothing", "because": reason}),
        Ok(envelope) => letter(&envelope.body),
    };
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

fn letter(letter: &Letter) -> Value {
    match letter {
        Letter::Act { shown, .. } => match shown.act.declared::<Relations>() {
            Some(Said::Decided(decision)) => {
                let (kind, fields) = tagged(&plain(&decision));
                let session = fields.get("session").cloned().unwrap_or_default();
                json!({"carries": kind, "act": shown.act.number, "session": session})
            }
            _ => json!({"carries": "act", "act": shown.act.number}),
        },
        Letter::End(signed) => {
            let end = &signed.end;
            json!({"carries": "end", "reason": end.reason, "after": end.after,
                "session": end.session})
        }
        Letter::Entry { signed, .. } => {
            let entry = &signed.entry;
            let what = match entry.what {
                What::Turn(_) => "turn",
                What::Draw { .. } => "draw",
                What::GiveBack { .. } => "give_back",
            };
            json!({"carries": what, "number": entry.number, "session": entry.session})
        }
        Letter::Keys(_) => json!({"carries": "keys"}),
        Letter::Refused { reason, .. } => json!({"carries": "refused", "reason": reason}),
        Letter::Taken { .. } => json!({"carries": "taken"}),
        _ => json!({"carries": "unknown"}),
    }
}

/// The name and the fields of a variant.
fn tagged(value: &Value) -> (String, Map<String, Value>) {
    let first = value.as_object().and_then(|fields| fields.iter().next());
    let fields = first.and_then(|(_, fields)| fields.as_object().cloned());
    let kind = first.map(|(kind, _)| kind.clone()).or_else(|| value.as_str().map(str::to_owned));
    (kind.unwrap_or_default(), fields.unwrap_or_default())
}

/// What was answered to one message: `taken`, `refused` and why, or nothing; and what else was told.
pub(super) fn answered(answers: &[Vec<u8>]) -> Map<String, Value> {
    let mut result = Map::new();
    let mut told = Vec::new();
    for bytes in answers {
        let mut said = described(bytes);
        match said.get("carries").and_then(Value::as_str) {
            Some("taken") => drop(result.insert("answer".into(), "taken".into())),
            Some("refused") => {
                let reason = said.remove("reason").unwrap_or_default();
                result.insert("refused".into(), reason);
                if bytes == NOBODY {
                    result.insert("constant".into(), true.into());
                }
            }
            _ => told.push(Value::Object(said)),
        }
    }
    if answers.is_empty() {
        result.insert("answer".into(), "nothing".into());
    }
    if !told.is_empty() {
        result.insert("told".into(), told.into());
    }
    result
}
