//! The station: a node that takes directives from kernels on other machines.
//!
//! It is a kernel of its own, in the node's operator's hands: every verified directive is submitted
//! to it by an agent of an identity that stands for the identity it comes from. So the node's own
//! ledger says what was done here and for whom, whatever the other machine says.
use std::{collections::HashMap, io, time::Duration};

use cap_std::fs::Dir;
use clawnet_core::{
    Agent, Clock, Digest, Directive, DirectiveError, IdentityId, Kernel, Mount, NodeHead, Owner,
    OwnerError, OwnerId, PublicKey, Receipt, Reported, SignedDirective, SignedReceipt, Signer as _,
    SoftwareKey, StoreError, Timestamp, VerifiedDirective,
};

use super::{
    UNSIGNED_FOR, UNSIGNED_MAX,
    daybook::{Daybook, Event as Note, Took},
    frame::{Frame, FrameKind},
    link::Link,
    served::{dispatch, kinds},
    welcome::{Asked, Hello, Known, No, Statement, Unseen, Welcome, parsed, text},
};
use crate::{journal::Durability, node::Node, refusal::FsError};

mod doing;

use doing::{Asking, Key, Unmet};

/// Whose directives a station takes: set by the operator, at the node, by a separate act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "both must be said")]
pub struct Pin {
    /// The key that has to sign.
    pub kernel: PublicKey,
    /// The one owner it signs for.
    pub owner: OwnerId,
}

/// What a station is made of.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "each of it must be said")]
pub struct Post {
    /// The operator's own kernel: the node's own ledger.
    pub kernel: Kernel,
    /// The right to decide in it.
    pub owner: Owner,
    /// The folders, under their own list.
    pub node: Node,
    /// The node's key, which signs receipts.
    pub key: SoftwareKey,
    /// Whose directives it takes.
    pub pins: Vec<Pin>,
    /// How this process is confined, in words.
    pub confinement: String,
    /// What the daybook waits for.
    pub durability: Durability,
}

/// A node that takes directives.
///
/// **Promises** that a directive takes effect at most once, that what it does passes the node's own
/// layer 2 and is in the node's own ledger, and that each is answered by a receipt. **Refuses** what
/// is forged, stale, out of order, for another node, session or owner, or of an unknown kind, and
/// everything while there is no session. It works on the calling thread, one directive at a time.
pub struct Station {
    kernel: Kernel,
    owner: Owner,
    node: Mount<Node>,
    key: SoftwareKey,
    own: PublicKey,
    pins: Vec<Pin>,
    confinement: String,
    clock: Box<dyn Clock>,
    at: Timestamp,
    daybook: Daybook,
    agents: HashMap<Key, Agent>,
    session: Option<Session>,
}

/// What a kernel and a node say to each other until one of them is gone.
struct Session {
    kernel: PublicKey,
    name: Digest,
    number: u64,
    /// The digest of the last receipt.
    chain: Digest,
    /// The receipts nobody signed yet: how many, since when, and the last of them.
    unsigned: u32,
    since: Timestamp,
    last: Option<Receipt>,
}

/// What a station was told, for its log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// A session began.
    Welcomed(PublicKey),
    /// A directive was answered.
    Told {
        /// Its number.
        number: u64,
        /// Its kind.
        kind: String,
        /// `done`, or why not.
        code: String,
    },
    /// Something was refused that is nobody's.
    Refused(String),
    /// The kernel is gone: nothing is done until it is back.
    Alone,
}

/// Who listens to a station.
pub trait Watch {
    /// Tells what was heard.
    fn heard(&mut self, heard: Heard);

    /// Whether to stop before the next directive.
    fn stops(&self) -> bool;
}

/// Why a station does not open, or does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StationError {
    /// The daybook is not usable.
    #[error(transparent)]
    Daybook(#[from] FsError),
    /// The node's own kernel did not do it.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The list serves a folder to somebody that nobody here is.
    #[error(
        "the list serves a folder to `{0}`, which is no identity of this node's own ledger: name \
         the one that stands for the identity there"
    )]
    UnknownIdentity(IdentityId),
    /// The node's own ledger failed.
    #[error(transparent)]
    Ledger(#[from] StoreError),
}

/// The longest answer to a change that is kept. Written as text within text it is longer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long an answer may take to leave.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How long it waits for a frame before it looks around.
const IDLE: Duration = Duration::from_secs(1);

impl Station {
    /// Opens it over its own directory, outside every folder. What a crash left half way is told
    /// from the node's journal, and gets its receipt.
    ///
    /// # Errors
    /// When the daybook is damaged or another node's, the node's own ledger cannot be written, or
    /// the list serves a folder to an identity that its ledger does not have: directives come from
    /// identities of other ledgers, and [`Station::stands_for`] says who they are here.
    pub async fn open(post: Post, state: &Dir, clock: impl Clock) -> Result<Self, StationError> {
        let Post { kernel, owner, node, key, pins, confinement, durability } = post;
        let own = key.public_key();
        let daybook = Daybook::open(state, own, durability)?;
        let known = owner.identities();
        let nobody = |named: &IdentityId| known.iter().all(|one| one.identity != *named);
        if let Some(unknown) = node.folders().identities().find(nobody) {
            return Err(StationError::UnknownIdentity(unknown));
        }
        let node = kernel.mount("node", node);
        kernel.settle(&node).await?;
        let mut station = Self {
            kernel,
            owner,
            node,
            key,
            own,
            pins,
            confinement,
            clock: Box::new(clock),
            at: Timestamp::default(),
            daybook,
            agents: HashMap::new(),
            session: None,
        };
        if let Some(took) = station.daybook.open_change().cloned() {
            let outcome = station.found_out(&took).await?;
            station.give(&took, outcome, "null".into())?;
        }
        Ok(station)
    }

    /// The kinds of operations that a station performs, sorted.
    #[must_use]
    pub fn kinds() -> Vec<String> {
        kinds()
    }

    /// The node's key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.own
    }

    /// The node, for what its operator does besides.
    pub fn node(&self) -> &Mount<Node> {
        &self.node
    }

    /// The right to decide at this node.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Answers everything that comes over `link`, until the kernel is gone or `watch` stops it.
    ///
    /// # Errors
    /// When the station itself cannot go on.
    pub async fn serve(
        &mut self,
        link: &mut dyn Link,
        watch: &mut dyn Watch,
    ) -> Result<(), StationError> {
        while !watch.stops() {
            let wait = if self.is_unsigned() { UNSIGNED_FOR } else { IDLE };
            let answer = match link.receive(wait) {
                Ok(Some(frame)) => Some(self.answer(frame, watch).await?),
                Ok(None) => self.seal(),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    watch.heard(Heard::Refused("not_a_frame".into()));
                    break;
                }
                Err(_) => break,
            };
            if let Some(answer) = answer
                && link.send(&answer, SEND_WITHIN).is_err()
            {
                break;
            }
        }
        if let Some(seal) = self.seal() {
            // Whoever is gone does not get it, and learns so from the next welcome.
            drop(link.send(&seal, SEND_WITHIN));
        }
        self.leave(watch)
    }

    /// Ends the session: the node does nothing until there is another.
    fn leave(&mut self, watch: &mut dyn Watch) -> Result<(), StationError> {
        if let Some(session) = self.session.take() {
            let at = self.now();
            self.daybook.append(Note::Alone { at, kernel: session.kernel })?;
            watch.heard(Heard::Alone);
        }
        Ok(())
    }

    /// Answers one frame.
    ///
    /// # Errors
    /// When the station itself cannot go on: nothing is answered then.
    pub async fn answer(
        &mut self,
        frame: Frame,
        watch: &mut dyn Watch,
    ) -> Result<Frame, StationError> {
        self.daybook.is_sound()?;
        let answered = match frame.kind {
            FrameKind::Hello => self.hello(&frame, watch).await,
            FrameKind::Directive => self.directive(frame, watch).await,
            FrameKind::Seal => {
                let head = self.seal().map(|frame| frame.head);
                Ok(Frame::new(FrameKind::Seal, head.unwrap_or_default()))
            }
            FrameKind::Recall => self.recall(&frame).await,
            FrameKind::Welcome
            | FrameKind::Told
            | FrameKind::Signed
            | FrameKind::Unseen
            | FrameKind::No => Err(Stop::No("not_a_question")),
        };
        match answered {
            Ok(frame) => Ok(frame),
            Err(Stop::No(code)) => {
                watch.heard(Heard::Refused(code.into()));
                Ok(no(code))
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Begins a session. The one before it ends: a directive is good for one.
    async fn hello(&mut self, frame: &Frame, watch: &mut dyn Watch) -> Result<Frame, Stop> {
        let hello: Hello = parsed(&frame.head).map_err(|_| Stop::No("not_a_hello"))?;
        self.pin(&hello.kernel)?;
        let (at, kernel) = (self.now(), hello.kernel);
        let mut number = self.daybook.number(&kernel);
        if let Some(session) = self.session.take().filter(|session| session.kernel == kernel) {
            number = number.max(session.number);
        }
        let confinement = self.confinement.clone();
        self.daybook.append(Note::Session { at, confinement, kernel, number })?;
        let name = self.daybook.chain();
        let welcome = Welcome {
            at,
            confinement: self.confinement.clone(),
            head: self.head(),
            kernel,
            kinds: kinds(),
            last: self.daybook.last(&kernel),
            node: self.own,
            number,
            session: name,
        };
        let (unsigned, since, last) = (0, at, None);
        let session = Session { kernel, name, number, chain: name, unsigned, since, last };
        self.session = Some(session);
        watch.heard(Heard::Welcomed(kernel));
        Ok(Frame::new(FrameKind::Welcome, self.signed(&welcome).await?))
    }

    fn pin(&self, kernel: &PublicKey) -> Result<Pin, Stop> {
        let pin = self.pins.iter().find(|pin| pin.kernel == *kernel);
        pin.copied().ok_or(Stop::No("unknown_kernel"))
    }

    async fn directive(&mut self, frame: Frame, watch: &mut dyn Watch) -> Result<Frame, Stop> {
        let told = SignedDirective::read(&frame.head).map_err(|error| Stop::No(error.code()))?;
        let pin = self.pin(&told.directive().kernel)?;
        let digest = told.directive().digest();
        let now = self.now();
        let told = match told.verify(&pin.kernel, &self.own, now) {
            Ok(told) => told,
            // What is over may still be asked about: nothing is done for it.
            Err(DirectiveError::Expired) => {
                let given = self.given(&digest)?;
                return given.ok_or(Stop::No(DirectiveError::Expired.code()));
            }
            Err(error) => return Err(Stop::No(error.code())),
        };
        if let Some(given) = self.given(&digest)? {
            return Ok(given);
        }
        let (number, kind) = (told.directive().number, told.directive().kind.clone());
        // What comes beside it is not signed. Changed on the way it may still come as it was said,
        // so there is no signed word that it was not done.
        told.carries(&frame.content).map_err(|error| Stop::No(error.code()))?;
        let answer = match self.is_due(&told, pin) {
            Ok(()) => self.perform(told, frame.content).await?,
            Err(code) => {
                let at = self.now();
                self.daybook.append(Note::Refused { at, code: code.into(), directive: digest })?;
                self.refuse(told.directive(), digest, code)?
            }
        };
        let code = code_of(&answer.1);
        watch.heard(Heard::Told { number, kind, code });
        Ok(answer.0)
    }

    /// Whether a verified directive is this session's next.
    fn is_due(&self, told: &VerifiedDirective, pin: Pin) -> Result<(), &'static str> {
        let directive = told.directive();
        if directive.owner != pin.owner {
            return Err("unknown_owner");
        }
        let session = self.session.as_ref().filter(|session| session.kernel == pin.kernel);
        let session = session.ok_or("no_session")?;
        if directive.session != session.name {
            return Err("other_session");
        }
        if directive.number <= session.number {
            return Err("replayed");
        }
        Ok(())
    }

    /// Hands a directive that is due to the operation it is about.
    async fn perform(
        &mut self,
        told: VerifiedDirective,
        content: Vec<u8>,
    ) -> Result<(Frame, Reported), Stop> {
        let digest = told.digest();
        let directive = told.directive();
        if let Some(session) = &mut self.session {
            session.number = directive.number;
        }
        let content = directive.content.is_some().then_some(content);
        let asked = Asking { station: self, directive, digest, content };
        match dispatch(&directive.kind, asked).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(Unmet::Stop(stop))) => Err(stop),
            Some(Err(Unmet::NotThis)) => self.refuse(directive, digest, "other_operation"),
            None => self.refuse(directive, digest, "unknown_kind"),
        }
    }

    /// A signed no to a directive that is the kernel's own.
    fn refuse(
        &mut self,
        directive: &Directive,
        digest: Digest,
        code: &'static str,
    ) -> Result<(Frame, Reported), Stop> {
        let outcome = Reported::refused(code);
        let Some(session) = &self.session else { return Err(Stop::No(code)) };
        let about = (directive.intent, directive.number, session.chain);
        let receipt = self.receipt((digest, about), outcome.clone(), (b"", b""));
        let signed = receipt.sign(&self.key);
        self.went(&signed.receipt().clone(), true);
        Ok((Frame::new(FrameKind::Signed, signed.to_bytes()), outcome))
    }

    /// What was answered to a change before, if it was: never done again.
    fn given(&self, directive: &Digest) -> Result<Option<Frame>, Stop> {
        let Some(given) = self.daybook.given(directive)? else {
            let waits = self.daybook.knows(directive);
            return if waits { Err(Stop::No("not_over")) } else { Ok(None) };
        };
        let mut frame = Frame::new(FrameKind::Signed, given.receipt.to_bytes());
        frame.body = given.answer.into_bytes();
        Ok(Some(frame))
    }

    /// The receipt for the change of an intent, or a signed word that there is none.
    async fn recall(&mut self, frame: &Frame) -> Result<Frame, Stop> {
        let asked: Asked = parsed(&frame.head).map_err(|_| Stop::No("not_a_question"))?;
        let session = self.session.as_ref().ok_or(Stop::No("no_session"))?;
        let pin = self.pin(&session.kernel)?;
        if pin.owner != asked.owner {
            return Err(Stop::No("unknown_owner"));
        }
        let Asked { intent, owner } = asked;
        if let Some(directive) = self.daybook.directive_of(owner, intent) {
            let given = self.daybook.given(&directive)?.ok_or(Stop::No("not_over"))?;
            let receipt = given.receipt.receipt().digest();
            let known = Known { intent, node: self.own, owner, receipt, session: session.name };
            let mut frame = Frame::new(FrameKind::Signed, given.receipt.to_bytes());
            frame.body = given.answer.into_bytes();
            frame.content = self.signed(&known).await?;
            return Ok(frame);
        }
        let unseen = Unseen { intent, node: self.own, owner, session: session.name };
        Ok(Frame::new(FrameKind::Unseen, self.signed(&unseen).await?))
    }

    /// The last receipt with a signature, if it has none yet.
    pub fn seal(&mut self) -> Option<Frame> {
        let session = self.session.as_mut().filter(|session| session.unsigned > 0)?;
        session.unsigned = 0;
        let signed = session.last.take()?.sign(&self.key);
        Some(Frame::new(FrameKind::Signed, signed.to_bytes()))
    }

    fn is_unsigned(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.unsigned > 0)
    }

    async fn signed<S: Statement>(&self, said: &S) -> Result<Vec<u8>, Stop> {
        let signature = self.key.sign(&said.statement()).await;
        signature.map(|signature| said.signed(signature)).map_err(|_| Stop::No("no_key"))
    }

    fn head(&self) -> NodeHead {
        let head = self.kernel.head();
        NodeHead { hash: head.hash, size: head.sequence }
    }

    /// The present, which never falls.
    fn now(&mut self) -> Timestamp {
        self.at = self.at.max(self.clock.now());
        self.at
    }

    fn receipt(
        &mut self,
        (directive, (intent, number, previous)): (Digest, (u64, u64, Digest)),
        outcome: Reported,
        (json, content): (&[u8], &[u8]),
    ) -> Receipt {
        Receipt {
            answer: Receipt::answer(json, content),
            at: self.now(),
            directive,
            format: Receipt::FORMAT,
            head: self.head(),
            intent,
            node: self.own,
            number,
            outcome,
            previous,
        }
    }

    /// Notes a receipt that goes out now.
    fn went(&mut self, receipt: &Receipt, signed: bool) {
        let Some(session) = &mut self.session else { return };
        session.chain = receipt.digest();
        if signed {
            session.unsigned = 0;
            session.last = None;
        } else {
            if session.unsigned == 0 {
                session.since = receipt.at;
            }
            session.unsigned += 1;
            session.last = Some(receipt.clone());
        }
    }

    /// Whether the receipt that goes out at `at` needs a signature, though it changes nothing.
    fn is_due_to_sign(&self, at: Timestamp) -> bool {
        self.session.as_ref().is_none_or(|session| {
            session.unsigned + 1 >= UNSIGNED_MAX
                || (session.unsigned > 0 && at >= session.since.after(UNSIGNED_FOR))
        })
    }

    /// Writes down what came of a change, and signs it. An answer that is too long to be kept is
    /// not: whoever asks again gets the receipt alone.
    fn give(
        &mut self,
        took: &Took,
        outcome: Reported,
        answer: String,
    ) -> Result<SignedReceipt, FsError> {
        let about = (took.intent, took.number, took.previous);
        let receipt = self.receipt((took.directive, about), outcome, (answer.as_bytes(), b""));
        let receipt = receipt.sign(&self.key);
        let text = String::from_utf8_lossy(&receipt.to_bytes()).into_owned();
        let answer = if answer.len() <= ANSWER_BYTES_MAX { answer } else { String::new() };
        self.daybook.append(Note::Gave { answer, receipt: text })?;
        Ok(receipt)
    }
}

impl std::fmt::Debug for Station {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Station {}", self.own)
    }
}

/// Why a frame has no proper answer.
enum Stop {
    /// It is nobody's, or about nothing: an unsigned no.
    No(&'static str),
    /// The station cannot go on.
    Failed(StationError),
}

impl<E: Into<StationError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn no(code: &str) -> Frame {
    Frame::new(FrameKind::No, text(&No { code: code.to_owned() }))
}

fn code_of(outcome: &Reported) -> String {
    match outcome {
        Reported::Done => "done".into(),
        Reported::Interrupted => "interrupted".into(),
        Reported::Failed { code, .. } | Reported::Refused { code, .. } => code.to_string(),
    }
}
