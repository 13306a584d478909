//! What the owner decides about others. Each takes the owner's handle, and is one signed act.
use clawnet_core::{
    Agent, AgentId, Denial, DenyCode, Digest, Fault, Owner, OwnerId, PublicKey, Refusal,
    ResourceError,
};

use super::{Amendment, Party, PartyError};
use crate::{
    contact::{Bond, Presenting},
    dialogue::Dialogue,
    entry::What,
    id::SessionId,
    outbox::{Leaving, Place, Propose},
    reason::Reason,
    relations::{Outdated, Relations},
    said::{Decision, Review, Said},
    terms::Proposal,
};

/// How many bytes a released result may have.
const RESULT_BYTES_MAX: usize = 64 << 10;

impl Party {
    /// Asks `peer` to become a contact, who then meets `presenting`.
    #[expect(clippy::too_many_arguments, reason = "whom, as whom, and why: said in one breath")]
    pub async fn ask(
        &self,
        owner: &Owner,
        peer: OwnerId,
        presenting: Presenting,
        note: &str,
    ) -> Result<(), PartyError> {
        let Presenting { identity, name } = presenting;
        self.decide(owner, peer, Decision::Ask { identity, name, note: note.into(), peer }).await
    }

    /// Says yes to the ask that waits, and shows `peer` who they meet.
    pub async fn confirm(
        &self,
        owner: &Owner,
        peer: OwnerId,
        presenting: Presenting,
    ) -> Result<(), PartyError> {
        let asked = self.desk.read(|net| net.contact(peer)?.asking()).ok_or(Reason::Unknown)?;
        let Presenting { identity, name } = presenting;
        self.decide(owner, peer, Decision::Confirm { asked, identity, name, peer }).await
    }

    /// Ends the contact, or does not become one. Ends every session with them.
    pub async fn remove(&self, owner: &Owner, peer: OwnerId) -> Result<(), PartyError> {
        self.decide(owner, peer, Decision::Remove { peer }).await?;
        self.stir_ended();
        Ok(())
    }

    /// Hears nothing more of `peer`, from whom everything is answered as if nobody were here. Ends
    /// the contact first, if there is one. They are told nothing.
    pub async fn block(&self, owner: &Owner, peer: OwnerId) -> Result<(), PartyError> {
        let bond = self.desk.read(|net| net.contact(peer).map(|contact| contact.bond));
        if bond.is_some_and(|bond| bond != Bond::Ended) {
            self.remove(owner, peer).await?;
        }
        self.decide(owner, peer, Decision::Block { peer }).await
    }

    /// Hears `peer` again, who is no contact for that.
    pub async fn unblock(&self, owner: &Owner, peer: OwnerId) -> Result<(), PartyError> {
        self.decide(owner, peer, Decision::Unblock { peer }).await
    }

    /// Shows `peer` another identity from here on. Sessions that are open keep theirs.
    pub async fn present(
        &self,
        owner: &Owner,
        peer: OwnerId,
        presenting: Presenting,
    ) -> Result<(), PartyError> {
        let Presenting { identity, name } = presenting;
        self.decide(owner, peer, Decision::Present { identity, name, peer }).await?;
        self.stir_ended();
        Ok(())
    }

    /// Decides which turns to `peer` the owner reads before they leave.
    pub async fn review(
        &self,
        owner: &Owner,
        peer: OwnerId,
        review: Review,
    ) -> Result<(), PartyError> {
        self.decide(owner, peer, Decision::Review { peer, review }).await
    }

    /// Takes note that `peer` signs with `key` now: the one the owner has looked at, or nothing
    /// happens.
    pub async fn accept_key(
        &self,
        owner: &Owner,
        peer: OwnerId,
        key: PublicKey,
    ) -> Result<(), PartyError> {
        self.decide(owner, peer, Decision::AcceptKey { key, peer }).await
    }

    /// Words terms and agrees to them: the other owner is invited. One beneath another session takes
    /// its turns from that first.
    pub async fn propose(
        &self,
        owner: &Owner,
        proposal: Proposal,
    ) -> Result<SessionId, PartyError> {
        self.check(owner)?;
        let outbox = self.desk.outbox.endpoint();
        let session = outbox.name(&proposal, self.desk.kernel.head().sequence);
        // Nothing is taken from the session above for terms that nobody could agree to.
        let now = self.desk.kernel.now();
        let terms =
            self.desk.kernel.read(|net: &Relations| net.draft(&proposal, session, now))??;
        terms.check().map_err(|error| PartyError::Unfit(error.to_string()))?;
        if let Some(parent) = proposal.parent {
            let place = self.desk.read(|net| Some(Place::next(net.session(parent)?)));
            let place = place.ok_or(Reason::Unknown)?;
            let what = What::Draw { child: session, turns: proposal.turns_max };
            let way = outbox.way(&place, &what).map_err(|denial| unfit(&denial))?;
            let leaving = Leaving { at: now, place, text: None, way, what };
            outbox.utter_by_hand(leaving).await.map_err(|fault| refused(&fault))?;
        }
        let drafted = outbox.draft(&proposal, session)?;
        self.desk.kernel.declare::<Relations>(&drafted, None).await?;
        self.consent_to(owner, session).await?;
        Ok(session)
    }

    /// Has `agent` word terms, of its owner's own accord. Nobody has agreed to them yet.
    pub async fn proposed_by(
        &self,
        agent: &Agent,
        proposal: Proposal,
    ) -> Result<SessionId, Refusal> {
        let malformed =
            |error: ResourceError| Denial::by_endpoint(Reason::Malformed.code(), error.to_string());
        if proposal.parent.is_some() {
            let what = "whoever has the floor proposes beneath a session";
            return Err(Denial::by_endpoint(Reason::Mismatch.code(), what).into());
        }
        let propose = Propose::new(proposal).map_err(malformed)?;
        agent.submit(&self.desk.outbox, &propose).await
    }

    /// Agrees to the terms with this digest, which the owner has read.
    ///
    /// **Refuses**, as a mismatch, terms that are not those that stand now.
    pub async fn consent(
        &self,
        owner: &Owner,
        session: SessionId,
        terms: Digest,
    ) -> Result<(), PartyError> {
        let found = self.desk.read(|net| {
            let dialogue = net.session(session)?;
            let wording = dialogue.amended.as_deref().unwrap_or(&dialogue.wording);
            let revision = (wording.digest == terms).then_some(wording.terms.revision);
            Some((revision, dialogue.peer()))
        });
        let (revision, peer) = found.ok_or(Reason::Unknown)?;
        let revision = revision.ok_or(Reason::Mismatch)?;
        self.decide(owner, peer, Decision::Consent { revision, session, terms }).await
    }

    /// Does not agree to the terms: the session is over.
    pub async fn decline(&self, owner: &Owner, session: SessionId) -> Result<(), PartyError> {
        self.close(owner, session).await
    }

    /// Words other terms for the same session and agrees to them. It goes on when the other owner
    /// has agreed too. Returns the digest of what was agreed to.
    pub async fn amend(
        &self,
        owner: &Owner,
        session: SessionId,
        amendment: Amendment,
    ) -> Result<Digest, PartyError> {
        self.check(owner)?;
        let now = self.desk.kernel.now();
        let terms = self.desk.read(|net| {
            let dialogue = net.session(session)?;
            let wording = dialogue.amended.as_deref().unwrap_or(&dialogue.wording);
            Some(amendment.applied_to(&wording.terms, now))
        });
        let terms = terms.ok_or(Reason::Unknown)?;
        let digest = terms.digest();
        let said = Said::Drafted(Box::new(terms));
        self.desk.kernel.declare::<Relations>(&said, None).await?;
        self.consent(owner, session, digest).await?;
        Ok(digest)
    }

    /// Signs again what was decided and is not known to have arrived when the owner's key changed:
    /// others take what is signed with the newest key only, and it waits until then. Says how many
    /// decisions that were. Deciding anything else that somebody is told does it for them first;
    /// ending a session or a contact signs nothing again, and what it makes moot is never sent.
    pub async fn renew(&self, owner: &Owner) -> Result<usize, PartyError> {
        self.renew_for(owner, None).await
    }

    /// Makes a session wait until this owner resumes it.
    pub async fn pause(&self, owner: &Owner, session: SessionId) -> Result<(), PartyError> {
        self.decide_in(owner, session, Decision::Pause { session }).await
    }

    /// Has nothing more against a session going on.
    pub async fn resume(&self, owner: &Owner, session: SessionId) -> Result<(), PartyError> {
        self.decide_in(owner, session, Decision::Resume { session }).await
    }

    /// Ends a session, and everything beneath it first.
    pub async fn close(&self, owner: &Owner, session: SessionId) -> Result<(), PartyError> {
        self.decide_in(owner, session, Decision::Close { session }).await?;
        self.stir_beneath(session);
        Ok(())
    }

    /// Lets `agent`, and no other, speak in a session from here on. Who takes over by hand assigns
    /// the agent they speak through.
    pub async fn assign(
        &self,
        owner: &Owner,
        session: SessionId,
        agent: AgentId,
    ) -> Result<(), PartyError> {
        self.decide_in(owner, session, Decision::Assign { agent, session }).await
    }

    /// Lets `text` be told one level up, as the result of a session this owner was the far end of.
    pub async fn release(
        &self,
        owner: &Owner,
        session: SessionId,
        text: &str,
    ) -> Result<(), PartyError> {
        self.check(owner)?;
        if text.len() > RESULT_BYTES_MAX {
            return Err(Reason::TooLarge.into());
        }
        let peer = self.desk.read(|net| net.session(session).map(Dialogue::peer));
        let peer = peer.ok_or(Reason::Unknown)?;
        self.renew_for(owner, Some(peer)).await?;
        let body = Digest::of_content(text.as_bytes());
        let said = Said::Decided(Decision::Release { body, session });
        let stirring = self.desk.lanes.stirring(peer);
        let decided = owner.declare_with::<Relations>(said, text.as_bytes()).await;
        drop(stirring);
        Ok(decided.map(drop)?)
    }

    async fn consent_to(&self, owner: &Owner, session: SessionId) -> Result<(), PartyError> {
        let digest = self.desk.read(|net| Some(net.session(session)?.wording.digest));
        self.consent(owner, session, digest.ok_or(Reason::Unknown)?).await
    }

    async fn decide_in(
        &self,
        owner: &Owner,
        session: SessionId,
        decision: Decision,
    ) -> Result<(), PartyError> {
        let peer = self.desk.read(|net| net.session(session).map(Dialogue::peer));
        self.decide(owner, peer.ok_or(Reason::Unknown)?, decision).await
    }

    /// One signed act about `peer`.
    async fn decide(
        &self,
        owner: &Owner,
        peer: OwnerId,
        decision: Decision,
    ) -> Result<(), PartyError> {
        self.check(owner)?;
        // What nobody is told, and the end of the contact, does not wait for earlier decisions.
        if self.desk.read(|net| net.follows(&decision)).is_some() {
            self.renew_for(owner, Some(peer)).await?;
        }
        self.declare(owner, peer, decision).await
    }

    /// Signs again what `peer`, or anybody, is still to be shown, in order.
    async fn renew_for(&self, owner: &Owner, peer: Option<OwnerId>) -> Result<usize, PartyError> {
        self.check(owner)?;
        let first = || {
            let for_them = |it: &Outdated| peer.is_none_or(|peer| peer == it.peer);
            self.desk.read(|net| net.outdated().find(for_them))
        };
        let mut count = 0;
        while let Some(outdated) = first() {
            let Outdated { act, decision, peer } = outdated;
            match self.declare(owner, peer, decision).await {
                Ok(()) => count += 1,
                // Somebody else signed it again meanwhile.
                Err(_) if first().is_none_or(|it| (it.peer, it.act) != (peer, act)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    async fn declare(
        &self,
        owner: &Owner,
        peer: OwnerId,
        decision: Decision,
    ) -> Result<(), PartyError> {
        let stirring = self.desk.lanes.stirring(peer);
        let decided = owner.declare::<Relations>(Said::Decided(decision)).await;
        drop(stirring);
        Ok(decided.map(drop)?)
    }
}

fn refused(fault: &Fault) -> PartyError {
    match Reason::of_code(fault.code()) {
        Some(reason) => reason.into(),
        None => PartyError::Unfit(fault.to_string()),
    }
}

fn unfit(denial: &Denial) -> PartyError {
    let DenyCode::Endpoint(code) = &denial.code else {
        return PartyError::Unfit(denial.to_string());
    };
    let reason = Reason::of_code(code.as_str());
    reason.map_or_else(|| PartyError::Unfit(denial.to_string()), PartyError::Refused)
}
