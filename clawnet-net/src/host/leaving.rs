//! What leaves a host: for each peer in order and one at a time, bounded for each and altogether.
use std::collections::{BTreeMap, VecDeque};

use clawnet_core::OwnerId;

/// Frames on their way to a transport.
///
/// **Promises** that no peer takes more than a quarter of the room the others leave: whoever takes
/// nothing keeps nobody else from theirs. What finds no room is not sent: it is sent when its time
/// comes again.
#[derive(Debug)]
pub(super) struct Leaving {
    lines: BTreeMap<OwnerId, Line>,
    /// Peers for whom frames wait and nobody sends.
    ready: VecDeque<OwnerId>,
    frames_max: usize,
    /// Of all lines together.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Line {
    frames: VecDeque<Vec<u8>>,
    /// Of what waits and of what is being sent.
    bytes: usize,
    /// The size of what is being sent.
    sending: Option<usize>,
}

/// There is no room: it is not sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Leaving {
    pub(super) fn new(frames_max: usize) -> Self {
        Self { lines: BTreeMap::new(), ready: VecDeque::new(), frames_max, bytes: 0 }
    }

    /// Puts a frame behind those for the same peer.
    pub(super) fn push(&mut self, peer: OwnerId, frame: Vec<u8>) -> Result<(), Full> {
        let (waiting, held) =
            self.lines.get(&peer).map_or((0, 0), |line| (line.frames.len(), line.bytes));
        let bytes = held.saturating_add(frame.len());
        if waiting >= self.frames_max || bytes > BYTES_MAX.saturating_sub(self.bytes) / 4 {
            return Err(Full);
        }
        let line = self.lines.entry(peer).or_default();
        if line.frames.is_empty() && line.sending.is_none() {
            self.ready.push_back(peer);
        }
        self.bytes = self.bytes.saturating_add(frame.len());
        line.bytes = bytes;
        line.frames.push_back(frame);
        Ok(())
    }

    /// The next frame to send. Nothing more is given for its peer until that is done.
    pub(super) fn next(&mut self) -> Option<(OwnerId, Vec<u8>)> {
        let peer = self.ready.pop_front()?;
        let line = self.lines.get_mut(&peer)?;
        let frame = line.frames.pop_front()?;
        line.sending = Some(frame.len());
        Some((peer, frame))
    }

    /// What was sent to `peer` is handed over, or lost.
    pub(super) fn done(&mut self, peer: OwnerId) {
        let Some(line) = self.lines.get_mut(&peer) else { return };
        let sent = line.sending.take().unwrap_or(0);
        line.bytes = line.bytes.saturating_sub(sent);
        self.bytes = self.bytes.saturating_sub(sent);
        if line.frames.is_empty() {
            self.lines.remove(&peer);
        } else {
            self.ready.push_back(peer);
        }
    }

    /// Nobody can be reached there: what waits is sent when its time comes again.
    pub(super) fn give_up(&mut self, peer: OwnerId) {
        if let Some(line) = self.lines.get_mut(&peer) {
            let bytes: usize = line.frames.iter().map(Vec::len).sum();
            self.bytes = self.bytes.saturating_sub(bytes);
            line.bytes = line.bytes.saturating_sub(bytes);
            line.frames.clear();
        }
    }
}

/// How many bytes may wait to leave altogether.
const BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(nth: u8) -> OwnerId {
        OwnerId::of_key(&[nth; 32])
    }

    #[test]
    fn each_peer_has_an_order_and_a_bound() {
        let mut leaving = Leaving::new(2);
        for nth in 0..2 {
            assert_eq!(leaving.push(owner(1), vec![nth]), Ok(()));
        }
        assert_eq!(leaving.push(owner(1), vec![2]), Err(Full));
        assert_eq!(leaving.push(owner(2), vec![9]), Ok(()));
        assert_eq!(leaving.next(), Some((owner(1), vec![0])));
        assert_eq!(leaving.next(), Some((owner(2), vec![9])));
        assert_eq!(leaving.next(), None, "one at a time for each");
        leaving.done(owner(1));
        assert_eq!(leaving.next(), Some((owner(1), vec![1])));
        leaving.done(owner(1));
        leaving.done(owner(2));
        assert_eq!((leaving.bytes, leaving.lines.len(), leaving.ready.len()), (0, 0, 0));
    }

    #[test]
    fn what_waits_is_bounded_altogether_and_given_up_where_nobody_is() {
        let mut leaving = Leaving::new(1000);
        let mut waiting = 0;
        for peer in 0..100 {
            while leaving.push(owner(peer), vec![0; 1 << 20]).is_ok() {
                waiting += 1;
            }
        }
        assert!((50..=BYTES_MAX >> 20).contains(&waiting), "{waiting} MiB wait");
        assert_eq!(leaving.push(owner(100), vec![0; 4 << 20]), Err(Full));
        for peer in 0..100 {
            leaving.give_up(owner(peer));
            leaving.done(owner(peer));
        }
        assert_eq!((leaving.bytes, leaving.next()), (0, None));
        assert_eq!(leaving.push(owner(2), vec![0]), Ok(()));
    }

    #[test]
    fn who_takes_nothing_leaves_room_for_others() {
        let mut leaving = Leaving::new(1000);
        let fill = |leaving: &mut Leaving, peer| {
            let pushed = (0..1000).take_while(|_| leaving.push(peer, vec![0; 1 << 20]).is_ok());
            pushed.count()
        };
        let first = fill(&mut leaving, owner(1));
        assert!(first <= (BYTES_MAX >> 20) / 4, "{first} MiB wait for one");
        assert_eq!(fill(&mut leaving, owner(1)), 0);
        // What is being sent is held too.
        assert!(leaving.next().is_some());
        assert_eq!(fill(&mut leaving, owner(1)), 0);
        assert!(fill(&mut leaving, owner(2)) > first / 2);
        leaving.done(owner(1));
        leaving.give_up(owner(2));
        assert_eq!(fill(&mut leaving, owner(1)), 1);
    }
}
