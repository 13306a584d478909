//! The kernel's end of a link: what the node was told, what it said, and whether that can be so.
use clawnet_core::{
    Digest, Directive, Fault, NodeHead, Recalled, Receipt, Reported, SignedReceipt, Timestamp,
};

use super::{
    Pairing, UNSIGNED_FOR, UNSIGNED_MAX,
    frame::{Frame, FrameKind},
    link::Link,
    welcome::{Asked, Hello, Known, LastChange, No, Statement, Unseen, Welcome, parsed, text},
};

/// What is known of a node, and the link to it while there is one.
pub(super) struct Line {
    link: Option<Box<dyn Link>>,
    pub(super) welcome: Option<Welcome>,
    pub(super) session: Digest,
    /// The number of the last directive.
    pub(super) number: u64,
    /// The digest of the last receipt of the session.
    chain: Digest,
    at: Timestamp,
    /// The end of the node's ledger: as it was last said, and as it was last signed.
    said: Option<NodeHead>,
    pub(super) head: Option<NodeHead>,
    last: Option<LastChange>,
    /// Receipts nobody signed yet: how many, and since when.
    unsigned: u32,
    since: Timestamp,
    pub(super) unvouched: u64,
    /// Receipts of looks, kept until they go with one that is kept.
    bundle: Vec<u8>,
}

/// An answer that was believed.
pub(super) struct Answer {
    pub(super) receipt: Receipt,
    pub(super) body: Vec<u8>,
    pub(super) content: Vec<u8>,
    /// What is worth keeping: the signed receipt, and those before it that it covers.
    pub(super) evidence: Option<Vec<u8>>,
}

/// Why a link is not used any more.
pub(super) enum Broken {
    /// It could not be used before anything was told.
    Down(&'static str),
    /// The node said, or did, something that cannot be.
    Wrong(&'static str),
    /// There was no answer.
    Silent,
    /// The node does not know what it was told. Nobody signed that.
    Unsigned(String),
}

impl Broken {
    fn fault(&self) -> Fault {
        match self {
            Self::Down(code) => Fault::new(code, "the node cannot be reached"),
            Self::Wrong(code) => {
                Fault::new(code, "what the node said is not believed; what it did is not known")
            }
            Self::Silent => Fault::new("outcome_unknown", "the node did not answer"),
            Self::Unsigned(code) => {
                let code: String = code.chars().take(64).collect();
                Fault::new("outcome_unknown", format!("the node said, unsigned: {code:?}"))
            }
        }
    }
}

/// How many bytes of receipts wait to be kept.
const BUNDLE_BYTES_MAX: usize = 1 << 20;

impl Line {
    pub(super) fn new(known: Option<NodeHead>) -> Self {
        Self {
            link: None,
            welcome: None,
            session: Digest::ZERO,
            number: 0,
            chain: Digest::ZERO,
            at: Timestamp::default(),
            said: known,
            head: known,
            last: None,
            unsigned: 0,
            since: Timestamp::default(),
            unvouched: 0,
            bundle: Vec::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.link.is_some()
    }

    /// Gives the link up, and says why.
    pub(super) fn close(&mut self, broken: &Broken) -> Fault {
        self.link = None;
        self.unvouched += u64::from(self.unsigned);
        self.unsigned = 0;
        // What was only said binds nobody: a node that fell over may have lost it.
        self.said = self.head;
        broken.fault()
    }

    /// Begins a session.
    pub(super) fn greet(&mut self, link: Box<dyn Link>, pairing: &Pairing) -> Result<(), Broken> {
        if self.is_up() {
            drop(self.close(&Broken::Silent));
        }
        self.link = Some(link);
        let hello = Frame::new(FrameKind::Hello, text(&Hello { kernel: pairing.kernel }));
        let answer = self.question(&hello, pairing)?;
        if answer.kind != FrameKind::Welcome {
            return Err(refused(&answer));
        }
        let wrong = Broken::Wrong;
        let welcome =
            Welcome::verified(&answer.head, &pairing.node).map_err(|_| wrong("bad_signature"))?;
        if welcome.node != pairing.node || welcome.kernel != pairing.kernel {
            return Err(wrong("other_node"));
        }
        self.follows(&welcome.head)?;
        if let Some(last) = self.last {
            // The node did at least what it said it did.
            let same = welcome.last.is_some_and(|now| {
                now.number > last.number || (now.number == last.number && now == last)
            });
            if !same {
                return Err(wrong("node_went_back"));
            }
        }
        (self.session, self.chain) = (welcome.session, welcome.session);
        self.number = self.number.max(welcome.number);
        self.at = welcome.at;
        self.last = welcome.last.or(self.last);
        (self.said, self.head) = (Some(welcome.head), Some(welcome.head));
        self.welcome = Some(welcome);
        Ok(())
    }

    /// Whether the node's ledger can have come to `head` from where it was.
    fn follows(&self, head: &NodeHead) -> Result<(), Broken> {
        match self.said {
            Some(said) if head.size < said.size => Err(Broken::Wrong("node_went_back")),
            Some(said) if head.size == said.size && head.hash != said.hash => {
                Err(Broken::Wrong("node_forked"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Tells a directive, and believes the answer or nothing.
    pub(super) fn exchange(
        &mut self,
        frame: &Frame,
        (told, observes): (&Directive, bool),
        pairing: &Pairing,
    ) -> Result<Answer, Broken> {
        let mut answer = self.question(frame, pairing)?;
        // A node that was idle signed what it said last.
        while answer.kind == FrameKind::Signed && self.is_seal(&answer, pairing)? {
            answer = self.receive(pairing)?;
        }
        let wrong = Broken::Wrong;
        let signed = answer.kind == FrameKind::Signed;
        let receipt = match answer.kind {
            FrameKind::Signed => Self::signed(&answer.head, pairing)?,
            FrameKind::Told => {
                let receipt = Receipt::read(&answer.head).map_err(|_| wrong("not_a_receipt"))?;
                self.may_be_unsigned(&receipt, observes)?;
                receipt
            }
            FrameKind::Hello
            | FrameKind::Welcome
            | FrameKind::Directive
            | FrameKind::Seal
            | FrameKind::Recall
            | FrameKind::Unseen
            | FrameKind::No => return Err(refused(&answer)),
        };
        let about = (receipt.directive, receipt.intent, receipt.number, receipt.node);
        if about != (told.digest(), told.intent, told.number, pairing.node) {
            return Err(wrong("other_answer"));
        }
        if receipt.previous != self.chain {
            return Err(wrong("receipt_missing"));
        }
        if receipt.at < self.at {
            return Err(wrong("node_went_back"));
        }
        self.follows(&receipt.head)?;
        if receipt.answer != Receipt::answer(&answer.body, &answer.content) {
            return Err(wrong("other_content"));
        }
        let evidence = self.believe(&receipt, &answer.head, (signed, observes));
        Ok(Answer { receipt, body: answer.body, content: answer.content, evidence })
    }

    /// Only a look may go unsigned, and not for long.
    fn may_be_unsigned(&self, receipt: &Receipt, observes: bool) -> Result<(), Broken> {
        let late = self.unsigned > 0 && receipt.at >= self.since.after(UNSIGNED_FOR);
        if !observes || late || self.unsigned + 1 >= UNSIGNED_MAX {
            return Err(Broken::Wrong("unsigned"));
        }
        Ok(())
    }

    /// Takes a receipt as the last. Gives what is worth keeping of it, if it is to be kept now.
    fn believe(
        &mut self,
        receipt: &Receipt,
        bytes: &[u8],
        (signed, observes): (bool, bool),
    ) -> Option<Vec<u8>> {
        (self.chain, self.at, self.said) = (receipt.digest(), receipt.at, Some(receipt.head));
        self.bundle.extend_from_slice(bytes);
        self.bundle.push(b'\n');
        if signed {
            self.unsigned = 0;
            self.head = Some(receipt.head);
        } else {
            if self.unsigned == 0 {
                self.since = receipt.at;
            }
            self.unsigned += 1;
        }
        let changed = !observes && receipt.outcome == Reported::Done;
        if changed {
            let last = LastChange::new(receipt.number, receipt.digest());
            self.last = Some(last);
        }
        let full = self.bundle.len() >= BUNDLE_BYTES_MAX;
        (signed && (!observes || full)).then(|| std::mem::take(&mut self.bundle))
    }

    /// What the node signed in these bytes.
    fn signed(bytes: &[u8], pairing: &Pairing) -> Result<Receipt, Broken> {
        let signed = SignedReceipt::read(bytes).map_err(|_| Broken::Wrong("not_a_receipt"))?;
        let receipt = signed.verify(&pairing.node);
        receipt.cloned().map_err(|_| Broken::Wrong("bad_signature"))
    }

    /// Whether a frame is the signature under the last receipt.
    fn is_seal(&mut self, frame: &Frame, pairing: &Pairing) -> Result<bool, Broken> {
        if self.unsigned == 0 {
            return Ok(false);
        }
        let signed =
            SignedReceipt::read(&frame.head).map_err(|_| Broken::Wrong("not_a_receipt"))?;
        if signed.receipt().digest() != self.chain {
            return Ok(false);
        }
        let receipt = Self::signed(&frame.head, pairing)?;
        self.unsigned = 0;
        self.head = Some(receipt.head);
        self.bundle.extend_from_slice(&frame.head);
        self.bundle.push(b'\n');
        Ok(true)
    }

    /// Has the node sign the last receipt.
    pub(super) fn seal(&mut self, pairing: &Pairing) -> Result<(), Broken> {
        if self.unsigned == 0 {
            return Ok(());
        }
        let mut answer = self.question(&Frame::new(FrameKind::Seal, Vec::new()), pairing)?;
        while answer.kind == FrameKind::Signed && self.is_seal(&answer, pairing)? {
            answer = self.receive(pairing)?;
        }
        if answer.kind == FrameKind::Seal && !answer.head.is_empty() {
            self.is_seal(&answer, pairing)?;
        }
        let sealed = answer.kind == FrameKind::Seal && self.unsigned == 0;
        if sealed { Ok(()) } else { Err(Broken::Wrong("unsigned")) }
    }

    /// Asks what became of an intent.
    pub(super) fn ask(&mut self, asked: &Asked, pairing: &Pairing) -> Result<Recalled, Broken> {
        let mut answer = self.question(&Frame::new(FrameKind::Recall, text(asked)), pairing)?;
        while answer.kind == FrameKind::Signed && self.is_seal(&answer, pairing)? {
            answer = self.receive(pairing)?;
        }
        if answer.kind == FrameKind::Unseen {
            let unseen = Unseen::verified(&answer.head, &pairing.node)
                .map_err(|_| Broken::Wrong("bad_signature"))?;
            let Asked { intent, owner } = *asked;
            let about = Unseen { intent, node: pairing.node, owner, session: self.session };
            let same = unseen == about;
            return if same { Ok(Recalled::NotDone) } else { Err(Broken::Wrong("other_answer")) };
        }
        if answer.kind != FrameKind::Signed {
            // An unsigned no ends nothing: it is simply not known.
            return Ok(Recalled::Unknown);
        }
        let receipt = Self::signed(&answer.head, pairing)?;
        let known = Known::verified(&answer.content, &pairing.node);
        let known = known.map_err(|_| Broken::Wrong("bad_signature"))?;
        let (Asked { intent, owner }, receipt_is) = (*asked, receipt.digest());
        let (node, session) = (pairing.node, self.session);
        let about = Known { intent, node, owner, receipt: receipt_is, session };
        if receipt.intent != intent || known != about {
            return Err(Broken::Wrong("other_answer"));
        }
        Ok(match receipt.outcome {
            Reported::Done => Recalled::Done,
            Reported::Refused { .. } => Recalled::NotDone,
            // A node that could not write its journal cannot tell how far it came.
            Reported::Failed { code, .. } if code.as_str() != "log_unavailable" => {
                Recalled::NotDone
            }
            Reported::Failed { .. } | Reported::Interrupted => Recalled::Unknown,
        })
    }

    fn question(&mut self, frame: &Frame, pairing: &Pairing) -> Result<Frame, Broken> {
        let link = self.link.as_mut().ok_or(Broken::Down("link_down"))?;
        link.send(frame, pairing.answers_within).map_err(|_| Broken::Silent)?;
        self.receive(pairing)
    }

    fn receive(&mut self, pairing: &Pairing) -> Result<Frame, Broken> {
        let link = self.link.as_mut().ok_or(Broken::Down("link_down"))?;
        match link.receive(pairing.answers_within) {
            Ok(Some(frame)) => Ok(frame),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(Broken::Wrong("not_a_frame"))
            }
            Ok(None) | Err(_) => Err(Broken::Silent),
        }
    }
}

fn refused(frame: &Frame) -> Broken {
    let said = (frame.kind == FrameKind::No).then(|| parsed::<No>(&frame.head).ok()).flatten();
    said.map_or(Broken::Wrong("other_answer"), |no| Broken::Unsigned(no.code))
}
