//! How two owners come to be contacts, and cease to be.

use super::command::{Body, Reason, Refusal};
use super::side::Phase;
use super::terms::{Owner, Session, Who};
use super::world::{Bug, Stand, World};

/// Whose kernel, and whom it is about.
pub(super) type Between = (Owner, Owner);

impl World {
    pub(super) fn ask(&mut self, owner: Owner, peer: Owner, who: Who) -> Result<(), Refusal> {
        let contact = *self.contact(owner, peer)?;
        if contact.blocked || !matches!(contact.stand, Stand::None | Stand::Ended) {
            return Err(Refusal::NotOpen);
        }
        self.lives(owner, who)?;
        let number = self.act(owner, peer)?;
        let contact = self.contact_mut(owner, peer)?;
        contact.stand = Stand::Asked;
        contact.ours = Some(who);
        contact.our_ask = number;
        self.send(owner, peer, Body::Ask(number, who))
    }

    pub(super) fn asked(
        &mut self,
        (owner, peer): Between,
        number: u8,
        who: Who,
    ) -> Result<(), Refusal> {
        let contact = self.contact_mut(owner, peer)?;
        contact.stand = match contact.stand {
            Stand::None | Stand::Ended | Stand::Asking => Stand::Asking,
            Stand::Asked | Stand::Crossed => Stand::Crossed,
            Stand::Mutual => return Err(Refusal::NotOpen),
        };
        contact.their_ask = number;
        contact.theirs = Some(who);
        Ok(())
    }

    pub(super) fn confirm(
        &mut self,
        (owner, peer): Between,
        who: Who,
        asked: u8,
    ) -> Result<(), Refusal> {
        let contact = *self.contact(owner, peer)?;
        let waits = matches!(contact.stand, Stand::Asking | Stand::Crossed);
        let exact = waits && contact.their_ask == asked;
        if contact.blocked || !exact && !self.off(Bug::ConfirmUnasked) {
            return Err(Refusal::NotOpen);
        }
        self.lives(owner, who)?;
        let number = self.act(owner, peer)?;
        let contact = self.contact_mut(owner, peer)?;
        contact.stand = Stand::Mutual;
        contact.ours = Some(who);
        self.send(owner, peer, Body::Confirm(number, asked, who))
    }

    pub(super) fn confirmed(
        &mut self,
        (owner, peer): Between,
        asked: u8,
        who: Who,
    ) -> Result<(), Refusal> {
        let unasked = self.off(Bug::ConfirmUnasked);
        let contact = self.contact_mut(owner, peer)?;
        let waits = matches!(contact.stand, Stand::Asked | Stand::Crossed | Stand::Mutual);
        let exact = waits && contact.our_ask == asked;
        if !exact && !unasked {
            return Err(Refusal::NotOpen);
        }
        contact.stand = Stand::Mutual;
        contact.theirs = Some(who);
        Ok(())
    }

    pub(super) fn remove(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        if matches!(self.contact(owner, peer)?.stand, Stand::None | Stand::Ended) {
            return Err(Refusal::NotOpen);
        }
        self.part(owner, peer)?;
        let number = self.act(owner, peer)?;
        self.send(owner, peer, Body::Part(number))
    }

    pub(super) fn parted(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        match self.contact(owner, peer)?.stand {
            Stand::None => Err(Refusal::Unknown),
            Stand::Asked | Stand::Asking | Stand::Crossed | Stand::Mutual | Stand::Ended => {
                self.part(owner, peer)
            }
        }
    }

    fn part(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        self.contact_mut(owner, peer)?.stand = Stand::Ended;
        let sides = self.kernel(owner)?.sides.iter();
        let with =
            sides.filter(|(_, side)| side.is_alive() && side.terms.peer(owner) == Some(peer));
        let with: Vec<Session> = with.map(|(session, _)| *session).collect();
        self.close_all(owner, &with, Reason::Contact)
    }

    pub(super) fn block(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        if self.contact(owner, peer)?.blocked {
            return Err(Refusal::NotOpen);
        }
        if !matches!(self.contact(owner, peer)?.stand, Stand::None | Stand::Ended) {
            self.remove(owner, peer)?;
        }
        self.contact_mut(owner, peer)?.blocked = true;
        Ok(())
    }

    pub(super) fn unblock(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        let contact = self.contact_mut(owner, peer)?;
        if !contact.blocked {
            return Err(Refusal::NotOpen);
        }
        contact.blocked = false;
        Ok(())
    }

    pub(super) fn present(&mut self, owner: Owner, peer: Owner, who: Who) -> Result<(), Refusal> {
        let contact = *self.contact(owner, peer)?;
        if contact.stand != Stand::Mutual || contact.ours == Some(who) {
            return Err(Refusal::NotOpen);
        }
        self.lives(owner, who)?;
        self.contact_mut(owner, peer)?.ours = Some(who);
        let number = self.act(owner, peer)?;
        self.send(owner, peer, Body::Present(number, who))?;
        let sides = self.kernel(owner)?.sides.iter().filter(|(_, side)| {
            side.phase == Phase::Invited
                && side.terms.peer(owner) == Some(peer)
                && side.terms.role(owner) != Some(who)
        });
        let lapsed: Vec<Session> = sides.map(|(session, _)| *session).collect();
        self.close_all(owner, &lapsed, Reason::Lapsed)
    }

    pub(super) fn presented(&mut self, (owner, peer): Between, who: Who) -> Result<(), Refusal> {
        let contact = self.contact_mut(owner, peer)?;
        if contact.stand != Stand::Mutual {
            return Err(Refusal::Unknown);
        }
        contact.theirs = Some(who);
        Ok(())
    }

    pub(super) fn freeze(&mut self, owner: Owner, who: Who) -> Result<(), Refusal> {
        self.lives(owner, who)?;
        self.kernel_mut(owner)?.frozen.insert(who);
        let sides = self.kernel(owner)?.sides.iter();
        let of = sides.filter(|(_, side)| side.is_alive() && side.terms.role(owner) == Some(who));
        let of: Vec<Session> = of.map(|(session, _)| *session).collect();
        self.close_all(owner, &of, Reason::Frozen)
    }

    pub(super) fn accept_key(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        let contact = self.contact_mut(owner, peer)?;
        contact.key = contact.changed.take().ok_or(Refusal::NotOpen)?;
        Ok(())
    }

    /// A contact on which something can rest.
    pub(super) fn met(&self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        let contact = self.contact(owner, peer)?;
        match contact.stand {
            Stand::Mutual if contact.changed.is_some() => Err(Refusal::KeyChanged),
            Stand::Mutual => Ok(()),
            Stand::None | Stand::Asked | Stand::Asking | Stand::Crossed | Stand::Ended => {
                Err(Refusal::Unknown)
            }
        }
    }
}
