//! What the kernel says, as the JSON a file can expect.
use clawnet_core::{
    Ability, AuditRecord, Capable, Denial, Explanation, Judgement, Overview, Question, Recovery,
    Refusal, RuleState, Standing, Verification,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Plain data as JSON. What cannot be written is `null`, which nothing here is.
pub(super) fn plain<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Why a submission had no effect. Of an escalation, only when silence becomes a no: its name is
/// the world's to give.
pub(super) fn refusal(refusal: &Refusal) -> Value {
    match refusal {
        Refusal::Denied(denial) => json!({"refused": denied(denial)}),
        Refusal::Escalated(ticket) => {
            json!({"escalated": plain(&ticket.id), "expires": plain(&ticket.expires)})
        }
        Refusal::Failed(fault) => json!({"failed": {"code": fault.code(), "what": fault.what()}}),
        Refusal::Ledger(error) => json!({"ledger": error.to_string()}),
    }
}

fn denied(denial: &Denial) -> Value {
    let mut value = plain(denial);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("text".into(), denial.to_string().into());
    }
    value
}

pub(super) fn judgement(judgement: &Judgement) -> Value {
    let rules: Vec<_> = judgement.rules.iter().map(plain).collect();
    json!({"verdict": judgement.verdict, "code": plain(&judgement.code), "rules": rules})
}

pub(super) fn record(record: &AuditRecord) -> Value {
    json!({
        "sequence": record.sequence,
        "at": record.at,
        "actor": plain(&record.actor),
        "event": plain(&record.event),
    })
}

pub(super) fn question(question: &Question) -> Value {
    json!({
        "ticket": question.ticket,
        "agent": question.agent,
        "identity": question.identity,
        "kind": question.kind,
        "operation": plain(&question.operation),
        "expires": question.expires,
        "rules": question.rules,
        "shown": question.render(),
    })
}

pub(super) fn overview(overview: &Overview) -> Value {
    let grants = overview.grants.iter().map(|(id, _)| plain(id)).collect::<Vec<_>>();
    let agents = overview.agents.iter().map(|(id, _)| plain(id)).collect::<Vec<_>>();
    json!({
        "identity": overview.identity,
        "name": overview.name,
        "under": plain(&overview.parent),
        "standing": standing(overview.standing),
        "agents": agents,
        "grants": grants,
    })
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Live => "live",
        Standing::Frozen => "frozen",
        Standing::Retired { .. } => "retired",
        _ => "unknown",
    }
}

pub(super) fn explanation(explanation: &Explanation) -> Value {
    let mandates = explanation.mandates.iter().map(|mandate| {
        let matching = mandate
            .matching
            .iter()
            .map(|rule| json!({"rule": rule.rule, "text": rule.text, "state": state(rule.state)}));
        json!({
            "granted_by": mandate.grantor.map_or_else(|| "owner".into(), |id| plain(&id)),
            "verdict": mandate.verdict,
            "matching": matching.collect::<Vec<_>>(),
            "near_miss": plain(&mandate.near_miss),
        })
    });
    json!({
        "verdict": explanation.verdict,
        "why": explanation.why,
        "mandates": mandates.collect::<Vec<_>>(),
    })
}

fn state(state: RuleState) -> &'static str {
    match state {
        RuleState::InForce => "in_force",
        RuleState::NotYet => "not_yet",
        RuleState::Lapsed => "lapsed",
        RuleState::Spent => "spent",
        _ => "unknown",
    }
}

pub(super) fn ability(ability: &Ability) -> Value {
    json!({
        "region": ability.region, "action": ability.action, "verdict": ability.verdict,
    })
}

pub(super) fn capable(capable: &Capable) -> Value {
    json!({"identity": capable.identity, "verdict": capable.verdict})
}

pub(super) fn recovery(recovery: &Recovery) -> Value {
    let damage = recovery.damage.as_ref();
    json!({
        "records": recovery.records,
        "from_snapshot": recovery.from_snapshot,
        "replayed": recovery.replayed,
        "closed": recovery.closed,
        "damage": damage.map(|damage| json!({"sequence": damage.sequence, "what": damage.what})),
    })
}

pub(super) fn verification(verification: &Verification) -> Value {
    let damage = verification.damage.as_ref();
    json!({
        "records": verification.records,
        "acts": verification.acts,
        "checkpoints": verification.checkpoints,
        "damage": damage.map(|damage| json!({"sequence": damage.sequence, "what": damage.what})),
    })
}
