//! Between hosts in one process.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use clawnet_core::OwnerId;

use super::{Arrived, Closed, Proven, SendError, Transport, bounded, inbox::Inbox};

/// Where hosts of one process meet. Clones are the same hub.
///
/// **Promises** every frame once, in the order it was sent, unless the receiver ended.
#[derive(Clone, Default)]
pub struct Hub(Arc<RwLock<BTreeMap<OwnerId, Arc<Inbox>>>>);

impl Hub {
    /// A hub with nobody there.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A host that speaks for `owners`. In one process, saying so is proof enough.
    pub fn join(
        &self,
        owners: impl IntoIterator<Item = OwnerId>,
    ) -> Result<MemoryTransport, JoinError> {
        let transport = MemoryTransport {
            hub: self.clone(),
            inbox: Arc::default(),
            proven: Proven::on_the_word_of_a_transport([]),
        };
        owners.into_iter().try_for_each(|owner| transport.speak_for(owner)).map(|()| transport)
    }

    fn inbox(&self, owner: OwnerId) -> Option<Arc<Inbox>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&owner).cloned()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owners = self.0.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Hub").field("owners", &owners).finish()
    }
}

/// One host's way to the others of a [`Hub`]. Dropping it ends it.
pub struct MemoryTransport {
    hub: Hub,
    inbox: Arc<Inbox>,
    proven: Proven,
}

impl MemoryTransport {
    /// Speaks for `owner` too, from now on.
    pub fn speak_for(&self, owner: OwnerId) -> Result<(), JoinError> {
        let mut owners = self.hub.0.write().unwrap_or_else(PoisonError::into_inner);
        match owners.get(&owner) {
            Some(inbox) if !Arc::ptr_eq(inbox, &self.inbox) => {
                return Err(JoinError::SpokenFor { owner });
            }
            Some(_) | None => owners.insert(owner, Arc::clone(&self.inbox)),
        };
        self.proven.add(owner);
        Ok(())
    }

    /// Speaks for `owner` no more: who sends to them finds no way here.
    pub fn cede(&self, owner: OwnerId) {
        let mut owners = self.hub.0.write().unwrap_or_else(PoisonError::into_inner);
        if owners.get(&owner).is_some_and(|inbox| Arc::ptr_eq(inbox, &self.inbox)) {
            owners.remove(&owner);
            self.proven.remove(owner);
        }
    }

    /// Takes and gives nothing more. Who waits is told.
    pub fn close(&self) {
        self.inbox.close();
        let mut owners = self.hub.0.write().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|_, inbox| !Arc::ptr_eq(inbox, &self.inbox));
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn send(&self, to: OwnerId, frame: Vec<u8>) -> Result<(), SendError> {
        let frame = bounded(frame)?;
        let inbox = self.hub.inbox(to).ok_or(SendError::NoRoute);
        let inbox = if self.inbox.is_closed() { Err(SendError::Closed) } else { inbox }?;
        let room = inbox.room(frame.len(), &self.inbox).await.map_err(|_| {
            if self.inbox.is_closed() { SendError::Closed } else { SendError::NoRoute }
        })?;
        inbox.fill(room, Arrived::new(frame, self.proven.clone()));
        Ok(())
    }

    async fn receive(&self) -> Result<Arrived, Closed> {
        self.inbox.take().await
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport").field("proven", &self.proven).finish_non_exhaustive()
    }
}

/// Why a host cannot join a hub as it asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Another host of the hub speaks for the owner.
    #[error("another host speaks for `{owner}`")]
    SpokenFor {
        /// Who.
        owner: OwnerId,
    },
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures::{FutureExt, executor::block_on};

    use super::*;
    use crate::transport::contract::{self, Sending, Settled, Stage, owner};

    /// Nothing else runs here: what is not done at once waits for somebody.
    fn settle(sending: Sending<'_>) -> Settled<'_> {
        Box::pin(async { sending.now_or_never() })
    }

    #[test]
    fn it_keeps_the_contract() {
        block_on(contract::check(async || {
            let hub = Hub::new();
            let join = |nth: u8| Box::new(hub.join([owner(nth), owner(nth + 10)]).unwrap());
            Stage { one: join(1), two: join(2), settle }
        }));
    }

    #[test]
    fn an_owner_has_one_host_at_a_time() {
        let hub = Hub::new();
        let one = hub.join([owner(1)]).unwrap();
        let taken = JoinError::SpokenFor { owner: owner(1) };
        assert_eq!(hub.join([owner(2), owner(1)]).map(drop), Err(taken));
        assert!(hub.inbox(owner(2)).is_none(), "who could not join left a name behind");
        one.cede(owner(1));
        let two = hub.join([owner(1)]).unwrap();
        one.cede(owner(1));
        drop(one);
        block_on(two.send(owner(1), vec![1])).unwrap();
        assert_eq!(block_on(two.receive()).unwrap().frame, [1]);
    }

    #[test]
    fn whoever_waits_is_told_of_the_end() {
        let hub = Hub::new();
        let (one, two) = (hub.join([owner(1)]).unwrap(), hub.join([owner(2)]).unwrap());
        while one.send(owner(2), vec![0]).now_or_never().is_some() {}
        let mut sending = Box::pin(one.send(owner(2), vec![0]));
        let mut receiving = Box::pin(one.receive());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(sending.as_mut().poll(&mut cx).is_pending());
        assert!(receiving.as_mut().poll(&mut cx).is_pending());
        one.close();
        assert_eq!(block_on(sending), Err(SendError::Closed));
        assert_eq!(block_on(receiving).map(drop), Err(Closed));
        assert_eq!(block_on(one.send(owner(2), vec![])), Err(SendError::Closed));
        assert_eq!(block_on(two.send(owner(1), vec![])), Err(SendError::NoRoute));
        drop(two);
    }
}
