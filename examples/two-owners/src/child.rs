//! One owner in a process of their own, with links to the others.
use std::{
    collections::BTreeMap,
    io::{BufRead, stdin},
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use clawnet_core::OwnerId;
use clawnet_net::{
    Arrived, Directory, NodeKey, Route, SendError, TlsLimits, TlsTransport, Transport,
};
use tokio::{net::TcpListener, runtime::Handle, select, sync::mpsc, time::sleep};

use crate::{
    account::Account,
    cast::Who,
    house::{House, Time},
    seat::{Did, Seat},
    tale::{Ear, Tale},
    word::{Place, Wish, Word},
};

/// Plays `who` in `folder`, for the process that started this one.
pub(crate) fn play(who: Who, folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let child = Child::open(who, folder).await?;
        Box::pin(child.serve()).await
    })
}

struct Child {
    over: bool,
    seat: Seat,
    transport: TlsTransport,
    wishes: mpsc::UnboundedReceiver<Wish>,
}

/// Where the others are, once the parent has said so.
#[derive(Clone, Default)]
struct Places(Arc<OnceLock<BTreeMap<String, Place>>>);

impl Directory for Places {
    fn route(&self, owner: OwnerId) -> Option<Route> {
        let place = self.0.get()?.get(Who::of(owner)?.name())?;
        Some(place.url.parse::<Route>().ok()?.expecting(place.node))
    }
}

impl Child {
    async fn open(who: Who, folder: &Path) -> Result<Self> {
        let mut wishes = listen_to_parent();
        let house = House::build(who, folder, Time::Machine).await?;
        let places = Places::default();
        let key = NodeKey::from_secret(&[who.seed() + 200; 32])?;
        let limits = TlsLimits::default();
        let transport = TlsTransport::new(Handle::current(), key, places.clone(), limits)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("wss://{}/", listener.local_addr()?);
        transport.speak_for(house.kernel.clone())?;
        transport.listen(listener);
        Word::At(Place { node: transport.node(), url }).say();
        if let Some(Wish::Begin(others)) = wishes.recv().await {
            places.0.set(others).ok().context("the places are known already")?;
        }
        let seat = Seat::new(Tale { ear: Ear::Parent, who }, house, Time::Machine);
        Ok(Self { over: false, seat, transport, wishes })
    }

    /// Does what is to be done, sends what is due, and waits for what comes, until the parent ends.
    async fn serve(mut self) -> Result<()> {
        loop {
            while self.seat.step().await? == Did::Something {
                self.send().await?;
            }
            self.send().await?;
            if !self.over && self.seat.over() == Did::Nothing {
                self.over = true;
                Word::Over.say();
            }
            select! {
                arrived = self.transport.receive() => self.hear(arrived?).await?,
                wish = self.wishes.recv() => match wish {
                    Some(Wish::Account) => {
                        self.seat.look_into_own_affairs().await?;
                        Word::Account(Account::of(&self.seat).await?).say();
                    }
                    Some(Wish::Begin(_)) => {}
                    None => return Ok(()),
                },
                // What got lost, with a process or a link, is sent again.
                () = sleep(AGAIN_AFTER) => {
                    let party = &self.seat.house.party;
                    party.due().into_iter().for_each(|peer| party.again(peer));
                }
            }
        }
    }

    async fn hear(&self, Arrived { frame, proven, .. }: Arrived) -> Result<()> {
        let answers = self.seat.house.party.receive(&frame, &proven).await;
        // Each link here speaks for one owner.
        let Some(from) = proven.owners().first().copied() else { return Ok(()) };
        for answer in answers {
            self.hand_over(from, answer).await?;
        }
        Ok(())
    }

    async fn send(&self) -> Result<()> {
        for peer in Who::ALL.into_iter().filter(|peer| *peer != self.seat.who) {
            for frame in self.seat.house.party.outgoing(peer.id()).await {
                self.hand_over(peer.id(), frame).await?;
            }
        }
        Ok(())
    }

    async fn hand_over(&self, to: OwnerId, frame: Vec<u8>) -> Result<()> {
        match self.transport.send(to, frame).await {
            // It is due until it is known to have arrived.
            Ok(()) | Err(SendError::NoRoute) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the parent wants. When its end of the pipe is gone, so is this process.
fn listen_to_parent() -> mpsc::UnboundedReceiver<Wish> {
    let (told, wishes) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            let Ok(wish) = serde_json::from_str(&line) else { break };
            if told.send(wish).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    wishes
}

const AGAIN_AFTER: Duration = Duration::from_secs(1);
