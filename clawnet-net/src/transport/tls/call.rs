//! Connections are made and let in.
use std::sync::Arc;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use super::{
    link::{Greeted, Ran, greet, run},
    peer::{Dialling, Peer, Status},
    refusal::{LinkError, LinkEvent},
    route::Route,
    socket::Socket,
    switch::{Contact, Switch},
};

/// Lets in whoever comes, so many at once.
pub(super) async fn listen(switch: Arc<Switch>, listener: TcpListener) {
    let handshakes = Arc::new(Semaphore::new(switch.limits.handshakes_max.max(1)));
    while let Ok(held) = Arc::clone(&handshakes).acquire_owned().await {
        match listener.accept().await {
            Ok((tcp, _)) => switch.spawn(serve(Arc::clone(&switch), tcp, held)),
            // Out of files, or the like: what is open goes on.
            Err(_) => sleep(switch.limits.pause_min).await,
        }
    }
}

async fn serve(switch: Arc<Switch>, tcp: TcpStream, held: OwnedSemaphorePermit) {
    let own = (switch.key.public_key(), switch.limits.silence_max);
    let greeted = async {
        tcp.set_nodelay(true).map_err(|error| LinkError::Broken(error.to_string()))?;
        let socket = Socket::accept(tcp, Arc::clone(&switch.server), own).await?;
        greet(&switch, socket).await
    };
    match timeout(switch.limits.handshake, greeted).await.unwrap_or(Err(LinkError::Silent)) {
        Ok(greeted) => drop(run(&switch, greeted, held).await),
        Err(why) => switch.tell(LinkEvent::Refused { why }),
    }
}

async fn dial(switch: &Arc<Switch>, route: &Route) -> Result<Greeted, LinkError> {
    let greeted = async {
        let socket = Socket::dial(route, &switch.key, switch.limits.silence_max).await?;
        greet(switch, socket).await
    };
    timeout(switch.limits.handshake, greeted).await.unwrap_or(Err(LinkError::Silent))
}

/// Sees to it that somebody dials a peer along this way.
pub(super) fn lead(switch: &Arc<Switch>, peer: &Arc<Peer>, route: Route) {
    if peer.lead(route) == Dialling::ToBegin {
        switch.spawn(keep_linked(Arc::clone(switch), Arc::clone(peer)));
    }
}

/// Dials whenever there is no link, until the peer is forgotten.
async fn keep_linked(switch: Arc<Switch>, peer: Arc<Peer>) {
    let (mut status, mut attempts) = (peer.status(), 0_u32);
    loop {
        drop(status.wait_for(|status| *status != Status::Up).await);
        if !switch.knows(&peer) {
            return;
        }
        let Some(route) = peer.route() else { return };
        match dial(&switch, &route.expecting(peer.node)).await {
            Ok(greeted) => {
                let mut running = std::pin::pin!(run(&switch, greeted, ()));
                // Only a link that lasts shows that there is no need to wait the next time.
                match timeout(switch.limits.pause_max, &mut running).await {
                    Err(_) if running.await == Ran::Linked => attempts = 0,
                    Ok(_) | Err(_) => attempts = attempts.saturating_add(1),
                }
            }
            Err(why) => {
                peer.fail(why.clone());
                switch.tell(LinkEvent::Refused { why });
                attempts = attempts.saturating_add(1);
            }
        }
        let up = status.wait_for(|status| *status == Status::Up);
        drop(timeout(switch.pause(attempts), up).await);
    }
}

/// Calls where it is not known who is there, and keeps the link if it is the host of an owner.
pub(super) async fn call(
    switch: Arc<Switch>,
    (route, owner): (Route, clawnet_core::OwnerId),
    told: watch::Sender<Contact>,
) {
    let url = route.url().to_string();
    let greeted = dial(&switch, &route).await.and_then(|greeted| {
        let proven = greeted.proven.speaks_for(owner);
        proven.map(|()| greeted).map_err(|_| LinkError::Unproven)
    });
    match greeted {
        Ok(greeted) => {
            let peer = Arc::clone(&greeted.peer);
            let begun = peer.lead(route);
            told.send_replace(Contact::Made(Arc::clone(&peer), greeted.proven.clone()));
            run(&switch, greeted, ()).await;
            if begun == Dialling::ToBegin {
                keep_linked(switch, peer).await;
            }
        }
        Err(why) => {
            switch.tell(LinkEvent::Refused { why: why.clone() });
            told.send_replace(Contact::Failed(why));
            sleep(switch.pause(0)).await;
            switch.forget_contact(&url);
        }
    }
}
