//! What comes: read, compared with what it names, and handed to the ledger to judge.
//!
//! Every rule about state is the projection's. Here is what cannot be folded: whose link it came
//! over, whether a text is the one that was signed, whether a ledger goes on from what was shown of
//! it, and what is answered.
use clawnet_core::{ConsistencyProof, DeclareError, Digest, OwnerId};

use super::{NOBODY, Party};
use crate::{
    contact::Bond,
    entry::{SignedEnd, SignedEntry},
    id::SessionId,
    lanes::Token,
    reason::Reason,
    relations::Relations,
    said::{Came, Decision, Evidence, Refused, Said, Shown},
    transport::Proven,
    wire::{Envelope, Letter, To},
};

mod fits;

use fits::{check_path, check_result, check_text, decision, session_of};

/// A message, and what its answer is about.
#[derive(Debug, Clone, Copy)]
struct Sender {
    of: Digest,
    peer: OwnerId,
}

/// Why nothing of a message came about.
enum No {
    /// It is refused, and that is recorded and answered.
    Refused(Reason),
    /// The ledger failed: nothing is known about the message, and nothing is answered.
    Silence,
}

impl Party {
    /// Takes in a message that came over a link that has proven so much, and gives the answers to
    /// send back over it.
    ///
    /// **Promises** that what is refused changes nothing but its record, and that whoever is no
    /// contact learns nothing but that their ask arrived: [`NOBODY`]. **Refuses** whatever says to be from an owner the link has
    /// not proven to speak for.
    pub async fn receive(&self, bytes: &[u8], link: &Proven) -> Vec<Vec<u8>> {
        if bytes == NOBODY {
            return Vec::new();
        }
        let Envelope { body, from, to } = match Envelope::decode(bytes) {
            Ok(envelope) => envelope,
            Err(reason) => {
                // Who may have sent it is known only of a link that speaks for nobody else.
                let peer = <[OwnerId; 1]>::try_from(link.owners()).ok().map(|[peer]| peer);
                return self.nobody(peer, reason);
            }
        };
        let proven = link.speaks_for(from).is_ok();
        match body {
            // Nobody answers an answer.
            Letter::Taken { of } if proven => self.answered((from, of), None),
            Letter::Refused { of, reason } if proven => self.answered((from, of), Some(reason)),
            Letter::Taken { .. } | Letter::Refused { .. } => Vec::new(),
            Letter::Act { .. } | Letter::End(_) | Letter::Entry { .. } | Letter::Keys(_) => {
                if !proven {
                    return self.nobody(None, Reason::WrongParty);
                }
                let sender = Sender { of: body.name(bytes), peer: from };
                self.judge(sender, body, to).await
            }
        }
    }

    async fn judge(&self, sender: Sender, body: Letter, to: To) -> Vec<Vec<u8>> {
        let peer = sender.peer;
        let blocked = self.desk.read(|net| net.contact(peer).map(|contact| contact.blocked));
        let own = self.desk.kernel.owner_id();
        if to.owner() != own || peer == own || blocked == Some(true) {
            return self.nobody(Some(peer), Reason::Unknown);
        }
        let (session, taken) = match body {
            Letter::Act { shown, text } => {
                (session_of(&shown), self.take_act(peer, to, (*shown, text)).await)
            }
            Letter::End(signed) => {
                let session = signed.end.session;
                return self.take_end(sender, to, (session, signed)).await;
            }
            Letter::Entry { path, signed, text } => {
                let session = signed.entry.session;
                (Some(session), self.take_entry(peer, to, (*signed, path, text)).await)
            }
            Letter::Keys(credential) if to == To::Owner(own) => {
                (None, self.take((peer, Evidence::Keys(credential)), None).await)
            }
            Letter::Keys(_) | Letter::Refused { .. } | Letter::Taken { .. } => {
                (None, Err(No::Refused(Reason::Unknown)))
            }
        };
        match self.told(taken).await {
            Ok(()) | Err(No::Refused(Reason::Replayed)) => self.taken(sender),
            Err(No::Refused(reason)) => self.refuse(sender, reason, session),
            Err(No::Silence) => Vec::new(),
        }
    }

    /// What may be answered: nothing that rests on what a power cut could still take back, such as
    /// a record of the same message that another thread is writing.
    async fn told(&self, taken: Result<(), No>) -> Result<(), No> {
        match &taken {
            // Its own record is on disk. And who is nobody here is told nothing of the ledger.
            Ok(()) | Err(No::Silence | No::Refused(Reason::Unknown | Reason::WrongParty)) => taken,
            Err(No::Refused(_)) => {
                self.desk.kernel.settled().await.map_err(|_| No::Silence)?;
                taken
            }
        }
    }

    /// A decision of theirs.
    async fn take_act(
        &self,
        peer: OwnerId,
        to: To,
        (shown, text): (Shown, Option<String>),
    ) -> Result<(), No> {
        if to != To::Owner(self.desk.kernel.owner_id()) {
            return Err(No::Refused(Reason::Unknown));
        }
        let decision = decision(&shown);
        check_result(decision.as_ref(), text.as_deref()).map_err(No::Refused)?;
        let credential = shown.credential.clone();
        let evidence = Evidence::Act(shown);
        match self.take((peer, evidence), text.as_deref()).await {
            Ok(()) => {
                if matches!(decision, Some(Decision::Present { .. } | Decision::Remove { .. })) {
                    self.stir_ended();
                }
                if let Some(Decision::Consent { session, .. } | Decision::Resume { session }) =
                    decision
                {
                    self.stir_waiting(session);
                }
                Ok(())
            }
            // That they have another key now is known from here on, whatever they decided with it.
            Err(No::Refused(Reason::KeyChanged)) => {
                drop(self.take((peer, Evidence::Keys(credential)), None).await);
                Err(No::Refused(Reason::KeyChanged))
            }
            Err(no) => Err(no),
        }
    }

    /// Something they said in a session.
    async fn take_entry(
        &self,
        peer: OwnerId,
        to: To,
        (signed, path, text): (SignedEntry, Option<ConsistencyProof>, Option<String>),
    ) -> Result<(), No> {
        let session = signed.entry.session;
        let held = self.desk.look(session, |dialogue, _| {
            let next = (dialogue.last.saturating_add(1), dialogue.head, dialogue.ended.is_some());
            (dialogue.peer() == peer).then_some((dialogue.ours(), next))
        });
        let held = held.ok_or(No::Refused(Reason::Unknown))?;
        let (ours, (next, before, over)) = held.ok_or(No::Refused(Reason::WrongParty))?;
        if to != To::Identity(ours) {
            return Err(No::Refused(Reason::Unknown));
        }
        check_text(&signed, text.as_deref()).map_err(No::Refused)?;
        // Of what comes again the path says nothing. What comes too early is not offered to the
        // ledger: what is before it may come meanwhile, and then nobody looked at its path.
        if signed.entry.number == next {
            check_path(before, signed.head, path.as_ref()).map_err(No::Refused)?;
        } else if signed.entry.number > next && !over {
            return Err(No::Refused(Reason::OutOfOrder));
        }
        let kept = signed.clone();
        match self.take((peer, Evidence::Entry(signed)), text.as_deref()).await {
            Ok(()) => {
                if self.desk.look(session, |dialogue, _| dialogue.ended).flatten().is_some() {
                    self.stir_beneath(session);
                }
                Ok(())
            }
            Err(No::Refused(Reason::Contradiction)) => {
                Err(self.contradicted(peer, Box::new(kept)).await)
            }
            Err(no) => Err(no),
        }
    }

    /// That a session is over for them. It is answered with how it ended here: each side then knows
    /// what arrived.
    async fn take_end(
        &self,
        sender: Sender,
        to: To,
        (session, signed): (SessionId, SignedEnd),
    ) -> Vec<Vec<u8>> {
        let held = self.desk.look(session, |dialogue, _| (dialogue.ours(), dialogue.ended));
        let before = match held {
            Some((ours, ended)) if to == To::Identity(ours) => ended,
            Some(_) | None => return self.refuse(sender, Reason::Unknown, None),
        };
        let taken = self.take((sender.peer, Evidence::End(signed)), None).await;
        match self.told(taken).await {
            Ok(()) => {
                let told = if before.is_none() { self.end(session) } else { None };
                self.stir_beneath(session);
                self.taken(sender).into_iter().chain(told).collect()
            }
            Err(No::Refused(Reason::Replayed)) => {
                // Who has not said to have this side's may be waiting for it.
                let missing = self.desk.lanes.missing(sender.peer, Token::End(session));
                let again = missing.and_then(|()| self.end(session));
                self.taken(sender).into_iter().chain(again).collect()
            }
            Err(No::Refused(reason)) => self.refuse(sender, reason, Some(session)),
            Err(No::Silence) => Vec::new(),
        }
    }

    /// Records what came, if it is proven and in order.
    async fn take(
        &self,
        (peer, evidence): (OwnerId, Evidence),
        body: Option<&str>,
    ) -> Result<(), No> {
        let came = Said::Came(Box::new(Came::new(peer, evidence)));
        let body = body.map(str::as_bytes);
        let declared = self.desk.kernel.declare::<Relations>(&came, body).await;
        declared.map(drop).map_err(No::from)
    }

    /// Their ledger is not the one it was, and their own kernel signed both: that is recorded with
    /// the proof, and everything with them ends.
    async fn contradicted(&self, peer: OwnerId, signed: Box<SignedEntry>) -> No {
        let session = signed.entry.session;
        let known = self.desk.look(session, |dialogue, contact| {
            let key = contact.keys.as_ref()?.kernel;
            Some((key, contact.distrusted, dialogue.head?))
        });
        let Some((key, distrusted, held)) = known.flatten() else {
            return No::Refused(Reason::Contradiction);
        };
        // The ledger judges what is in order before it verifies: nobody is accused on a forgery.
        if signed.verify(&key).is_err() {
            return No::Refused(Reason::Forged);
        }
        if !distrusted {
            let refused = Refused {
                count: 1,
                heads: Some((held, signed)),
                peer: Some(peer),
                reason: Reason::Contradiction,
                session: Some(session),
            };
            let said = Said::Refused(refused);
            if self.desk.kernel.declare::<Relations>(&said, None).await.is_err() {
                return No::Silence;
            }
            self.stir_ended();
        }
        No::Refused(Reason::Contradiction)
    }

    /// What they say of a message from here.
    fn answered(&self, (peer, of): (OwnerId, Digest), refused: Option<Reason>) -> Vec<Vec<u8>> {
        let lanes = &self.desk.lanes;
        let Some(token) = lanes.answered(peer, of) else { return Vec::new() };
        match (token, refused) {
            (Token::Act(act), answer) if answer.is_none_or(for_good) => {
                let arrived = Said::Arrived { act, peer };
                // What is not written down is sent again, and answered again.
                drop(self.desk.kernel.declare_buffered::<Relations>(&arrived));
                lanes.stir(peer);
            }
            (token @ (Token::End(_) | Token::Entry(..)), None) => lanes.taken(peer, token),
            (Token::Act(_) | Token::End(_) | Token::Entry(..), _) => {}
        }
        Vec::new()
    }

    fn taken(&self, sender: Sender) -> Vec<Vec<u8>> {
        self.letter(sender.peer, Letter::Taken { of: sender.of })
    }

    /// Refuses a message, and says why to those who may know.
    fn refuse(&self, sender: Sender, reason: Reason, session: Option<SessionId>) -> Vec<Vec<u8>> {
        let Sender { of, peer } = sender;
        let (known, over) = self
            .desk
            .read(|net| {
                let contact = net.contact(peer).filter(|contact| !contact.blocked);
                let over = session.and_then(|id| net.session(id)).map(|it| it.ended.is_some());
                Some((contact.map(|contact| contact.bond), over))
            })
            .unwrap_or_default();
        self.record(Some(peer), reason, session.filter(|_| over.is_some()));
        // Who is in a session is told to nobody else.
        if matches!(reason, Reason::Unknown | Reason::WrongParty) || known.is_none() {
            return vec![NOBODY.to_vec()];
        }
        let mut answers = self.letter(peer, Letter::Refused { of, reason });
        if reason == Reason::Closed && known != Some(Bond::Asking) {
            answers.extend(session.and_then(|session| self.end(session)));
        }
        answers
    }

    /// Refuses a message as if nobody were here.
    fn nobody(&self, peer: Option<OwnerId>, reason: Reason) -> Vec<Vec<u8>> {
        self.record(peer, reason, None);
        vec![NOBODY.to_vec()]
    }

    fn record(&self, peer: Option<OwnerId>, reason: Reason, session: Option<SessionId>) {
        if let Some(refused) = self.refusals.count(peer, reason, session) {
            // The next one that counts says how many there were.
            drop(self.desk.kernel.declare_buffered::<Relations>(&Said::Refused(refused)));
        }
    }

    /// How a session ended here, to tell the other side.
    fn end(&self, session: SessionId) -> Option<Vec<u8>> {
        let (end, to) = self.desk.read(|net| net.ended(session))?;
        let letter = Letter::End(self.signed(end)?);
        let frame = Envelope::new(self.desk.kernel.owner_id(), to, letter).encode().ok()?;
        let of = Digest::of_content(&frame);
        self.desk.lanes.note(to.owner(), (of, Token::End(session)));
        Some(frame)
    }

    fn letter(&self, peer: OwnerId, letter: Letter) -> Vec<Vec<u8>> {
        let own = self.desk.kernel.owner_id();
        Envelope::new(own, To::Owner(peer), letter).encode().into_iter().collect()
    }
}

impl From<DeclareError> for No {
    fn from(error: DeclareError) -> Self {
        use DeclareError::{Act, BadSignature, Fact, Misfit, TooLarge};
        let reason = if let Misfit(misfit) = &error {
            Reason::of_code(misfit.code.as_str()).unwrap_or(Reason::Mismatch)
        } else if let BadSignature(_) = error {
            Reason::Forged
        } else if let TooLarge { .. } = error {
            Reason::Oversize
        } else if let Fact(_) | Act(_) = error {
            Reason::Malformed
        } else {
            return Self::Silence;
        };
        Self::Refused(reason)
    }
}

/// Whether a decision that was refused for this reason is never taken.
fn for_good(reason: Reason) -> bool {
    use Reason::{Busy, KeyChanged, Limit, NotOpen, OutOfOrder, Paused};
    !matches!(reason, Busy | KeyChanged | Limit | NotOpen | OutOfOrder | Paused)
}
