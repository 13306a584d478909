//! A host, its links to other hosts, and the door for its owners' clients.
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use anyhow::Result;
use async_trait::async_trait;
use clawnet_core::{MemoryStore, OwnerId, PublicKey, Timestamp};
use clawnet_net::{Host, NodeKey, Route, Timer, TlsLimits, TlsTransport};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{api, book::Book, desk::Desk, guard::Guard, refusal::Wrong};

/// One server. Clones are the same.
#[derive(Clone)]
pub(crate) struct Server(Arc<Rooms>);

struct Rooms {
    book: Book,
    desks: BTreeMap<OwnerId, Arc<Desk>>,
    guard: Guard,
    host: Host,
    places: Arc<Places>,
    transport: Arc<TlsTransport>,
}

/// Where the hosts of others are: said once, after everybody has started.
pub(crate) type Places = OnceLock<BTreeMap<OwnerId, Route>>;

/// Where a server is to be found.
pub(crate) struct Found {
    /// By clients.
    pub(crate) door: SocketAddr,
    /// By other hosts.
    pub(crate) route: Route,
}

impl Server {
    /// Opens it for the owners in `book`, with `secret` as its host's key, on free ports.
    pub(crate) async fn open(book: Book, secret: &[u8; 32]) -> Result<(Self, Found)> {
        let places = Arc::new(Places::new());
        let known = places.clone();
        let directory = move |owner: OwnerId| known.get()?.get(&owner).cloned();
        let key = NodeKey::from_secret(secret)?;
        let limits = TlsLimits::default();
        let transport = Arc::new(TlsTransport::new(Handle::current(), key, directory, limits)?);
        let links = TcpListener::bind(LOOPBACK).await?;
        let route: Route = format!("wss://{}/", links.local_addr()?).parse()?;
        let route = route.expecting(transport.node());
        transport.listen(links);
        let host = Host::over(Arc::new(MemoryStore::new()), now, book.clone()).open();
        drop(tokio::spawn({
            let (host, transport) = (host.clone(), transport.clone());
            async move { host.run(transport, Arc::new(Sleep)).await }
        }));
        let desks = book.owners().filter_map(|owner| Some((owner, Desk::of(book.key(owner)?))));
        let (desks, guard) = (desks.collect(), Guard::default());
        let rooms = Rooms { book, desks, guard, host, places, transport };
        let server = Self(Arc::new(rooms));
        let listener = TcpListener::bind(LOOPBACK).await?;
        let door = listener.local_addr()?;
        drop(tokio::spawn(server.clone().listen(listener)));
        Ok((server, Found { door, route }))
    }

    pub(crate) fn know(&self, places: BTreeMap<OwnerId, Route>) {
        // Whoever says it a second time says the same.
        self.0.places.set(places).ok();
    }

    pub(crate) fn host(&self) -> &Host {
        &self.0.host
    }

    /// The host's key, which every signed request names.
    pub(crate) fn node(&self) -> PublicKey {
        self.0.transport.node()
    }

    pub(crate) fn desk(&self, owner: OwnerId) -> Result<Arc<Desk>, Wrong> {
        self.0.desks.get(&owner).cloned().ok_or(Wrong::Foreign)
    }

    /// From now on the links to other hosts prove that this one speaks for the owner.
    pub(crate) fn speak_for(&self, owner: OwnerId) -> Result<(), Wrong> {
        let spoken = self.0.transport.speak_for(self.0.host.speaker(owner));
        spoken.map_err(|error| Wrong::Malformed(error.to_string()))
    }

    async fn listen(self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(seat) = room.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else { continue };
            let server = self.clone();
            drop(tokio::spawn(async move {
                // What a client breaks off is the client's affair.
                timeout(CONNECTION, server.serve(stream)).await.ok();
                drop(seat);
            }));
        }
    }

    async fn serve(&self, stream: TcpStream) -> Result<(), hyper::Error> {
        let service = service_fn(|request| async { self.answer(request).await });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .await
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
        let (status, value) = match self.handle(request).await {
            Ok(answer) => answer,
            Err(wrong) => (wrong.status(), wrong.json()),
        };
        let body = Full::new(Bytes::from(value.to_string()));
        Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(body)
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<(StatusCode, Value), Wrong> {
        let (parts, body) = request.into_parts();
        let body = timeout(BODY, Limited::new(body, BODY_BYTES_MAX).collect()).await;
        let body = body.map_err(|_| Wrong::Timeout)?.map_err(|_| Wrong::TooLarge)?.to_bytes();
        let place = (&self.0.book, self.node());
        let owner = self.0.guard.admit(place, (&parts, &body), now())?;
        api::answer(self, owner, (&parts.method, parts.uri.path()), &body).await
    }
}

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The runtime's sleep.
struct Sleep;

#[async_trait]
impl Timer for Sleep {
    async fn wait(&self, duration: Duration) {
        sleep(duration).await;
    }
}

const LOOPBACK: (&str, u16) = ("127.0.0.1", 0);
const BODY: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 64 << 10;
const CONNECTION: Duration = Duration::from_secs(30);
const CONNECTIONS_MAX: usize = 64;
const HEADERS: Duration = Duration::from_secs(5);
const HEADER_BYTES_MAX: usize = 16 << 10;
