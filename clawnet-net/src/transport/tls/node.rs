//! Which host is at the other end: node keys, their certificates, and what TLS accepts.
//!
//! A node is an Ed25519 key. Its certificate is self-signed and says nothing else that matters: no
//! name in it is read, no authority is asked. TLS proves that the other end holds the key; whether
//! it is the right one, and for whom it speaks, is for the directory and the claims.
use std::{fmt, sync::Arc};

use clawnet_core::PublicKey;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    server::{
        NoServerSessionStorage, ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};

/// A host's own key: what other hosts know it by. Never an owner's, nor a kernel's.
pub struct NodeKey {
    secret: PrivatePkcs8KeyDer<'static>,
    certificate: CertificateDer<'static>,
    public: PublicKey,
}

/// What comes before an Ed25519 secret in PKCS #8.
const PKCS8: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
/// What comes before an Ed25519 key in a certificate.
const SPKI: [u8; 12] = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];
/// No certificate of this form is longer.
const CERTIFICATE_BYTES_MAX: usize = 1024;

impl NodeKey {
    /// The key of this secret. Take it from the operating system's randomness, and keep it: other
    /// hosts' directories may name it.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, NodeError> {
        let secret = PrivatePkcs8KeyDer::from([&PKCS8[..], secret].concat());
        let refused = |_| NodeError::Malformed;
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&secret, &PKCS_ED25519);
        let pair = pair.map_err(refused)?;
        let certificate = CertificateParams::default().self_signed(&pair).map_err(refused)?;
        let public = pair.public_key_raw().try_into().map_err(|_| NodeError::Malformed)?;
        let certificate = certificate.der().clone();
        Ok(Self { secret, certificate, public: PublicKey::from_bytes(public) })
    }

    /// What other hosts know it by.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public
    }

    /// What it listens with: TLS 1.3, any node at the other end, and nothing kept between two
    /// connections.
    pub(super) fn server(&self) -> Result<ServerConfig, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(Accepts::node(None)))
            .with_single_cert(vec![self.certificate.clone()], self.secret.clone_key().into())?;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    /// What it dials with: the same, and exactly `expected` at the other end, if that is known.
    pub(super) fn client(&self, expected: Option<PublicKey>) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Accepts::node(expected)))
            .with_client_auth_cert(
                vec![self.certificate.clone()],
                self.secret.clone_key().into(),
            )?;
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeKey").field(&self.public).finish()
    }
}

/// A name that nobody else has, or guesses.
pub(super) fn fresh_name() -> Result<String, NodeError> {
    let mut bytes = [0; 16];
    provider().secure_random.fill(&mut bytes).map_err(|_| NodeError::NoRandomness)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

/// The node whose certificate this is, if it is one.
///
/// **Refuses** what is no certificate, is of another kind of key, is not in force, or is not signed
/// by the key it is about.
pub(super) fn node_of(
    certificate: &CertificateDer<'_>,
    now: UnixTime,
) -> Result<PublicKey, NodeError> {
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return Err(NodeError::Malformed);
    }
    let parsed = ParsedCertificate::try_from(certificate).map_err(|_| NodeError::Malformed)?;
    let info = parsed.subject_public_key_info();
    let key = info.strip_prefix(&SPKI).ok_or(NodeError::NotEd25519)?;
    let key = PublicKey::from_bytes(key.try_into().map_err(|_| NodeError::NotEd25519)?);
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(|_| NodeError::Malformed)?;
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms)
        .map_err(|_| NodeError::NotSelfSigned)?;
    Ok(key)
}

/// Accepts one well-formed certificate of a node, and the handshake's signature by its key.
#[derive(Debug)]
struct Accepts {
    expected: Option<PublicKey>,
}

impl Accepts {
    const fn node(expected: Option<PublicKey>) -> Self {
        Self { expected }
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let refused = |error| CertificateError::Other(OtherError(Arc::new(error)));
        if !others.is_empty() {
            return Err(refused(NodeError::Malformed).into());
        }
        let found = node_of(certificate, now).map_err(refused)?;
        match self.expected {
            Some(expected) if expected != found => {
                Err(refused(NodeError::Another { expected, found }).into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_signature(
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }
}

fn tls12() -> Error {
    PeerIncompatible::SupportedVersionsExtensionRequired.into()
}

impl ServerCertVerifier for Accepts {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Accepts {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Why a certificate is not the one of the node it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// It is no certificate, or there is more than one.
    #[error("the node's certificate is malformed")]
    Malformed,
    /// Its key is of another kind.
    #[error("the node's key is not Ed25519")]
    NotEd25519,
    /// Its own key did not sign it, or it is not in force.
    #[error("the node's certificate is not signed by its own key")]
    NotSelfSigned,
    /// Whoever shows it does not hold its key.
    #[error("the other end does not hold the key of its certificate")]
    NotHeld,
    /// The operating system gives no randomness.
    #[error("there is no randomness")]
    NoRandomness,
    /// It is a good one, of another node.
    #[error("the node is `{found}`, not `{expected}`")]
    Another {
        /// Who should be there.
        expected: PublicKey,
        /// Who is.
        found: PublicKey,
    },
}

#[cfg(test)]
mod tests;
