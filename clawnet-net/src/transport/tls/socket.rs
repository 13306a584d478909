//! One connection, from TCP to WebSocket, and who is at its other end.
use std::{sync::Arc, time::Duration};

use clawnet_core::PublicKey;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, TlsStream,
    rustls::{
        CommonState, ServerConfig,
        pki_types::{ServerName, UnixTime},
    },
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config, client_async_with_config,
    tungstenite::{
        self, Bytes, ClientRequestBuilder,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

use super::{
    claim::Binding,
    node::{NodeError, NodeKey, node_of},
    refusal::LinkError,
    route::Route,
    wire::{MESSAGE_BYTES_MAX, Message},
};

/// What is spoken over the WebSocket.
const PROTOCOL: &str = "clawnet-link-1";
/// What is asked of TLS, so that no other use of the same keys gives the same secret.
const EXPORTER: &[u8] = b"EXPORTER-clawnet-link-1";
const BUFFER_BYTES: usize = 64 << 10;

type Stream = WebSocketStream<TlsStream<TcpStream>>;

/// A connection to a proven node, in two halves.
pub(super) struct Socket {
    pub(super) output: Output,
    pub(super) input: Input,
    pub(super) binding: Binding,
}

/// Where messages go.
pub(super) struct Output(SplitSink<Stream, tungstenite::Message>, Duration);

/// Where messages come from.
pub(super) struct Input(SplitStream<Stream>, Duration);

impl Socket {
    /// Lets somebody in who is a node.
    pub(super) async fn accept(
        tcp: TcpStream,
        config: Arc<ServerConfig>,
        (own, silence): (PublicKey, Duration),
    ) -> Result<Self, LinkError> {
        let tls = TlsAcceptor::from(config).accept(tcp).await;
        let tls = TlsStream::Server(tls.map_err(|error| LinkError::of_handshake(&error))?);
        let binding = bind(&tls, own)?;
        let stream = accept_hdr_async_with_config(tls, agree, Some(config_of_frames())).await;
        let stream = stream.map_err(|error| LinkError::NotUpgraded(error.to_string()))?;
        Ok(Self::new(stream, binding, silence))
    }

    /// Goes to a node.
    pub(super) async fn dial(
        route: &Route,
        key: &NodeKey,
        silence: Duration,
    ) -> Result<Self, LinkError> {
        let failed = |error: std::io::Error| LinkError::Unreachable(error.to_string());
        let tcp = TcpStream::connect((route.host(), route.port())).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let name = ServerName::try_from(route.host().to_owned());
        let name = name.map_err(|_| LinkError::NoRoute)?;
        let config = key.client(route.node());
        let config = config.map_err(|error| LinkError::NotTls(error.to_string()))?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
        let tls = TlsStream::Client(tls.map_err(|error| LinkError::of_handshake(&error))?);
        let binding = bind(&tls, key.public_key())?;
        let request = ClientRequestBuilder::new(route.url().clone()).with_sub_protocol(PROTOCOL);
        let stream = client_async_with_config(request, tls, Some(config_of_frames())).await;
        let (stream, _) = stream.map_err(|error| LinkError::NotUpgraded(error.to_string()))?;
        Ok(Self::new(stream, binding, silence))
    }

    fn new(stream: Stream, binding: Binding, silence: Duration) -> Self {
        let (output, input) = stream.split();
        Self { output: Output(output, silence), input: Input(input, silence), binding }
    }
}

impl Output {
    /// Writes a message, soon.
    pub(super) async fn feed(&mut self, message: &Message) -> Result<(), LinkError> {
        self.write(tungstenite::Message::Binary(message.encode())).await
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), LinkError> {
        self.write(tungstenite::Message::Ping(Bytes::new())).await?;
        self.flush().await
    }

    /// Writes what was fed.
    pub(super) async fn flush(&mut self) -> Result<(), LinkError> {
        timeout(self.1, self.0.flush()).await.map_err(|_| LinkError::Silent)??;
        Ok(())
    }

    /// Writes anything, soon.
    pub(super) async fn write(&mut self, message: tungstenite::Message) -> Result<(), LinkError> {
        timeout(self.1, self.0.feed(message)).await.map_err(|_| LinkError::Silent)??;
        Ok(())
    }
}

impl Input {
    /// The next message.
    ///
    /// **Refuses** text, what is no message, and silence.
    pub(super) async fn next(&mut self) -> Result<Message, LinkError> {
        loop {
            let next = timeout(self.1, self.0.next()).await.map_err(|_| LinkError::Silent)?;
            match next.ok_or_else(|| LinkError::Broken("the other end left".to_owned()))?? {
                tungstenite::Message::Binary(bytes) => return Ok(Message::decode(&bytes)?),
                tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_) => {}
                tungstenite::Message::Text(_) => return Err(LinkError::Text),
                tungstenite::Message::Close(_) => {
                    return Err(LinkError::Broken("the other end closed".to_owned()));
                }
                tungstenite::Message::Frame(_) => return Err(LinkError::Malformed),
            }
        }
    }
}

/// What makes this connection unlike any other.
fn bind(tls: &TlsStream<TcpStream>, own: PublicKey) -> Result<Binding, LinkError> {
    let (_, state): (_, &CommonState) = tls.get_ref();
    let certificate = state.peer_certificates().and_then(<[_]>::first);
    let peer = node_of(certificate.ok_or(NodeError::Malformed)?, UnixTime::now())?;
    if peer == own {
        return Err(LinkError::Itself);
    }
    let exported = match tls {
        TlsStream::Client(tls) => tls.get_ref().1.export_keying_material([0; 32], EXPORTER, None),
        TlsStream::Server(tls) => tls.get_ref().1.export_keying_material([0; 32], EXPORTER, None),
    };
    let exported = exported.map_err(|error| LinkError::NotTls(error.to_string()))?;
    Ok(Binding { exported, own, peer })
}

/// Agrees to a request for what is spoken here, and to no other.
#[expect(clippy::result_large_err, reason = "the callback's signature is the other crate's")]
fn agree(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let asked = request.headers().get(SEC_WEBSOCKET_PROTOCOL);
    if asked.is_none_or(|asked| asked.as_bytes() != PROTOCOL.as_bytes()) {
        let mut refused = ErrorResponse::new(None);
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        return Err(refused);
    }
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    Ok(response)
}

fn config_of_frames() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(2 * (MESSAGE_BYTES_MAX + BUFFER_BYTES))
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}
