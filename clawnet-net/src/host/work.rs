//! What a host does, one piece at a time: whoever drives it takes pieces and finishes them.
use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use clawnet_core::{OwnerId, Timestamp};

use super::{
    Host, No, Shared,
    agenda::{Lane, Turn},
    bucket::Spent,
    houses::{Found, Guest, HostError},
    intake::{Taken, Waiting, Way},
};
use crate::{
    contact::{Bond, Contact},
    transport::Proven,
};

/// One piece of work.
#[derive(Debug)]
pub(super) enum Work {
    /// A frame for a kernel.
    Frame(Taken),
    /// A kernel has something new to send.
    Look(OwnerId),
    /// Something is to be sent, or sent again.
    Send(Turn),
    /// Kernels nobody asked for are put away.
    Sweep,
    /// A kernel looks for what is over.
    Visit(OwnerId),
}

/// Rings at the host when a kernel has something new to send.
struct Bell {
    host: Weak<Shared>,
    owner: OwnerId,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.host.upgrade() {
            let host = Host(shared);
            host.desk().stirred.insert(self.owner);
            host.call_workers();
        }
    }
}

/// A frame is worked on: whatever becomes of that, the next one for the same owner may follow.
struct Lease<'h> {
    host: &'h Host,
    owner: OwnerId,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.host.desk().intake.done(self.owner);
        self.host.call_workers();
    }
}

impl Host {
    /// The next piece of work there is at `now`. Frames and everything else take turns.
    pub(super) fn next_work(&self, now: Timestamp) -> Option<Work> {
        let gone = std::mem::take(&mut *self.0.houses.gone());
        let mut desk = self.desk();
        for (owner, next) in gone {
            desk.agenda.visit(owner, next);
        }
        desk.frames_first = !desk.frames_first;
        let frame = if desk.frames_first { desk.intake.next() } else { None };
        if let Some(frame) = frame {
            return Some(Work::Frame(frame));
        }
        if let Some(owner) = desk.stirred.pop_first() {
            return Some(Work::Look(owner));
        }
        if let Some(turn) = desk.agenda.next(now) {
            return Some(Work::Send(turn));
        }
        if let Some(owner) = desk.agenda.next_visit(now) {
            return Some(Work::Visit(owner));
        }
        if now >= desk.sweep_at {
            desk.sweep_at = now.after((self.0.limits.idle / 2).max(SWEEP_EVERY_MIN));
            return Some(Work::Sweep);
        }
        desk.intake.next().map(Work::Frame)
    }

    pub(super) async fn perform(&self, work: Work) {
        match work {
            Work::Frame(taken) => self.receive(taken).await,
            Work::Look(owner) => {
                if let Some(guest) = self.0.houses.if_open(owner) {
                    self.look(&guest, owner);
                }
            }
            Work::Send(turn) => self.send(turn).await,
            Work::Sweep => drop(self.put_away_idle().await),
            Work::Visit(owner) => self.visit(owner).await,
        }
    }

    /// The owner's party. One that was opened just now is looked at first: something may wait.
    pub(super) async fn guest(&self, owner: OwnerId) -> Result<Guest, HostError> {
        let (guest, found) = self.0.houses.party(owner).await?;
        if found == Found::Opened {
            let due = guest.due();
            let next = self.0.houses.now().after(self.0.limits.tick_every);
            let mut desk = self.desk();
            for peer in due {
                desk.agenda.note((owner, peer));
            }
            desk.agenda.visit(owner, Some(next));
            drop(desk);
            self.look(&guest, owner);
        }
        Ok(guest)
    }

    /// The same for what the host does of its own accord: a kernel that is open stays no longer so.
    async fn guest_unused(&self, owner: OwnerId) -> Result<Guest, HostError> {
        match self.0.houses.if_open(owner) {
            Some(guest) => Ok(guest),
            None => self.guest(owner).await,
        }
    }

    async fn receive(&self, taken: Taken) {
        let Taken { owner, waiting: Waiting { frame, from, way }, turned_away } = taken;
        let _lease = Lease { host: self, owner };
        let answer_to = match &way {
            Way::Within(from) => Some(*from),
            Way::Over(proven) => from.filter(|from| proven.speaks_for(*from).is_ok()),
        };
        let guest = if self.check_stranger(owner, answer_to).is_ok() {
            self.guest(owner).await.ok()
        } else {
            None
        };
        let Some(guest) = guest else {
            for (sender, count) in turned_away {
                self.desk().intake.turn_away((owner, sender), count);
            }
            self.answer(answer_to, No::Busy);
            return;
        };
        for (sender, count) in turned_away {
            guest.turned_away(sender, count);
        }
        let proven = match way {
            // What their kernel here gave out is theirs.
            Way::Within(from) => Proven::on_the_word_of_a_transport([from]),
            Way::Over(proven) => proven,
        };
        let answers = guest.receive(&frame, &proven).await;
        self.desk().counts.judged += 1;
        let now = self.0.houses.now();
        if let Some(peer) = answer_to {
            self.desk().agenda.heard((owner, peer), now);
            self.meet(&guest, (owner, peer));
            for answer in answers {
                self.route(owner, peer, answer);
            }
        }
    }

    /// That a kernel may be opened for who sent a frame, if it has to be. Counts it if not.
    fn check_stranger(&self, owner: OwnerId, sender: Option<OwnerId>) -> Result<(), Spent> {
        if self.0.houses.if_open(owner).is_some() {
            return Ok(());
        }
        let now = self.0.houses.now();
        let mut desk = self.desk();
        let known = sender.map(|peer| (owner, peer)).filter(|lane| {
            desk.strangers.knows(*lane).is_ok() || desk.agenda.trying(*lane).is_some()
        });
        if known.is_none()
            && let Err(spent) = desk.strangers.open(sender, now)
        {
            desk.counts.turned_away += 1;
            desk.intake.turn_away((owner, sender), 1);
            return Err(spent);
        }
        Ok(())
    }

    /// Keeps in mind that the owner knows who was heard, if they do.
    fn meet(&self, guest: &Guest, lane: Lane) {
        let lately = self.desk().strangers.met_lately(lane);
        if lately {
            return;
        }
        let wanted = |contact: &Contact| {
            matches!(contact.bond, Bond::Asked | Bond::Mutual) && !contact.blocked
        };
        if guest.contact(lane.1).is_some_and(|contact| wanted(&contact)) {
            self.desk().strangers.meet(lane);
        }
    }

    /// Asks a kernel for whom there is something new, and to ring when there is more.
    fn look(&self, guest: &Guest, owner: OwnerId) {
        let bell = Waker::from(Arc::new(Bell { host: Arc::downgrade(&self.0), owner }));
        let mut context = Context::from_waker(&bell);
        loop {
            let stirred = pin!(guest.stirred()).as_mut().poll(&mut context);
            let Poll::Ready(peers) = stirred else { return };
            let mut desk = self.desk();
            for peer in peers {
                desk.agenda.note((owner, peer));
            }
        }
    }

    async fn send(&self, turn: Turn) {
        let (owner, peer) = turn.lane;
        let guest =
            if turn.again { self.guest_unused(owner).await } else { self.guest(owner).await };
        let frames = match guest {
            Ok(guest) => {
                if turn.again {
                    guest.again(peer);
                }
                Ok(guest.outgoing(peer).await)
            }
            Err(error) => Err(error),
        };
        let now = self.0.houses.now();
        // Who cannot be asked now is asked again.
        let count = frames.as_ref().map_or(1, Vec::len);
        self.desk().agenda.sent(turn, count, now);
        for frame in frames.into_iter().flatten() {
            self.route(owner, peer, frame);
        }
    }

    async fn visit(&self, owner: OwnerId) {
        let Ok(guest) = self.guest_unused(owner).await else { return };
        // A ledger that failed is found out by whoever wants something of it next.
        drop(guest.tick().await);
        let next = self.0.houses.now().after(self.0.limits.tick_every);
        self.desk().agenda.visit(owner, Some(next));
    }
}

/// How long the host does not look for kernels nobody asks for, however soon they are put away:
/// looking is not all it does.
const SWEEP_EVERY_MIN: Duration = Duration::from_millis(10);
