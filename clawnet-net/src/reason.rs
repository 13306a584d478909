//! Why a message is refused.
use clawnet_core::Misfit;
use serde::{Deserialize, Serialize};

/// Why a message was refused. Whatever it is, nothing changed.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Too much at once.
    #[error("too many messages at once")]
    Busy,
    /// The session is over.
    #[error("the session is over")]
    Closed,
    /// The sender's ledger contradicts what was shown of it before.
    #[error("the sender's ledger contradicts what was shown of it before")]
    Contradiction,
    /// The session's time is over.
    #[error("the session's time is over")]
    Expired,
    /// A signature is missing, or not by the key it has to be by.
    #[error("not signed by the key it has to be signed by")]
    Forged,
    /// The sender's key changed, and the owner has not looked at it yet.
    #[error("the sender's key changed, and the owner has not accepted it")]
    KeyChanged,
    /// A limit of this owner's is reached.
    #[error("a limit is reached")]
    Limit,
    /// It cannot be read.
    #[error("it cannot be read")]
    Malformed,
    /// It is about other terms, or another session, than those agreed on.
    #[error("it does not match what was agreed on")]
    Mismatch,
    /// It can be read, and is not spelled as everybody spells it.
    #[error("it is not canonical")]
    NotCanonical,
    /// Both owners have not agreed yet.
    #[error("the session is not open")]
    NotOpen,
    /// Something before it is missing.
    #[error("something before it is missing")]
    OutOfOrder,
    /// It is larger than any message.
    #[error("it is larger than any message may be")]
    Oversize,
    /// The session waits.
    #[error("the session is paused")]
    Paused,
    /// It was here before.
    #[error("it was here before")]
    Replayed,
    /// Something later was here before.
    #[error("something later was here before")]
    Stale,
    /// It is larger than the terms allow.
    #[error("it is larger than agreed")]
    TooLarge,
    /// Nobody here is known by that name. The answer to strangers, whatever they name.
    #[error("nobody is known by that name")]
    Unknown,
    /// It does not prove that the sender's ledger continues what was shown of it before.
    #[error("it does not prove that the sender's ledger goes on from what was shown before")]
    Unproven,
    /// The sender is no party to the session, or not the one it says.
    #[error("the sender is no party to it")]
    WrongParty,
    /// It is the other side's turn.
    #[error("it is the other side's turn")]
    WrongTurn,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: &'static [Self] = &[
        Self::Busy,
        Self::Closed,
        Self::Contradiction,
        Self::Expired,
        Self::Forged,
        Self::KeyChanged,
        Self::Limit,
        Self::Malformed,
        Self::Mismatch,
        Self::NotCanonical,
        Self::NotOpen,
        Self::OutOfOrder,
        Self::Oversize,
        Self::Paused,
        Self::Replayed,
        Self::Stale,
        Self::TooLarge,
        Self::Unknown,
        Self::Unproven,
        Self::WrongParty,
        Self::WrongTurn,
    ];

    /// The word for it, as in messages, records and refusals.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::Contradiction => "contradiction",
            Self::Expired => "expired",
            Self::Forged => "forged",
            Self::KeyChanged => "key_changed",
            Self::Limit => "limit",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
            Self::NotCanonical => "not_canonical",
            Self::NotOpen => "not_open",
            Self::OutOfOrder => "out_of_order",
            Self::Oversize => "oversize",
            Self::Paused => "paused",
            Self::Replayed => "replayed",
            Self::Stale => "stale",
            Self::TooLarge => "too_large",
            Self::Unknown => "unknown",
            Self::Unproven => "unproven",
            Self::WrongParty => "wrong_party",
            Self::WrongTurn => "wrong_turn",
        }
    }

    /// The reason with this word.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}

impl From<Reason> for Misfit {
    fn from(reason: Reason) -> Self {
        Self::new(reason.code(), reason.to_string())
    }
}
