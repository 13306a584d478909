//! Why a link was refused, or ended.
use std::io;

use clawnet_core::PublicKey;
use tokio_rustls::rustls::{self, CertificateError, OtherError, PeerIncompatible};
use tokio_tungstenite::tungstenite::{self, error::CapacityError};

use super::{
    claim::{ClaimError, NotVouched},
    node::NodeError,
    session::Violation,
    wire::NotAMessage,
};

/// Why there is no link, or no more.
///
/// Whatever it is, frames that were taken are kept and sent on the next link to the same node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The directory knows no way, or not one of the form `wss://host:port/path`.
    #[error("no way leads there")]
    NoRoute,
    /// Nobody answers there.
    #[error("nobody answers: {0}")]
    Unreachable(String),
    /// Something answers, not with TLS, or the handshake failed.
    #[error("no TLS: {0}")]
    NotTls(String),
    /// It speaks only older versions of TLS.
    #[error("the other end does not speak TLS 1.3")]
    OldTls,
    /// Its certificate is not what it should be.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// It is this host itself.
    #[error("the other end is this host")]
    Itself,
    /// It speaks TLS, but does not become a link.
    #[error("no link: {0}")]
    NotUpgraded(String),
    /// It did not prove for whom it speaks.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// It is a good link to somebody who does not speak for the owner that was asked for.
    #[error("the other end does not speak for the owner")]
    Unproven,
    /// A kernel here did not vouch for its owner.
    #[error(transparent)]
    NotVouched(#[from] NotVouched),
    /// It said something longer than anything may be.
    #[error("the other end sent more than it may at once")]
    TooLarge,
    /// It sent a text message.
    #[error("the other end sent text")]
    Text,
    /// It said something that is no message, or none that is due.
    #[error("the other end sent what is no message")]
    Malformed,
    /// It numbered or acknowledged frames as no host does.
    #[error("the other end does not count as hosts do")]
    OutOfPlace,
    /// It sent more than there was room for.
    #[error("the other end sent more than it was given room for")]
    Overrun,
    /// It took too long.
    #[error("the other end was silent for too long")]
    Silent,
    /// Too many connections of one node are being made.
    #[error("too many connections of one node")]
    TooManyConnections,
    /// No more nodes can be known at once.
    #[error("too many nodes")]
    TooManyNodes,
    /// A newer connection with the same node took its place.
    #[error("a newer connection took its place")]
    Replaced,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The transport ended.
    #[error("the transport is closed")]
    Closed,
}

/// What happened to the links of a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// Frames flow.
    Up {
        /// Between this host and which.
        node: PublicKey,
    },
    /// They do no more.
    Down {
        /// Between this host and which.
        node: PublicKey,
        /// Why.
        why: LinkError,
    },
    /// A connection did not become a link.
    Refused {
        /// Why.
        why: LinkError,
    },
}

impl LinkError {
    /// What went wrong in a TLS handshake.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        let found = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match found {
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))) => {
                match inner.downcast_ref::<NodeError>() {
                    Some(refused) => Self::Node(*refused),
                    None => Self::NotTls(error.to_string()),
                }
            }
            Some(rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => {
                Self::Node(NodeError::NotHeld)
            }
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                Self::Node(NodeError::Malformed)
            }
            Some(
                rustls::Error::PeerIncompatible(
                    PeerIncompatible::SupportedVersionsExtensionRequired
                    | PeerIncompatible::Tls13RequiredForQuic
                    | PeerIncompatible::Tls12NotOffered
                    | PeerIncompatible::Tls12NotOfferedOrEnabled
                    | PeerIncompatible::ServerDoesNotSupportTls12Or13
                    | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
                )
                | rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion),
            ) => Self::OldTls,
            Some(_) | None => Self::NotTls(error.to_string()),
        }
    }
}

impl From<tungstenite::Error> for LinkError {
    fn from(error: tungstenite::Error) -> Self {
        if let tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) = error {
            return Self::TooLarge;
        }
        if let tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) = error {
            return Self::Malformed;
        }
        Self::Broken(error.to_string())
    }
}

impl From<NotAMessage> for LinkError {
    fn from(error: NotAMessage) -> Self {
        match error {
            NotAMessage::Malformed => Self::Malformed,
            NotAMessage::TooLarge => Self::TooLarge,
        }
    }
}

impl From<Violation> for LinkError {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::OutOfPlace => Self::OutOfPlace,
            Violation::Overrun => Self::Overrun,
        }
    }
}
