//! A connection becomes a link, and frames flow over it.
use std::sync::Arc;

use clawnet_core::OwnerId;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Bytes;

use super::{
    claim::{Binding, Claim, ClaimError, Hello},
    limits::{HELLO_BYTES_MAX, OWNERS_MAX},
    peer::{Link, Peer},
    refusal::{LinkError, LinkEvent},
    socket::{Input, Output, Socket},
    switch::{Greeting, Switch},
    wire::{Join, Message},
};
use crate::transport::{Arrived, Proven};

/// A connection whose two ends know each other.
pub(super) struct Greeted {
    pub(super) peer: Arc<Peer>,
    pub(super) proven: Proven,
    socket: Socket,
    /// What the other side calls its half of the session.
    theirs: String,
    /// The last of our speakers that has claimed it.
    claimed: u64,
    greeting: Greeting,
}

/// Whether a connection became a link before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    Linked,
    Never,
}

/// Says who is here, and hears who is there.
pub(super) async fn greet(switch: &Arc<Switch>, mut socket: Socket) -> Result<Greeted, LinkError> {
    let greeting = switch.greet(socket.binding.peer)?;
    let peer = switch.peer(socket.binding.peer)?;
    let (claimed, hello) = introduce(switch, &peer, &socket.binding).await?;
    let say = async {
        socket.output.feed(&Message::Hello(hello)).await?;
        socket.output.flush().await
    };
    // At once: neither waits for the other to read.
    let ((), heard) = tokio::try_join!(say, socket.input.next())?;
    let Message::Hello(heard) = heard else { return Err(LinkError::Malformed) };
    let heard: Hello = serde_json::from_slice(&heard).map_err(|_| LinkError::Malformed)?;
    let named = heard.session.len() == peer.name.len();
    if !named || !heard.session.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(LinkError::Malformed);
    }
    let proven = Proven::on_the_word_of_a_transport([]);
    for claim in &heard.claims {
        proven.add(claim.verify(&socket.binding)?);
        // Others have turns too: this was many signatures.
        tokio::task::yield_now().await;
    }
    Ok(Greeted { peer, proven, socket, theirs: heard.session, claimed, greeting })
}

/// Our hello, with as many claims as it holds, and the number of the last speaker in it.
async fn introduce(
    switch: &Switch,
    peer: &Peer,
    binding: &Binding,
) -> Result<(u64, Bytes), LinkError> {
    let (mut claimed, mut size_bytes) = (0, 0);
    let mut hello = Hello { claims: Vec::new(), session: peer.name.clone() };
    while let Some((number, speaker)) = switch.speaker_after(claimed) {
        match Claim::make(&*speaker, binding).await {
            Ok(claim) => {
                size_bytes += encode(&claim)?.len() + 1;
                if size_bytes > HELLO_BYTES_MAX - 256 {
                    break;
                }
                hello.claims.push(claim);
            }
            Err(why) => switch.tell(LinkEvent::Refused { why: why.into() }),
        }
        claimed = number;
    }
    Ok((claimed, encode(&hello)?))
}

fn encode(what: &impl serde::Serialize) -> Result<Bytes, LinkError> {
    serde_json::to_vec(what).map(Bytes::from).map_err(|_| LinkError::Malformed)
}

/// Runs a link until it ends. `held` is given back once frames flow.
pub(super) async fn run(switch: &Arc<Switch>, greeted: Greeted, held: impl Send) -> Ran {
    let Greeted { peer, proven, mut socket, theirs, claimed, greeting } = greeted;
    let parts = (&peer, &proven, &*theirs);
    let joined = timeout(switch.limits.handshake, join(switch, parts, &mut socket)).await;
    drop((greeting, held));
    let link = match joined.unwrap_or(Err(LinkError::Silent)) {
        Ok(link) => link,
        Err(why) => {
            peer.fail(why.clone());
            switch.tell(LinkEvent::Refused { why });
            return Ran::Never;
        }
    };
    let node = peer.node;
    switch.tell(LinkEvent::Up { node });
    let Socket { mut output, mut input, binding } = socket;
    let why = tokio::select! {
        Err(why) = read(switch, (&peer, &link), &mut input, &binding) => why,
        Err(why) = write(switch, (&peer, &link), &mut output, (&binding, claimed)) => why,
    };
    // The link that replaced this one, if any, stays.
    drop(peer.detach(&link));
    switch.tell(LinkEvent::Down { node, why });
    Ran::Linked
}

/// Lets the connection become the link, as both sides know it.
async fn join(
    switch: &Switch,
    (peer, proven, theirs): (&Arc<Peer>, &Proven, &str),
    socket: &mut Socket,
) -> Result<Arc<Link>, LinkError> {
    let decides = switch.key.public_key() < peer.node;
    let counted = if decides { None } else { Some(hear_join(&mut socket.input).await?) };
    let generation = counted.map(|join| join.generation);
    let (link, ours) = peer.attach(proven.clone(), generation, theirs)?;
    let agreed = async {
        socket.output.feed(&Message::Join(ours)).await?;
        socket.output.flush().await?;
        let heard = match counted {
            Some(heard) => heard,
            None => hear_join(&mut socket.input).await?,
        };
        if heard.generation != ours.generation {
            return Err(LinkError::OutOfPlace);
        }
        if !switch.knows(peer) {
            return Err(LinkError::Replaced);
        }
        proven.owners().into_iter().for_each(|owner| switch.proves(owner, peer));
        peer.joined(&link, theirs, heard)
    };
    match agreed.await {
        Ok(()) => Ok(link),
        Err(why) => {
            drop(peer.detach(&link));
            Err(why)
        }
    }
}

async fn hear_join(input: &mut Input) -> Result<Join, LinkError> {
    match input.next().await? {
        Message::Join(join) => Ok(join),
        Message::Hello(_) | Message::Claim(_) | Message::Frame { .. } | Message::Taken(_) => {
            Err(LinkError::Malformed)
        }
    }
}

/// Takes what comes, until something is wrong.
async fn read(
    switch: &Arc<Switch>,
    (peer, link): (&Arc<Peer>, &Arc<Link>),
    input: &mut Input,
    binding: &Binding,
) -> Result<(), LinkError> {
    let mut owners = link.proven.owners().len();
    loop {
        let next = input.next();
        let next = if peer.owes() {
            // Nobody is woken for an acknowledgement: mostly an answer takes it along.
            let Ok(next) = timeout(switch.limits.acknowledge_within, next).await else {
                peer.acknowledge();
                continue;
            };
            next
        } else {
            next.await
        };
        match next? {
            Message::Frame { number, taken, payload } => {
                peer.taken_there(link, taken)?;
                let room = switch.room(payload.len()).await?;
                peer.incoming(link, (number, payload.len()), |epoch| {
                    let arrived = Arrived::new(payload.into(), link.proven.clone());
                    switch.give(arrived, Some((Arc::clone(peer), epoch, number)), room);
                })?;
            }
            Message::Taken(taken) => peer.taken_there(link, taken)?,
            Message::Claim(claim) => {
                owners += 1;
                let owner = heard_claim(&claim, owners, binding)?;
                link.proven.add(owner);
                switch.proves(owner, peer);
            }
            Message::Hello(_) | Message::Join(_) => return Err(LinkError::Malformed),
        }
    }
}

fn heard_claim(claim: &Bytes, owners: usize, binding: &Binding) -> Result<OwnerId, LinkError> {
    if owners > OWNERS_MAX {
        return Err(ClaimError::TooMany.into());
    }
    let claim: Claim = serde_json::from_slice(claim).map_err(|_| LinkError::Malformed)?;
    Ok(claim.verify(binding)?)
}

/// Claims the link for every owner that has not.
async fn claim(
    switch: &Switch,
    output: &mut Output,
    (binding, claimed): (&Binding, &mut u64),
) -> Result<(), LinkError> {
    loop {
        let spoken = switch.spoken();
        if spoken <= *claimed {
            return Ok(());
        }
        let Some((number, speaker)) = switch.speaker_after(*claimed) else {
            // Whoever it was speaks no more.
            *claimed = spoken;
            return Ok(());
        };
        *claimed = number;
        match Claim::make(&*speaker, binding).await {
            Ok(claim) => output.feed(&Message::Claim(encode(&claim)?)).await?,
            Err(why) => switch.tell(LinkEvent::Refused { why: why.into() }),
        }
    }
}

/// Says what there is to say, until something is wrong.
async fn write(
    switch: &Arc<Switch>,
    (peer, link): (&Arc<Peer>, &Arc<Link>),
    output: &mut Output,
    (binding, mut claimed): (&Binding, u64),
) -> Result<(), LinkError> {
    let mut ping = interval(switch.limits.ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        claim(switch, output, (binding, &mut claimed)).await?;
        while let Some(message) = peer.next(link)? {
            // An owner is proven before anything of theirs is sent: so only now, when it is known
            // what that is.
            claim(switch, output, (binding, &mut claimed)).await?;
            output.feed(&message).await?;
        }
        output.flush().await?;
        tokio::select! {
            biased;
            () = link.work.notified() => {}
            _ = ping.tick() => output.ping().await?,
        }
    }
}
