//! Nodes on other machines: the same operations behind a link.
//!
//! ```text
//!  here                                           there
//!  agent.submit(&mount, &op)
//!    Authorized --> directive, signed  --------->  verify: key, node, session, number, time, digest
//!                   by the kernel                  own kernel: own identity, own layer 2, own ledger
//!    outcome   <--  receipt, verified  <---------  receipt, chained and signed; answer beside it
//! ```
//!
//! A directive is good once, at one node, in one session, for seconds. A change is answered with a
//! signed receipt, which the kernel keeps with its outcome. What only looks is answered at once with
//! a receipt that names the one before it, and signed with the next change, after 100 ms, or with the
//! 64th: like the record of a look, which is durable at the latest with the next change. This side
//! counts, and ends the link when a signature is overdue.
//!
//! What came of a directive whose answer is lost is not known here, and told as such; the node is
//! asked about it when there is a link again ([`Recall`]). Directives of an earlier session are void,
//! so a node that never saw one can promise that it never will do it.
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clawnet_core::{
    Addressee, Admission, Authorized, Caller, Denial, Directive, Effect, Endpoint, Fault, NodeHead,
    OwnerId, PublicKey, Recall, Recalled, Reported,
};

use crate::refusal::FsError;

mod daybook;
mod frame;
mod line;
mod link;
mod served;
mod station;
mod welcome;

pub use frame::Frame;
pub(crate) use frame::FrameKind;
use line::Line;
pub use link::{Link, UnixLink};
pub use served::Served;
pub use station::{Heard, Pin, Post, Station, StationError, Watch};
use welcome::Asked;
pub use welcome::{LastChange, Welcome};

/// How many looks are answered before one is signed.
const UNSIGNED_MAX: u32 = 64;
/// How long a look goes unsigned, by the node's clock, if anything is said at all.
const UNSIGNED_FOR: Duration = Duration::from_millis(100);

/// Which node, for which kernel, and how long to wait for it.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Pairing {
    node: PublicKey,
    kernel: PublicKey,
    valid_for: Duration,
    answers_within: Duration,
    known: Option<NodeHead>,
}

impl Pairing {
    /// The node of this key, told by the kernel of that one ([`clawnet_core::Kernel::sign_with`]).
    pub fn new(node: PublicKey, kernel: PublicKey) -> Self {
        let valid_for = Duration::from_secs(10);
        Self { node, kernel, valid_for, answers_within: Duration::from_secs(30), known: None }
    }

    /// How long a directive is good for, at most [`Directive::VALID_FOR_MAX`]: 10 s unless said.
    pub fn valid_for(self, valid_for: Duration) -> Self {
        Self { valid_for: valid_for.min(Directive::VALID_FOR_MAX), ..self }
    }

    /// How long to wait for an answer: 30 s unless said.
    pub fn answers_within(self, answers_within: Duration) -> Self {
        Self { answers_within, ..self }
    }

    /// Only if the node's own ledger has not gone back behind `head`, a [`RemoteNode::head`] that
    /// was kept elsewhere.
    pub fn remembering(self, head: NodeHead) -> Self {
        Self { known: Some(head), ..self }
    }
}

/// The endpoint of a node on another machine.
///
/// **Promises** that the node was told nothing that is not authorized here, and that what is believed
/// of its answer was said by the node about this very directive. **Refuses** what the node does not
/// perform, anything while there is no link, and every answer that is another's, unsigned for too
/// long, or contradicts what the node said before: then the link is closed for good, and
/// [`reconnect`](Self::reconnect) begins a new session.
///
/// It blocks the calling thread for as long as the pairing says, one directive at a time. Intents in
/// answers are those of the node's own ledger: an undo names them.
pub struct RemoteNode {
    pairing: Pairing,
    line: Mutex<Line>,
}

impl RemoteNode {
    /// Begins a session over `link`.
    ///
    /// # Errors
    /// When the node is not the one it has to be, or has gone back behind what is known of it.
    pub fn pair(link: Box<dyn Link>, pairing: Pairing) -> Result<Self, Fault> {
        let remote = Self { pairing, line: Mutex::new(Line::new(pairing.known)) };
        remote.reconnect(link)?;
        Ok(remote)
    }

    /// Begins a new session over another link. The one before, and all directives in it, are over.
    ///
    /// # Errors
    /// As [`RemoteNode::pair`].
    pub fn reconnect(&self, over: Box<dyn Link>) -> Result<(), Fault> {
        let mut line = self.line();
        line.greet(over, &self.pairing).map_err(|broken| line.close(&broken))
    }

    /// What the node said when the session began: none without a link.
    #[must_use]
    pub fn welcome(&self) -> Option<Welcome> {
        let line = self.line();
        line.is_up().then(|| line.welcome.clone()).flatten()
    }

    /// The end of the node's own ledger as it was last signed: worth keeping somewhere else.
    #[must_use]
    pub fn head(&self) -> Option<NodeHead> {
        self.line().head
    }

    /// How many answers to looks were lost unsigned when links broke: they were told, and the node
    /// does not vouch for them.
    #[must_use]
    pub fn unvouched(&self) -> u64 {
        self.line().unvouched
    }

    /// Has the node sign what it said last, if it did not yet.
    ///
    /// # Errors
    /// When it does not.
    pub fn seal(&self) -> Result<(), Fault> {
        let mut line = self.line();
        line.seal(&self.pairing).map_err(|broken| line.close(&broken))
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One directive, and the answer to it.
    fn tell<O: Served>(&self, task: &Authorized<'_, O>) -> Result<O::Output, Fault> {
        let mut line = self.line();
        if !line.is_up() {
            return Err(Fault::new("link_down", "there is no link to the node"));
        }
        let to = Addressee {
            node: self.pairing.node,
            session: line.session,
            number: line.number + 1,
            valid_for: self.pairing.valid_for,
        };
        let told = task.direct(&to)?;
        line.number = to.number;
        let mut frame = Frame::new(FrameKind::Directive, told.to_bytes());
        frame.content =
            clawnet_core::Operation::content(task.operation()).unwrap_or_default().into();
        let observes = O::EFFECT == Effect::Observe;
        let answer = line
            .exchange(&frame, (told.directive(), observes), &self.pairing)
            .map_err(|broken| line.close(&broken))?;
        match answer.evidence {
            Some(body) => task.attest_body(body),
            None => task.attest(answer.receipt.digest()),
        }
        drop(line);
        match answer.receipt.outcome {
            Reported::Done => {}
            Reported::Failed { code, what } => return Err(Fault::relayed(code, what)),
            Reported::Refused { code, what } => {
                return Err(Fault::relayed(code, format!("the node refused: {what}")));
            }
            Reported::Interrupted => return Err(Fault::new("interrupted", "the node cannot tell")),
        }
        let mut output: O::Output = serde_json::from_slice(&answer.body).map_err(|_| {
            Fault::new("unreadable_answer", "it was done, and the answer is no answer")
        })?;
        O::put(&mut output, answer.content);
        O::narrow(&mut output, task)?;
        Ok(output)
    }
}

impl<O: Served> Endpoint<O> for RemoteNode {
    fn admit(&self, operation: &O, _: &Caller) -> Result<Admission, Denial> {
        let line = self.line();
        let welcome = line.welcome.as_ref().filter(|_| line.is_up());
        let down = || Denial::by_endpoint("link_down", "there is no link to the node");
        if !welcome.ok_or_else(down)?.kinds.iter().any(|kind| kind == O::KIND) {
            return Err(FsError::Unsupported("the node does not perform it").into());
        }
        let size = operation.content().map_or(0, <[u8]>::len);
        if size > Frame::CONTENT_BYTES_MAX {
            let max = Frame::CONTENT_BYTES_MAX as u64;
            return Err(FsError::LimitExceeded { what: "the content", max }.into());
        }
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, O>) -> Result<O::Output, Fault> {
        self.tell(&task)
    }
}

impl Recall for RemoteNode {
    fn recall(&self, owner: OwnerId, intent: u64) -> Recalled {
        let mut line = self.line();
        let asked = Asked { intent, owner };
        match line.ask(&asked, &self.pairing) {
            Ok(said) => said,
            Err(broken) => {
                drop(line.close(&broken));
                Recalled::Unknown
            }
        }
    }
}

impl fmt::Debug for RemoteNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteNode {}", self.pairing.node)
    }
}
