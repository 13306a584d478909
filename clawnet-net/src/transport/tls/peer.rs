//! Another host, over all the connections with it.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clawnet_core::PublicKey;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_tungstenite::tungstenite::Bytes;

use super::{
    limits::{WINDOW_BYTES_MAX, WINDOW_FRAMES_MAX},
    refusal::LinkError,
    route::Route,
    session::{Due, Freed, Incoming, Session},
    wire::{Join, Message},
};
use crate::transport::{Proven, SendError};

/// Another host, known by its node key.
///
/// At most one connection is its link. Which one is decided by one side only, the one with the
/// smaller key: it counts the connections it lets become the link, and the other side follows the
/// highest count. So both always mean the same one, however many were dialled at once.
pub(super) struct Peer {
    pub(super) node: PublicKey,
    /// What this side calls its half of the session.
    pub(super) name: String,
    state: Mutex<State>,
    frames: Semaphore,
    bytes: Semaphore,
    status: watch::Sender<Status>,
    /// Why the last attempt to link failed, at each attempt.
    failed: watch::Sender<Option<LinkError>>,
}

struct State {
    session: Session,
    /// The count of the present link, and of whose counting.
    generation: u64,
    counted_with: Option<String>,
    link: Option<Arc<Link>>,
    /// Not to wait for a frame before the next acknowledgement.
    acknowledge: bool,
    way: Way,
}

/// How to get there.
#[derive(Default)]
struct Way {
    route: Option<Route>,
    dialled: bool,
    standing: bool,
}

/// The connection that frames flow over.
pub(super) struct Link {
    /// Woken when there is something to write, or the link was replaced. One task waits.
    pub(super) work: Notify,
    pub(super) proven: Proven,
}

/// Whether there is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Up,
    /// There was, or may soon be.
    Down,
    /// Not for a long time: do not wait.
    Hopeless,
}

impl Peer {
    pub(super) fn new(node: PublicKey, name: String) -> Self {
        let state = State {
            session: Session::new(),
            generation: 0,
            counted_with: None,
            link: None,
            acknowledge: false,
            way: Way::default(),
        };
        Self {
            node,
            name,
            state: Mutex::new(state),
            frames: Semaphore::new(WINDOW_FRAMES_MAX),
            bytes: Semaphore::new(WINDOW_BYTES_MAX),
            status: watch::Sender::new(Status::Down),
            failed: watch::Sender::new(None),
        }
    }

    /// Takes a frame, or waits for room as long as there is hope.
    pub(super) async fn send(&self, frame: Vec<u8>) -> Result<(), SendError> {
        let size_bytes = u32::try_from(frame.len()).map_err(|_| SendError::TooLarge)?;
        let mut status = self.status.subscribe();
        let room = async {
            let one = self.frames.acquire().await?;
            Ok::<_, tokio::sync::AcquireError>((one, self.bytes.acquire_many(size_bytes).await?))
        };
        let hopeless = status.wait_for(|status| *status == Status::Hopeless);
        let (one, bytes) = tokio::select! {
            biased;
            room = room => room.map_err(|_| SendError::NoRoute)?,
            _ = hopeless => return Err(SendError::NoRoute),
        };
        one.forget();
        bytes.forget();
        let mut state = self.lock();
        state.session.push(Bytes::from(frame));
        state.wake();
        Ok(())
    }

    /// Makes a connection the link, in place of any other: by its own count, or by the other
    /// side's.
    pub(super) fn attach(
        &self,
        proven: Proven,
        counted: Option<u64>,
        theirs: &str,
    ) -> Result<(Arc<Link>, Join), LinkError> {
        let mut state = self.lock();
        let known = state.counted_with.as_deref() == Some(theirs);
        let generation = match counted {
            Some(counted) if known && counted <= state.generation => {
                return Err(LinkError::Replaced);
            }
            Some(counted) => counted,
            None => state.generation.saturating_add(1),
        };
        state.generation = generation;
        state.counted_with = Some(theirs.to_owned());
        let link = Arc::new(Link { work: Notify::new(), proven });
        let join = state.session.join(generation, theirs);
        state.wake();
        state.link = Some(Arc::clone(&link));
        Ok((link, join))
    }

    /// Lets frames flow from where both sides are.
    pub(super) fn joined(
        &self,
        link: &Arc<Link>,
        theirs: &str,
        join: Join,
    ) -> Result<(), LinkError> {
        let mut state = self.current(link)?;
        let freed = state.session.joined(theirs, join)?;
        // Under the lock, as in `detach`: the last to say how it is must be the last to know.
        self.status.send_replace(Status::Up);
        drop(state);
        self.free(freed);
        Ok(())
    }

    /// A connection is over: if it was the link, there is none now.
    pub(super) fn detach(&self, link: &Arc<Link>) -> Result<(), LinkError> {
        let mut state = self.current(link)?;
        state.link = None;
        self.status.send_replace(Status::Down);
        drop(state);
        Ok(())
    }

    /// What to write on this link, if it still is the one.
    pub(super) fn next(&self, link: &Arc<Link>) -> Result<Option<Message>, LinkError> {
        let mut state = self.current(link)?;
        if let Some((number, payload)) = state.session.next_frame() {
            let taken = state.session.tell();
            return Ok(Some(Message::Frame { number, taken, payload }));
        }
        let asked = std::mem::take(&mut state.acknowledge);
        Ok(match state.session.due() {
            Due::Now => Some(Message::Taken(state.session.tell())),
            Due::Later if asked => Some(Message::Taken(state.session.tell())),
            Due::Later | Due::Nothing => None,
        })
    }

    /// Whether something came that was not acknowledged, taken or not.
    pub(super) fn owes(&self) -> bool {
        self.lock().session.owes()
    }

    /// Acknowledges what was taken, without waiting for a frame to ride along with.
    pub(super) fn acknowledge(&self) {
        let mut state = self.lock();
        if state.session.due() != Due::Nothing {
            state.acknowledge = true;
            state.wake();
        }
    }

    /// A frame came over this link. `give` gets it, under the lock, if it is the next: so no frame
    /// of a link that was replaced meanwhile gets in twice or between.
    pub(super) fn incoming(
        &self,
        link: &Arc<Link>,
        (number, size_bytes): (u64, usize),
        give: impl FnOnce(u64),
    ) -> Result<(), LinkError> {
        let mut state = self.current(link)?;
        match state.session.incoming(number, size_bytes)? {
            Incoming::New { epoch } => give(epoch),
            Incoming::Repeated => {}
        }
        drop(state);
        Ok(())
    }

    /// The other host acknowledged.
    pub(super) fn taken_there(&self, link: &Arc<Link>, taken: u64) -> Result<(), LinkError> {
        let freed = self.current(link)?.session.taken_there(taken)?;
        self.free(freed);
        Ok(())
    }

    /// The host here took a frame.
    pub(super) fn taken_here(&self, epoch: u64, frame: (u64, usize)) {
        let mut state = self.lock();
        if state.session.taken_here(epoch, frame) == Due::Now {
            state.wake();
        }
    }

    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// An attempt to link failed.
    pub(super) fn fail(&self, why: LinkError) {
        self.failed.send_replace(Some(why));
    }

    /// Waits until there is a link, or an attempt made from now on fails.
    pub(super) async fn linked(&self) -> Result<(), LinkError> {
        let (mut status, mut failed) = (self.status.subscribe(), self.failed.subscribe());
        tokio::select! {
            biased;
            _ = status.wait_for(|status| *status == Status::Up) => Ok(()),
            _ = failed.changed() => Err(failed.borrow().clone().unwrap_or(LinkError::Closed)),
        }
    }

    /// Nobody should wait for it, unless it is up.
    pub(super) fn give_up(&self) {
        self.status.send_if_modified(|status| {
            let down = *status == Status::Down;
            if down {
                *status = Status::Hopeless;
            }
            down
        });
    }

    /// Whether there is no link, and nothing is lost when it is forgotten now. What came and was
    /// not acknowledged may then come again.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.link.is_none() && state.session.is_empty() && !state.way.dialled
    }

    /// Whether it never was linked, and nothing waits for it.
    pub(super) fn is_strange(&self) -> bool {
        self.is_idle() && self.lock().counted_with.is_none()
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.frames.close();
        self.bytes.close();
        self.lock().link = None;
    }

    /// Notes the way to it. Says whether somebody has to begin to dial.
    pub(super) fn lead(&self, route: Route) -> Dialling {
        let mut state = self.lock();
        state.way.route = Some(route);
        let begun = std::mem::replace(&mut state.way.dialled, true);
        if begun { Dialling::Begun } else { Dialling::ToBegin }
    }

    pub(super) fn route(&self) -> Option<Route> {
        self.lock().way.route.clone()
    }

    /// Never to be forgotten.
    pub(super) fn stand(&self) {
        self.lock().way.standing = true;
    }

    pub(super) fn is_standing(&self) -> bool {
        self.lock().way.standing
    }

    /// Lets the link look whether there is something to say.
    pub(super) fn wake(&self) {
        self.lock().wake();
    }

    fn free(&self, freed: Freed) {
        self.frames.add_permits(freed.frames);
        self.bytes.add_permits(freed.bytes);
    }

    fn current(&self, link: &Arc<Link>) -> Result<MutexGuard<'_, State>, LinkError> {
        let state = self.lock();
        let current = state.link.as_ref().is_some_and(|now| Arc::ptr_eq(now, link));
        if current { Ok(state) } else { Err(LinkError::Replaced) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&self) {
        if let Some(link) = &self.link {
            link.work.notify_one();
        }
    }
}

/// Whether somebody dials a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialling {
    Begun,
    ToBegin,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attach(peer: &Peer, counted: Option<u64>, theirs: &str) -> Result<u64, LinkError> {
        let proven = Proven::on_the_word_of_a_transport([]);
        peer.attach(proven, counted, theirs).map(|(_, join)| join.generation)
    }

    #[test]
    fn the_link_is_the_one_that_was_counted_last() {
        let peer = Peer::new(PublicKey::from_bytes([1; 32]), "one".to_owned());
        assert_eq!(attach(&peer, Some(2), "two"), Ok(2));
        // Two connections were dialled at once, and what was said first comes last.
        assert_eq!(attach(&peer, Some(1), "two"), Err(LinkError::Replaced));
        assert_eq!(attach(&peer, Some(2), "two"), Err(LinkError::Replaced));
        assert_eq!(attach(&peer, Some(3), "two"), Ok(3));
        // Who begins anew counts anew.
        assert_eq!(attach(&peer, Some(1), "two again"), Ok(1));
        assert_eq!(attach(&peer, None, "two again"), Ok(2));
    }

    #[test]
    fn only_the_link_moves_frames() {
        let peer = Peer::new(PublicKey::from_bytes([1; 32]), "one".to_owned());
        let attach = || peer.attach(Proven::on_the_word_of_a_transport([]), None, "two").unwrap();
        let join = |generation| Join { generation, first: 1, has: None };
        let (old, _) = attach();
        peer.joined(&old, "two", join(1)).unwrap();
        let (new, _) = attach();
        assert_eq!(peer.incoming(&old, (1, 0), |_| panic!("it came")), Err(LinkError::Replaced));
        assert_eq!(peer.next(&old), Err(LinkError::Replaced));
        assert_eq!(peer.taken_there(&old, 0), Err(LinkError::Replaced));
        assert_eq!(peer.detach(&old), Err(LinkError::Replaced));
        peer.joined(&new, "two", join(2)).unwrap();
        assert_eq!(*peer.status().borrow(), Status::Up);
        assert_eq!(peer.detach(&new), Ok(()));
        assert_eq!(*peer.status().borrow(), Status::Down);
    }
}
