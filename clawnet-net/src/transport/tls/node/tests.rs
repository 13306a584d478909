//! Certificates that are a node's, and those that are not.
use std::time::Duration;

use rcgen::PKCS_ECDSA_P256_SHA256;
use tokio_rustls::rustls::{
    ConfigBuilder,
    client::WantsClientCert,
    crypto::ring::sign::any_eddsa_type,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::*;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_hours(500_000))
}

fn pair(nth: u8) -> KeyPair {
    let secret = PrivatePkcs8KeyDer::from([&PKCS8[..], &[nth; 32]].concat());
    KeyPair::from_pkcs8_der_and_sign_algo(&secret, &PKCS_ED25519).unwrap()
}

#[test]
fn a_certificate_names_the_key_that_signed_it() {
    use clawnet_core::{Signer, SoftwareKey};
    let node = NodeKey::from_secret(&[5; 32]).unwrap();
    assert_eq!(node.public_key(), SoftwareKey::from_secret(&[5; 32]).public_key());
    assert_eq!(node_of(&node.certificate, now()), Ok(node.public_key()));
}

#[test]
fn no_bit_of_a_certificate_may_change() {
    let node = NodeKey::from_secret(&[5; 32]).unwrap();
    for bit in 0..node.certificate.len() * 8 {
        let mut bytes = node.certificate.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(node_of(&bytes.into(), now()).is_err(), "bit {bit}");
    }
    for end in 0..node.certificate.len() {
        assert!(node_of(&node.certificate[..end].into(), now()).is_err(), "{end} bytes");
    }
    let longer = [&node.certificate[..], &[0]].concat();
    assert_eq!(node_of(&longer.into(), now()), Err(NodeError::Malformed));
}

#[test]
fn a_certificate_by_another_key_or_of_another_kind_is_refused() {
    let (own, other) = (pair(1), pair(2));
    let issuer = rcgen::Issuer::new(CertificateParams::default(), &other);
    let signed = CertificateParams::default().signed_by(&own, &issuer).unwrap();
    assert_eq!(node_of(signed.der(), now()), Err(NodeError::NotSelfSigned));
    let curve = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let signed = CertificateParams::default().self_signed(&curve).unwrap();
    assert_eq!(node_of(signed.der(), now()), Err(NodeError::NotEd25519));
    let mut params = CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let signed = params.self_signed(&own).unwrap();
    assert_eq!(node_of(signed.der(), now()), Err(NodeError::NotSelfSigned));
}

#[test]
fn one_certificate_is_shown_of_whom_it_should_be() {
    let (one, two) = (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]));
    let (one, two) = (one.unwrap(), two.unwrap());
    let refused = |checked: Result<(), Error>| {
        let Err(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) = checked
        else {
            panic!("{checked:?}");
        };
        *why.downcast_ref::<NodeError>().unwrap()
    };
    let check = |expected: Option<&NodeKey>, shown: &NodeKey, others: &[CertificateDer<'_>]| {
        let expected = expected.map(NodeKey::public_key);
        Accepts::node(expected).check(&shown.certificate, others, now())
    };
    assert_eq!(check(None, &one, &[]), Ok(()));
    assert_eq!(check(Some(&one), &one, &[]), Ok(()));
    let another = NodeError::Another { expected: one.public_key(), found: two.public_key() };
    assert_eq!(refused(check(Some(&one), &two, &[])), another);
    let chain = [two.certificate.clone()];
    assert_eq!(refused(check(None, &one, &chain)), NodeError::Malformed);
}

/// Clients with something wrong about their certificates.
impl NodeKey {
    pub(in crate::transport::tls) fn client_without_certificate() -> ClientConfig {
        Self::builder().with_no_client_auth()
    }

    /// Each with what it is refused for.
    pub(in crate::transport::tls) fn bad_clients(&self) -> Vec<(ClientConfig, NodeError)> {
        let other = pair(2);
        let issuer = rcgen::Issuer::new(CertificateParams::default(), &other);
        let own = pair(1);
        let by_other = CertificateParams::default().signed_by(&own, &issuer).unwrap();
        let with = |certificates: Vec<CertificateDer<'static>>, key: Vec<u8>| {
            let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(key)).unwrap();
            let shown = SingleCertAndKey::from(CertifiedKey::new(certificates, key));
            Self::builder().with_client_cert_resolver(Arc::new(shown))
        };
        let own_key = own.serialize_der();
        let (stolen, chain) = (self.certificate.clone(), self.certificate.clone());
        let curve = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let of_curve = CertificateParams::default().self_signed(&curve).unwrap();
        let malformed = CertificateDer::from(vec![48, 3, 1, 1, 0]);
        vec![
            (with(vec![by_other.der().clone()], own_key.clone()), NodeError::NotSelfSigned),
            (with(vec![of_curve.der().clone()], own_key.clone()), NodeError::NotEd25519),
            (with(vec![malformed], own_key.clone()), NodeError::Malformed),
            (with(vec![stolen.clone(), chain], own_key.clone()), NodeError::Malformed),
            // A good certificate, and somebody else's key.
            (with(vec![stolen], own_key), NodeError::NotHeld),
        ]
    }

    fn builder() -> ConfigBuilder<ClientConfig, WantsClientCert> {
        ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Accepts::node(None)))
    }
}
