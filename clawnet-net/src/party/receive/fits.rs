//! Whether the parts of a message fit together: what can be said of it without any state.
use clawnet_core::{ConsistencyProof, Digest};

use crate::{
    entry::{LedgerHead, SignedEntry},
    id::SessionId,
    reason::Reason,
    relations::Relations,
    said::{Decision, Said, Shown},
};

/// How many bytes a released result may have.
const RESULT_BYTES_MAX: usize = 64 << 10;

/// What they decided, if it is a decision about others.
pub(super) fn decision(shown: &Shown) -> Option<Decision> {
    match shown.act.declared::<Relations>() {
        Some(Said::Decided(decision)) => Some(decision),
        Some(_) | None => None,
    }
}

/// The session a decision is about.
pub(super) fn session_of(shown: &Shown) -> Option<SessionId> {
    use Decision::{Consent, Pause, Release, Resume};
    let decision = decision(shown)?;
    if let Consent { session, .. }
    | Pause { session }
    | Release { session, .. }
    | Resume { session } = decision
    {
        return Some(session);
    }
    None
}

/// Whether the text of a released result is the one that was signed, and of nothing else.
pub(super) fn check_result(decision: Option<&Decision>, text: Option<&str>) -> Result<(), Reason> {
    match (decision, text) {
        (Some(Decision::Release { body, .. }), Some(text)) => {
            if text.len() > RESULT_BYTES_MAX {
                return Err(Reason::TooLarge);
            }
            check_body(*body, text)
        }
        // The owner over there had it erased before it left.
        (Some(Decision::Release { .. }), None) => Err(Reason::Mismatch),
        (_, Some(_)) => Err(Reason::Malformed),
        (_, None) => Ok(()),
    }
}

/// Whether the text of a turn is the one that was signed, and of nothing else.
pub(super) fn check_text(signed: &SignedEntry, text: Option<&str>) -> Result<(), Reason> {
    match (signed.entry.turn(), text) {
        (Some(turn), Some(text)) => {
            if u32::try_from(text.len()) != Ok(turn.size_bytes) {
                return Err(Reason::Mismatch);
            }
            check_body(turn.body, text)
        }
        (Some(_), None) => Err(Reason::Mismatch),
        (None, Some(_)) => Err(Reason::Malformed),
        (None, None) => Ok(()),
    }
}

fn check_body(body: Digest, text: &str) -> Result<(), Reason> {
    let same = Digest::of_content(text.as_bytes()) == body;
    if same { Ok(()) } else { Err(Reason::Mismatch) }
}

/// Whether a ledger with this head goes on from the one that was shown before.
pub(super) fn check_path(
    before: Option<LedgerHead>,
    head: LedgerHead,
    path: Option<&ConsistencyProof>,
) -> Result<(), Reason> {
    let Some(before) = before.filter(|before| before.size < head.size) else {
        // That it did not shrink, or change in place, is for the fold to say.
        return if path.is_none() { Ok(()) } else { Err(Reason::Unproven) };
    };
    let path = path.filter(|path| (path.from(), path.to()) == (before.size, head.size));
    let path = path.ok_or(Reason::Unproven)?;
    path.verify(&before.root, &head.root).map_err(|_| Reason::Unproven)
}
