//! What figures are compared with: a WebSocket over the same TLS, and nothing else. The server says
//! back what it hears; the client waits for it before it speaks again.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{PrivatePkcs8KeyDer, ServerName},
        server::WebPkiClientVerifier,
        version::TLS13,
    },
};
use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};

/// How often a second `size_bytes` go there and come back, over so many connections at once.
pub(crate) async fn rate(connections: usize, size_bytes: usize, during: Duration) -> f64 {
    let (server, client) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(server);
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(tcp, acceptor.clone()));
        }
    });
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let connector = TlsConnector::from(Arc::clone(&client));
        clients.spawn(async move {
            let tcp = TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let tls = connector.connect(name, tcp).await.unwrap();
            let (mut socket, _) = client_async("wss://localhost/", tls).await.unwrap();
            let (begin, mut done) = (Instant::now(), 0_u32);
            while begin.elapsed() < during {
                socket.send(Message::Binary(vec![7; size_bytes].into())).await.unwrap();
                socket.next().await.unwrap().unwrap();
                done += 1;
            }
            f64::from(done) / begin.elapsed().as_secs_f64()
        });
    }
    let rate = clients.join_all().await.into_iter().sum();
    serving.abort();
    rate
}

async fn serve(tcp: TcpStream, acceptor: TlsAcceptor) {
    tcp.set_nodelay(true).unwrap();
    let tls = acceptor.accept(tcp).await.unwrap();
    let mut socket = accept_async(tls).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        if !message.is_binary() || socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Both sides show a certificate, as hosts do.
fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let signing_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    let provider = Arc::new(ring::default_provider());
    let key = || PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![cert.der().clone()], key())
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![cert.der().clone()], key())
        .unwrap();
    (Arc::new(server), Arc::new(client))
}
