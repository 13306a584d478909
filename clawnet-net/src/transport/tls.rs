//! Between hosts anywhere: WebSocket over mutually authenticated TLS 1.3.
//!
//! Each host has a *node key*, and shows a certificate that is signed by it and says nothing else.
//! Over TLS and the WebSocket, both sides first say for whom they speak: for each owner the
//! kernel's key, certified by the owner, signs a secret of exactly this TLS session and both node
//! keys. Such a claim is worth nothing on any other connection.
//!
//! Frames are numbered and kept until the other host has taken them. After a break both sides say
//! how far they came, so nothing is lost and nothing comes twice **while both processes live**;
//! when one ends, what was on its way may be lost, or come again. What may be on its way to one
//! host is bounded by number and size, and so is all that came and was not received.
//!
//! **Refuses**, each with a [`LinkError`]: older TLS, no TLS, another node than the directory
//! names, claims that were made elsewhere or by others, text, garbage, and more than was agreed
//! on.
use std::{fmt, sync::Arc};

use async_trait::async_trait;
use clawnet_core::{OwnerId, PublicKey};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{broadcast, watch},
};

use super::{Arrived, Closed, SendError, Transport, bounded};

mod limits;
mod node;
mod claim;
mod wire;
mod session;
mod refusal;
mod route;
mod peer;
mod socket;
mod switch;
mod link;
mod call;
#[cfg(test)]
mod tests;

use peer::Peer;
use switch::{Contact, Switch};

pub use claim::{ClaimError, NotVouched, Speaker};
pub use limits::TlsLimits;
pub use node::{NodeError, NodeKey};
pub use refusal::{LinkError, LinkEvent};
pub use route::{Directory, Route};

/// One host's links to others.
///
/// Its tasks run on the runtime it is made with, whose time and sockets must be enabled; it is used
/// from anywhere. Dropping it ends them, and breaks every link. Whoever links is told which owners
/// this host speaks for.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use clawnet_core::{Kernel, OwnerId};
/// # use clawnet_net::{LinkError, NodeKey, Route, TlsLimits, TlsTransport, Transport};
/// # use tokio::{net::TcpListener, runtime::Handle};
/// # async fn run(secret: [u8; 32], kernel: Arc<Kernel>, bob: OwnerId) -> Result<(), LinkError> {
/// let directory = move |owner| {
///     let route: Option<Route> = "wss://bob.example:7443/link".parse().ok();
///     if owner == bob { route } else { None }
/// };
/// let key = NodeKey::from_secret(&secret)?;
/// let host = TlsTransport::new(Handle::current(), key, directory, TlsLimits::default())?;
/// host.speak_for(kernel)?;
/// host.listen(TcpListener::bind("0.0.0.0:7443").await.unwrap());
/// host.send(bob, b"an envelope".to_vec()).await.unwrap();
/// # Ok(()) }
/// ```
pub struct TlsTransport(Arc<Switch>);

impl TlsTransport {
    /// A host that is `key` to others and finds them by `directory`.
    pub fn new(
        runtime: Handle,
        key: NodeKey,
        directory: impl Directory,
        limits: TlsLimits,
    ) -> Result<Self, LinkError> {
        Switch::new(runtime, key, Box::new(directory), limits).map(|switch| Self(Arc::new(switch)))
    }

    /// What others know this host by.
    #[must_use]
    pub fn node(&self) -> PublicKey {
        self.0.key.public_key()
    }

    /// Lets other hosts link through `listener` too, from now on.
    pub fn listen(&self, listener: TcpListener) {
        self.0.spawn(call::listen(Arc::clone(&self.0), listener));
    }

    /// Speaks for an owner, on the links there are and on those to come.
    ///
    /// **Refuses** more owners than a link may prove.
    pub fn speak_for(&self, speaker: Arc<dyn Speaker>) -> Result<(), LinkError> {
        self.0.speak_for(speaker)
    }

    /// Speaks for `owner` no more on links to come. Nothing takes back what was proven on those
    /// that are there.
    pub fn cede(&self, owner: OwnerId) {
        self.0.cede(owner);
    }

    /// Links with the host of `owner`, and keeps linking with it until the transport ends.
    pub async fn connect(&self, owner: OwnerId) -> Result<(), LinkError> {
        let linked = async {
            let peer = match self.way(owner) {
                Way::Own => return Ok(()),
                Way::Peer(peer) => peer,
                Way::Contact(contact) => made(contact, owner).await?,
                Way::Refused(why) => return Err(why),
            };
            peer.stand();
            peer.linked().await
        };
        tokio::select! {
            biased;
            () = self.0.ends() => Err(LinkError::Closed),
            linked = linked => linked,
        }
    }

    /// What happens to its links, from now on.
    #[must_use]
    pub fn events(&self) -> LinkEvents {
        LinkEvents(self.0.events())
    }

    /// Breaks every link, and takes and gives nothing more. Who waits is told.
    pub fn close(&self) {
        self.0.close();
    }

    /// Which way leads to `owner`: here, where the directory says, to whoever proved to speak for
    /// them, or somewhere still to be called.
    fn way(&self, owner: OwnerId) -> Way {
        if self.0.own.speaks_for(owner).is_ok() {
            return Way::Own;
        }
        let route = self.0.directory.route(owner);
        if let Some((route, node)) = route.as_ref().and_then(|route| Some((route, route.node()?))) {
            return match self.0.peer(node) {
                Ok(peer) => {
                    call::lead(&self.0, &peer, route.clone());
                    Way::Peer(peer)
                }
                Err(why) => Way::Refused(why),
            };
        }
        if let Some(peer) = self.0.peer_of(owner) {
            return Way::Peer(peer);
        }
        let Some(route) = route else { return Way::Refused(LinkError::NoRoute) };
        let url = route.url().to_string();
        let begin = |told| self.0.spawn(call::call(Arc::clone(&self.0), (route, owner), told));
        Way::Contact(self.0.contact(&url, begin))
    }

    /// Gives this host a frame of its own.
    async fn keep(&self, frame: Vec<u8>) -> Result<(), SendError> {
        let room = self.0.room(frame.len()).await.map_err(|_| SendError::Closed)?;
        self.0.give(Arrived::new(frame, self.0.own.clone()), None, room);
        Ok(())
    }
}

/// Which way leads to an owner.
enum Way {
    Own,
    Peer(Arc<Peer>),
    Contact(watch::Receiver<Contact>),
    Refused(LinkError),
}

/// Waits for a first call, and whether it reached somebody who speaks for `owner`.
async fn made(
    mut contact: watch::Receiver<Contact>,
    owner: OwnerId,
) -> Result<Arc<Peer>, LinkError> {
    let outcome = contact.wait_for(|contact| !matches!(contact, Contact::Trying)).await;
    match outcome.map_err(|_| LinkError::Closed)?.clone() {
        Contact::Made(peer, proven) => {
            proven.speaks_for(owner).map(|()| peer).map_err(|_| LinkError::Unproven)
        }
        Contact::Failed(why) => Err(why),
        Contact::Trying => Err(LinkError::Closed),
    }
}

#[async_trait]
impl Transport for TlsTransport {
    async fn send(&self, to: OwnerId, frame: Vec<u8>) -> Result<(), SendError> {
        let frame = bounded(frame)?;
        let sent = async {
            match self.way(to) {
                Way::Own => self.keep(frame).await,
                Way::Peer(peer) => peer.send(frame).await,
                Way::Contact(contact) => match made(contact, to).await {
                    Ok(peer) => peer.send(frame).await,
                    Err(_) => Err(SendError::NoRoute),
                },
                Way::Refused(_) => Err(SendError::NoRoute),
            }
        };
        tokio::select! {
            biased;
            () = self.0.ends() => Err(SendError::Closed),
            sent = sent => sent,
        }
    }

    async fn receive(&self) -> Result<Arrived, Closed> {
        self.0.take().await
    }
}

impl Drop for TlsTransport {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").field("node", &self.node()).finish_non_exhaustive()
    }
}

/// What happens to a transport's links, in order. What nobody looked at in time is dropped.
#[derive(Debug)]
pub struct LinkEvents(broadcast::Receiver<LinkEvent>);

impl LinkEvents {
    /// The next, or none after the transport's end.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
