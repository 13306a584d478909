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
        let free = matches!(contact.stand, Stand::None | Stand::Ended | Stand::Asking);
        if contact.blocked || !free {
            return Err(Refusal::Mismatch);
        }
        self.lives(owner, who)?;
        let number = self.act(owner, peer)?;
        let contact = self.contact_mut(owner, peer)?;
        let waits = contact.stand == Stand::Asking;
        contact.stand = if waits { Stand::Crossed } else { Stand::Asked };
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
            Stand::None | Stand::Ended => Stand::Asking,
            Stand::Asked => Stand::Crossed,
            Stand::Asking | Stand::Crossed | Stand::Mutual => return Err(Refusal::Mismatch),
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
            return Err(Refusal::Mismatch);
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
            return Err(Refusal::Mismatch);
        }
        contact.stand = Stand::Mutual;
        contact.theirs = Some(who);
        contact.our_ask = 0;
        Ok(())
    }

    pub(super) fn remove(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        if matches!(self.contact(owner, peer)?.stand, Stand::None | Stand::Ended) {
            return Err(Refusal::Unknown);
        }
        self.part(owner, peer)?;
        let number = self.act(owner, peer)?;
        self.send(owner, peer, Body::Part(number))
    }

    pub(super) fn parted(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        match self.contact(owner, peer)?.stand {
            Stand::None => Err(Refusal::Unknown),
            Stand::Ended => Err(Refusal::Mismatch),
            Stand::Asked | Stand::Asking | Stand::Crossed | Stand::Mutual => self.part(owner, peer),
        }
    }

    fn part(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        let contact = self.contact_mut(owner, peer)?;
        contact.stand = Stand::Ended;
        (contact.our_ask, contact.their_ask) = (0, 0);
        let sides = self.kernel(owner)?.sides.iter();
        let with =
            sides.filter(|(_, side)| side.is_alive() && side.terms.peer(owner) == Some(peer));
        let with: Vec<Session> = with.map(|(session, _)| *session).collect();
        self.close_all(owner, &with, Reason::Contact)
    }

    pub(super) fn block(&mut self, owner: Owner, peer: Owner) -> Result<(), Refusal> {
        if self.contact(owner, peer)?.blocked {
            return Err(Refusal::Mismatch);
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
            return Err(Refusal::Mismatch);
        }
        contact.blocked = false;
        Ok(())
    }

    pub(super) fn present(&mut self, owner: Owner, peer: Owner, who: Who) -> Result<(), Refusal> {
        if self.contact(owner, peer)?.stand != Stand::Mutual {
            return Err(Refusal::Unknown);
        }
        self.lives(owner, who)?;
        self.contact_mut(owner, peer)?.ours = Some(who);
        let number = self.act(owner, peer)?;
        self.send(owner, peer, Body::Present(number, who))?;
        self.lapse_with((owner, peer), (owner, who))
    }

    pub(super) fn presented(&mut self, (owner, peer): Between, who: Who) -> Result<(), Refusal> {
        let contact = self.contact_mut(owner, peer)?;
        match contact.stand {
            Stand::None => return Err(Refusal::Unknown),
            Stand::Asked | Stand::Asking | Stand::Crossed | Stand::Ended => {
                return Err(Refusal::Mismatch);
            }
            Stand::Mutual => contact.theirs = Some(who),
        }
        self.lapse_with((owner, peer), (peer, who))
    }

    /// Invitations that name another identity of `party` than it presents now are no more.
    fn lapse_with(
        &mut self,
        (owner, peer): Between,
        (party, who): (Owner, Who),
    ) -> Result<(), Refusal> {
        let sides = self.kernel(owner)?.sides.iter().filter(|(_, side)| {
            side.phase == Phase::Invited
                && side.terms.peer(owner) == Some(peer)
                && side.terms.role(party) != Some(who)
        });
        let lapsed: Vec<Session> = sides.map(|(session, _)| *session).collect();
        self.close_all(owner, &lapsed, Reason::Lapsed)
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
