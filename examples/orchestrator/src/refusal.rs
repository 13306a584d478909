//! What the API says instead of an answer: a status, a word for programs, and a sentence.
use clawnet_core::{OwnerError, Refusal};
use clawnet_net::{HostError, NoFloor, NoSession, PartyError};
use hyper::StatusCode;
use serde_json::{Value, json};

/// Why a request is refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Wrong {
    #[error("too much at once")]
    Busy,
    #[error("the owner is not at home on this server")]
    Foreign,
    #[error("the signature does not verify")]
    Forged,
    #[error("the request cannot be read: {0}")]
    Malformed(String),
    #[error("the owner has not enrolled since this server started")]
    NotEnrolled,
    /// The kernel, or the other side, says no.
    #[error("{what}")]
    Refused { code: String, what: String },
    #[error("this request was here before")]
    Replayed,
    #[error("the request was signed too long ago, or ahead of its time")]
    Stale,
    #[error("the request took too long")]
    Timeout,
    #[error("the request is larger than any may be")]
    TooLarge,
    #[error("there is no such thing here")]
    Unknown,
    #[error("the request is not signed")]
    Unsigned,
}

impl Wrong {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Forged | Self::Replayed | Self::Stale | Self::Unsigned => {
                StatusCode::UNAUTHORIZED
            }
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotEnrolled | Self::Refused { .. } => StatusCode::CONFLICT,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unknown => StatusCode::NOT_FOUND,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Busy => "busy",
            Self::Foreign => "foreign_owner",
            Self::Forged => "forged",
            Self::Malformed(_) => "malformed",
            Self::NotEnrolled => "not_enrolled",
            Self::Refused { code, .. } => code,
            Self::Replayed => "replayed",
            Self::Stale => "stale",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Unknown => "unknown_route",
            Self::Unsigned => "unsigned",
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "error": { "code": self.code(), "what": self.to_string() } })
    }

    fn refused(code: &str, what: &dyn ToString) -> Self {
        Self::Refused { code: code.to_owned(), what: what.to_string() }
    }
}

impl From<PartyError> for Wrong {
    fn from(error: PartyError) -> Self {
        if let PartyError::Refused(reason) = error {
            Self::refused(reason.code(), &reason)
        } else {
            Self::refused("party", &error)
        }
    }
}

impl From<OwnerError> for Wrong {
    fn from(error: OwnerError) -> Self {
        Self::refused("owner", &error)
    }
}

impl From<HostError> for Wrong {
    fn from(error: HostError) -> Self {
        Self::refused("host", &error)
    }
}

impl From<NoSession> for Wrong {
    fn from(error: NoSession) -> Self {
        Self::refused("no_session", &error)
    }
}

impl From<NoFloor> for Wrong {
    fn from(error: NoFloor) -> Self {
        if let NoFloor::Refused(reason) = error {
            Self::refused(reason.code(), &reason)
        } else {
            Self::refused("no_floor", &error)
        }
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::refused("refused", &refusal)
    }
}

impl From<serde_json::Error> for Wrong {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}
