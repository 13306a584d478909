//! A client that speaks the protocol, and does with it what it likes.
use super::*;
use crate::transport::tls::{
    claim::{Claim, Hello},
    socket::Socket,
    wire::{Join, Message},
};

/// Connects as node `nth`, and says nothing yet.
pub(super) async fn dial(address: SocketAddr, nth: u8) -> Result<Socket, LinkError> {
    let route: Route = format!("wss://{address}/").parse().unwrap();
    Socket::dial(&route, &secret(nth), SOON).await
}

pub(super) async fn say(socket: &mut Socket, message: Message) {
    // The other side may have left already.
    if socket.output.feed(&message).await.is_ok() {
        drop(socket.output.flush().await);
    }
}

pub(super) fn json(what: &impl serde::Serialize) -> tokio_tungstenite::tungstenite::Bytes {
    serde_json::to_vec(what).unwrap().into()
}

pub(super) const SESSION: &str = "00112233445566778899aabbccddeeff";

/// Says hello with these claims, and hears the other's.
pub(super) async fn hello(socket: &mut Socket, claims: Vec<Claim>) -> Hello {
    let own = Hello { claims, session: SESSION.to_owned() };
    say(socket, Message::Hello(json(&own))).await;
    let Message::Hello(heard) = socket.input.next().await.unwrap() else { panic!("no hello") };
    serde_json::from_slice(&heard).unwrap()
}

/// Joins as the side that it is, and gives what the other said.
pub(super) async fn join(socket: &mut Socket, mut own: Join) -> Join {
    let decides = socket.binding.own < socket.binding.peer;
    if decides {
        say(socket, Message::Join(own)).await;
    }
    let Message::Join(heard) = socket.input.next().await.unwrap() else { panic!("no join") };
    if !decides {
        own.generation = heard.generation;
        say(socket, Message::Join(own)).await;
    }
    heard
}

/// A link as node `nth` that speaks for owner `nth - 200`.
pub(super) async fn link(address: SocketAddr, nth: u8) -> Socket {
    let mut socket = dial(address, nth).await.unwrap();
    let claim = Claim::make(&*kernel(nth - 200).await, &socket.binding).await.unwrap();
    hello(&mut socket, vec![claim]).await;
    join(&mut socket, Join { generation: 1, first: 1, has: None }).await;
    socket
}
