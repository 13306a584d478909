//! Clients that mean harm: each is refused for what it does, and the host goes on.
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, pki_types::ServerName},
};
use tokio_tungstenite::tungstenite::{self, Bytes, protocol::frame::Utf8Bytes};

use super::*;
use crate::transport::{
    FRAME_BYTES_MAX,
    tls::{
        claim::Claim,
        limits::{HELLO_BYTES_MAX, WINDOW_FRAMES_MAX},
        socket::Socket,
        wire::{Has, Join, Message},
    },
};

/// A host that listens, for owner 2.
struct Server {
    transport: TlsTransport,
    address: SocketAddr,
    events: LinkEvents,
}

impl Server {
    async fn new(limits: TlsLimits) -> Self {
        let transport = host(202, &[2], &Map::default(), limits).await;
        let address = listening(&transport).await;
        let events = transport.events();
        Self { transport, address, events }
    }

    /// It still is there for a client that means well.
    async fn goes_on(mut self) {
        let mut socket = raw::link(self.address, 211).await;
        up(&mut self.events).await;
        let frame = Message::Frame { number: 1, taken: 0, payload: vec![5].into() };
        raw::say(&mut socket, frame).await;
        // After what the other client got in before it was broken off.
        while receive(&self.transport).await.frame != [5] {}
    }
}

/// Sends bytes over bare TCP, and gives what it is refused for.
async fn over_tcp(bytes: &[u8]) -> LinkError {
    let mut server = Server::new(limits()).await;
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    tcp.shutdown().await.unwrap();
    let why = refused(&mut server.events).await;
    server.goes_on().await;
    why
}

#[tokio::test]
async fn what_is_no_tls_is_refused() {
    let request = b"GET /link HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n";
    let mut half = client_hello(&[3, 4]);
    half.truncate(20);
    for bytes in [&request[..], &[0; 1000], &[22, 3, 1, 255, 255, 0], &half, &[]] {
        let why = over_tcp(bytes).await;
        assert!(matches!(why, LinkError::NotTls(_)), "{why:?}");
    }
}

/// A client's first message that offers these versions, and TLS 1.2 if there are none.
fn client_hello(versions: &[u8]) -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend([0, 4, 0x13, 0x01, 0xc0, 0x2b]);
    hello.extend([1, 0]);
    let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 29];
    extensions.extend([0, 13, 0, 4, 0, 2, 8, 7]);
    if !versions.is_empty() {
        extensions.extend([0, 43, 0, 3, 2]);
        extensions.extend(versions);
    }
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(hello.len() + 4).unwrap().to_be_bytes());
    record.extend([1, 0]);
    record.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    record.extend(hello);
    record
}

#[tokio::test]
async fn older_tls_is_refused() {
    assert_eq!(over_tcp(&client_hello(&[])).await, LinkError::OldTls);
    assert_eq!(over_tcp(&client_hello(&[3, 3])).await, LinkError::OldTls);
    assert_eq!(over_tcp(&client_hello(&[3, 2])).await, LinkError::OldTls);
}

async fn over_tls(
    address: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let mut server = Server::new(limits()).await;
    let config = NodeKey::client_without_certificate();
    // A client is done with its handshake before it is refused.
    let stream = over_tls(server.address, config).await;
    assert_eq!(refused(&mut server.events).await, LinkError::Node(NodeError::Malformed));
    drop(stream);
    server.goes_on().await;
}

#[tokio::test]
async fn a_client_with_anothers_certificate_is_refused() {
    let mut server = Server::new(limits()).await;
    for (config, why) in secret(201).bad_clients() {
        let stream = over_tls(server.address, config).await;
        assert_eq!(refused(&mut server.events).await, LinkError::Node(why));
        drop(stream);
    }
    server.goes_on().await;
}

#[tokio::test]
async fn what_does_not_upgrade_is_refused() {
    let head = "GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000));
    let other = format!("{head}Sec-WebSocket-Protocol: chat\r\n\r\n");
    let none = format!("{head}\r\n");
    for request in ["GET / HTTP/1.1\r\n\r\n", "\0\0\0\0\r\n\r\n", &long, &other, &none] {
        let mut server = Server::new(limits()).await;
        let config = secret(201).client(None).unwrap();
        let mut stream = over_tls(server.address, config).await.unwrap();
        drop(stream.write_all(request.as_bytes()).await);
        drop(stream.flush().await);
        let why = refused(&mut server.events).await;
        assert!(matches!(why, LinkError::NotUpgraded(_)), "{why:?}");
        drop(stream.read(&mut [0; 100]).await);
        server.goes_on().await;
    }
}

/// Says something in place of a hello, and gives what it is refused for.
async fn instead_of_hello(message: tungstenite::Message) -> LinkError {
    let mut server = Server::new(limits()).await;
    let mut socket = raw::dial(server.address, 201).await.unwrap();
    if socket.output.write(message).await.is_ok() {
        drop(socket.output.flush().await);
    }
    let why = refused(&mut server.events).await;
    drop(socket);
    server.goes_on().await;
    why
}

fn binary(bytes: impl Into<Bytes>) -> tungstenite::Message {
    tungstenite::Message::Binary(bytes.into())
}

#[tokio::test]
async fn what_is_no_hello_is_refused() {
    let hello = |json: &str| binary(Message::Hello(json.to_owned().into()).encode());
    let frame = Message::Frame { number: 1, taken: 0, payload: Bytes::new() };
    let join = Message::Join(Join { generation: 1, first: 1, has: None });
    let malformed = [
        binary(vec![]),
        binary(vec![9; 100]),
        binary(frame.encode()),
        binary(join.encode()),
        binary(Message::Taken(0).encode()),
        hello(""),
        hello("{}"),
        hello("null"),
        hello(r#"{"claims":[],"session":"short"}"#),
        hello(r#"{"claims":[],"session":"zz112233445566778899aabbccddeeff"}"#),
        hello(r#"{"claims":[1],"session":"00112233445566778899aabbccddeeff"}"#),
        hello(r#"{"claims":[],"session":"00112233445566778899aabbccddeeff","x":1}"#),
        hello(r#"{"claims":[],"session":"00112233445566778899aabbccddeeff""#),
    ];
    for message in malformed {
        assert_eq!(instead_of_hello(message.clone()).await, LinkError::Malformed, "{message:?}");
    }
    let text = tungstenite::Message::Text(Utf8Bytes::from_static("{}"));
    assert_eq!(instead_of_hello(text).await, LinkError::Text);
    let close = tungstenite::Message::Close(None);
    assert!(matches!(instead_of_hello(close).await, LinkError::Broken(_)));
    let large = vec![b' '; HELLO_BYTES_MAX + 1];
    let large = binary(Message::Hello(large.into()).encode());
    assert_eq!(instead_of_hello(large).await, LinkError::TooLarge);
    let larger = vec![4; FRAME_BYTES_MAX + 18];
    assert_eq!(instead_of_hello(binary(larger)).await, LinkError::TooLarge);
}

/// Says something on a link, and gives what it is broken off for.
async fn on_a_link(messages: Vec<Message>) -> LinkError {
    let mut server = Server::new(limits()).await;
    let mut socket = raw::link(server.address, 201).await;
    up(&mut server.events).await;
    for message in messages {
        raw::say(&mut socket, message).await;
    }
    let why = down(&mut server.events).await;
    server.goes_on().await;
    why
}

fn frame(number: u64, taken: u64, size_bytes: usize) -> Message {
    Message::Frame { number, taken, payload: vec![0; size_bytes].into() }
}

#[tokio::test]
async fn what_does_not_count_as_hosts_do_is_broken_off() {
    assert_eq!(on_a_link(vec![frame(2, 0, 1)]).await, LinkError::OutOfPlace);
    assert_eq!(on_a_link(vec![frame(1, 0, 1), frame(3, 0, 1)]).await, LinkError::OutOfPlace);
    assert_eq!(on_a_link(vec![frame(1, 1, 1)]).await, LinkError::OutOfPlace);
    assert_eq!(on_a_link(vec![Message::Taken(1)]).await, LinkError::OutOfPlace);
    assert_eq!(on_a_link(vec![Message::Taken(u64::MAX)]).await, LinkError::OutOfPlace);
    assert_eq!(on_a_link(vec![Message::Hello(Bytes::new())]).await, LinkError::Malformed);
    assert_eq!(on_a_link(vec![Message::Claim(Bytes::new())]).await, LinkError::Malformed);
    let join = Message::Join(Join { generation: 9, first: 1, has: None });
    assert_eq!(on_a_link(vec![join]).await, LinkError::Malformed);
    assert_eq!(on_a_link(vec![frame(1, 0, FRAME_BYTES_MAX + 1)]).await, LinkError::TooLarge);
}

#[tokio::test]
async fn more_than_the_window_is_broken_off() {
    let many = (1..=WINDOW_FRAMES_MAX as u64 + 1).map(|number| frame(number, 0, 0)).collect();
    assert_eq!(on_a_link(many).await, LinkError::Overrun);
    let large = (1..=5).map(|number| frame(number, 0, FRAME_BYTES_MAX)).collect();
    assert_eq!(on_a_link(large).await, LinkError::Overrun);
}

#[tokio::test]
async fn a_join_that_cannot_be_is_refused() {
    let has = |received, taken| Some(Has { received, taken });
    for (first, has) in [(0, None), (1, has(1, 0)), (1, has(0, 1)), (1, has(u64::MAX, u64::MAX))] {
        let mut server = Server::new(limits()).await;
        let mut socket = raw::dial(server.address, 201).await.unwrap();
        raw::hello(&mut socket, vec![]).await;
        raw::join(&mut socket, Join { generation: 1, first, has }).await;
        assert_eq!(refused(&mut server.events).await, LinkError::OutOfPlace);
        server.goes_on().await;
    }
}

/// What a client that joined again sends once more is not given out twice.
#[tokio::test]
async fn a_number_comes_once_whatever_the_other_side_says() {
    let mut server = Server::new(limits()).await;
    let claim =
        async |socket: &Socket| Claim::make(&*kernel(1).await, &socket.binding).await.unwrap();
    let mut told = Vec::new();
    for generation in 1..4 {
        let mut socket = raw::dial(server.address, 201).await.unwrap();
        let claim = claim(&socket).await;
        raw::hello(&mut socket, vec![claim]).await;
        let own = Join { generation, first: 1, has: None };
        told.push(raw::join(&mut socket, own).await.has);
        up(&mut server.events).await;
        // From the first on, however far the host said that it came.
        for number in 1..=generation {
            raw::say(&mut socket, frame(number, 0, usize::try_from(number).unwrap())).await;
        }
        let length = receive(&server.transport).await.frame.len();
        assert_eq!(length as u64, generation);
    }
    let has = |count| Some(Has { received: count, taken: count });
    let decides = node(201) < node(202);
    if !decides {
        assert_eq!(told, [None, has(1), has(2)]);
    }
    server.goes_on().await;
}

/// Nor does the host wait for it to come.
#[tokio::test]
async fn what_announces_too_much_is_refused_before_it_comes() {
    let mut server = Server::new(limits()).await;
    let mut stream = over_tls(server.address, secret(201).client(None).unwrap()).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: clawnet-link-1\r\n\r\n";
    // A masked binary message of a hundred million bytes, of which the first do not follow.
    let head = [&[0x82, 0xff][..], &100_000_000_u64.to_be_bytes(), &[0; 4]].concat();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        response.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(&head).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(refused(&mut server.events).await, LinkError::TooLarge);
    server.goes_on().await;
}

#[tokio::test]
async fn whoever_is_silent_is_broken_off() {
    let short = TlsLimits {
        handshake: Duration::from_millis(500),
        silence_max: Duration::from_millis(700),
        ..limits()
    };
    let mut server = Server::new(short).await;
    let tcp = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(refused(&mut server.events).await, LinkError::Silent);
    let socket = raw::dial(server.address, 201).await.unwrap();
    assert_eq!(refused(&mut server.events).await, LinkError::Silent);
    let mut joining = raw::dial(server.address, 201).await.unwrap();
    raw::hello(&mut joining, vec![]).await;
    assert_eq!(refused(&mut server.events).await, LinkError::Silent);
    let linked = raw::link(server.address, 201).await;
    up(&mut server.events).await;
    assert_eq!(down(&mut server.events).await, LinkError::Silent);
    drop((tcp, socket, joining, linked));
    server.goes_on().await;
}

#[tokio::test]
async fn only_so_many_are_unproven_at_once() {
    let few = TlsLimits { handshakes_max: 2, ..limits() };
    let server = Server::new(few).await;
    let one = TcpStream::connect(server.address).await.unwrap();
    let two = TcpStream::connect(server.address).await.unwrap();
    let third = raw::dial(server.address, 201);
    tokio::pin!(third);
    let waits = timeout(Duration::from_millis(300), &mut third).await;
    assert!(waits.is_err(), "a third was let in");
    drop(one);
    timeout(SOON, third).await.expect("nobody made way").unwrap();
    drop(two);
    server.goes_on().await;
}

#[tokio::test]
async fn only_so_many_connections_of_one_node_are_made_at_once() {
    let few = TlsLimits { handshakes_per_node_max: 2, ..limits() };
    let mut server = Server::new(few).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut socket = raw::dial(server.address, 201).await.unwrap();
        // What it says shows that it is counted.
        assert!(matches!(socket.input.next().await, Ok(Message::Hello(_))));
        open.push(socket);
    }
    let third = raw::dial(server.address, 201).await;
    assert_eq!(refused(&mut server.events).await, LinkError::TooManyConnections);
    drop((third, open));
    server.goes_on().await;
}

#[tokio::test]
async fn only_so_many_nodes_are_known_at_once() {
    let few = TlsLimits { peers_max: 2, ..limits() };
    let mut server = Server::new(few).await;
    let one = raw::link(server.address, 201).await;
    up(&mut server.events).await;
    let two = raw::link(server.address, 203).await;
    up(&mut server.events).await;
    let third = raw::dial(server.address, 204).await.unwrap();
    assert_eq!(refused(&mut server.events).await, LinkError::TooManyNodes);
    drop((third, two));
    down(&mut server.events).await;
    // One that is gone, and to which nothing is owed, makes way.
    server.goes_on().await;
    drop(one);
}

#[tokio::test]
async fn a_node_does_not_link_with_itself() {
    let mut server = Server::new(limits()).await;
    let socket = raw::dial(server.address, 202).await;
    assert!(matches!(socket, Err(LinkError::Itself)));
    assert_eq!(refused(&mut server.events).await, LinkError::Itself);
    server.goes_on().await;
}

/// One link for each node: who links again takes the place of who was there.
#[tokio::test]
async fn a_newer_connection_takes_the_place_of_an_older() {
    let mut server = Server::new(limits()).await;
    let old = raw::link(server.address, 203).await;
    up(&mut server.events).await;
    let mut new = raw::dial(server.address, 203).await.unwrap();
    raw::hello(&mut new, vec![]).await;
    raw::join(&mut new, Join { generation: 2, first: 1, has: None }).await;
    assert_eq!(down(&mut server.events).await, LinkError::Replaced);
    drop(old);
    server.goes_on().await;
}

#[tokio::test]
async fn a_node_that_speaks_for_ever_more_owners_is_remembered_for_so_many() {
    let host = host(201, &[], &Map::default(), limits()).await;
    let peer = host.0.peer(node(202)).unwrap();
    let quiet = host.0.peer(node(203)).unwrap();
    host.0.proves(owner(1), &quiet);
    let nth = |nth: u32| {
        let mut key = [9; 32];
        key[..4].copy_from_slice(&nth.to_le_bytes());
        OwnerId::of_key(&key)
    };
    // A link proves so many, and the node links anew.
    for each in 0..200_000 {
        host.0.proves(nth(each), &peer);
    }
    let remembered = (0..200_000).filter(|each| host.0.peer_of(nth(*each)).is_some()).count();
    assert!(remembered <= 1 << 16, "{remembered}");
    assert!(host.0.peer_of(nth(199_999)).is_some() && host.0.peer_of(owner(1)).is_some());
}
