//! Other terms for the same session.
use std::time::Duration;

use clawnet_core::{Grant, Timestamp};

use crate::terms::Terms;

/// What should be otherwise in a session's terms: a counter-offer before it is open, an extension
/// after. Both owners have to agree to the new wording, whoever agreed to the old one.
#[derive(Debug, Clone, Default)]
#[must_use = "an amendment is nothing until it is proposed"]
pub struct Amendment {
    bytes_max: Option<u32>,
    expires_in: Option<Duration>,
    idle: Option<Duration>,
    scope: Option<Grant>,
    turns_max: Option<u32>,
}

impl Amendment {
    /// Everything as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// With so many turns, those that were used included.
    pub fn turns(self, turns_max: u32) -> Self {
        Self { turns_max: Some(turns_max), ..self }
    }

    /// With so many bytes in a turn.
    pub fn bytes(self, bytes_max: u32) -> Self {
        Self { bytes_max: Some(bytes_max), ..self }
    }

    /// With another end, counted from now.
    pub fn expiring_in(self, duration: Duration) -> Self {
        Self { expires_in: Some(duration), ..self }
    }

    /// With another time without an entry after which it ends.
    pub fn idle(self, duration: Duration) -> Self {
        Self { idle: Some(duration), ..self }
    }

    /// With another scope of its own. Those of the sessions above stay.
    pub fn scope(self, scope: Grant) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// The next wording of `terms`.
    pub(super) fn applied_to(self, terms: &Terms, now: Timestamp) -> Terms {
        let mut next = terms.clone();
        next.revision = terms.revision.saturating_add(1);
        next.turns_max = self.turns_max.unwrap_or(next.turns_max);
        next.bytes_max = self.bytes_max.unwrap_or(next.bytes_max);
        next.expires_at = self.expires_in.map_or(next.expires_at, |it| now.after(it));
        if let Some(idle) = self.idle {
            next.idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        }
        if let Some((own, scope)) = next.scope.last_mut().zip(self.scope) {
            *own = scope;
        }
        next
    }
}
