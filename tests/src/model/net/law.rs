//! What must hold after every step, said over what can be seen and not over how it came about.

use std::collections::BTreeSet;

use super::command::{BY_RESPONDER, Body, Command, NO_TURN, Outcome, Reason, Refusal};
use super::side::{Phase, Side};
use super::terms::{Address, Owner, Session, Terms, Who};
use super::world::{Stand, World, step};

/// A law over one world.
pub type Law = fn(&World) -> bool;

/// The laws, by name.
pub const LAWS: [(&str, Law); 15] = [
    ("open_needs_both_owners_over_the_present_terms", consented),
    ("open_needs_a_mutual_contact_and_a_live_identity", grounded),
    ("mutual_needs_an_ask_and_its_confirmation", met),
    ("used_and_drawn_stay_within_the_limit", within_limit),
    ("every_ancestor_has_paid", ancestors_paid),
    ("a_tree_speaks_no_more_than_its_root_allows", tree_within_root),
    ("the_sides_agree_but_for_what_is_in_flight", agree),
    ("the_sides_are_equal_once_settled", equal_once_settled),
    ("turns_alternate", alternate),
    ("a_childs_scope_begins_with_its_parents", scope_begins),
    ("no_owner_twice_and_no_deeper_than_allowed", chain_and_depth),
    ("nothing_lives_below_what_is_closed", nothing_below_closed),
    ("nothing_is_addressed_to_a_manager", no_manager),
    ("an_open_session_is_never_stuck", never_stuck),
    ("who_has_heard_all_waits_for_the_same_words", same_words),
];

/// The laws over one step, by name.
pub const STEP_LAWS: [(&str, StepLaw); 5] = [
    ("what_is_closed_takes_nothing_more", closed_stays),
    ("what_is_blocked_is_answered_like_an_unknown", blocked_is_silent),
    ("a_replay_changes_nothing", replay_is_nothing),
    ("no_entry_is_taken_while_paused", paused_takes_nothing),
    ("what_has_no_address_is_answered_like_an_unknown", no_address),
];

/// A law over one step: before, what happened, after, and what came of it.
pub type StepLaw = fn(&World, &Command, &World, Outcome) -> bool;

fn sides(world: &World) -> impl Iterator<Item = (Owner, &Side)> {
    let kernels = (0..).zip(&world.kernels);
    kernels.flat_map(|(owner, kernel)| kernel.sides.values().map(move |side| (owner, side)))
}

/// Both sides of every session that two honest kernels know.
fn pairs(world: &World) -> impl Iterator<Item = (&Side, &Side)> {
    let honest = sides(world).filter(|(owner, side)| {
        let peer = side.terms.peer(*owner);
        world.rules.hostile.is_none_or(|hostile| *owner != hostile && peer != Some(hostile))
    });
    honest.filter_map(|(owner, side)| {
        let initiated = side.terms.initiator.owner == owner;
        let other = world.side(side.terms.peer(owner)?, side.terms.session).ok()?;
        initiated.then_some((side, other))
    })
}

fn consented(world: &World) -> bool {
    sides(world).filter(|(_, side)| side.is_active()).all(|(owner, side)| {
        let yes = |by| world.said.contains(&(by, side.terms)) || world.rules.hostile == Some(by);
        yes(owner) && side.terms.peer(owner).is_some_and(yes)
    })
}

fn grounded(world: &World) -> bool {
    sides(world).filter(|(_, side)| side.is_active()).all(|(owner, side)| {
        let peer = side.terms.peer(owner);
        let contact = peer.and_then(|peer| world.contact(owner, peer).ok());
        let live = match side.terms.role(owner) {
            Some(who) => world.kernel(owner).is_ok_and(|kernel| !kernel.frozen.contains(&who)),
            None => false,
        };
        live && contact.is_some_and(|contact| contact.stand == Stand::Mutual && !contact.blocked)
    })
}

/// Both acts are on the wire, and neither owner parted after it, as far as this side has heard.
fn met(world: &World) -> bool {
    let kernels = (0..).zip(&world.kernels);
    let contacts = kernels.flat_map(|(owner, kernel)| {
        kernel.contacts.iter().map(move |(peer, contact)| (owner, *peer, contact))
    });
    let mut mutual = contacts.filter(|(_, _, contact)| contact.stand == Stand::Mutual);
    mutual.all(|(owner, peer, _)| {
        world.rules.acquainted
            || world.rules.hostile == Some(peer)
            || both_acts(world, (owner, peer), owner)
            || both_acts(world, (peer, owner), owner)
    })
}

/// `one` has asked and `other` has confirmed that ask, and it was not over in between.
fn both_acts(world: &World, (one, other): (Owner, Owner), seen_by: Owner) -> bool {
    let of = |from, to| {
        let acts = world.wire.iter().map(|sent| sent.message);
        acts.filter(move |act| act.from == from && act.to == to).map(|act| act.body)
    };
    let parts = world.wire.iter().filter(|sent| {
        let act = sent.message;
        matches!(act.body, Body::Part(_))
            && (act.from, act.to) == (one, other)
            && (one == seen_by || sent.taken)
    });
    let parted = parts.filter_map(|sent| sent.message.body.act()).max().unwrap_or(0);
    let asks = of(one, other).filter_map(|body| {
        let Body::Ask(number, _) = body else { return None };
        (number > parted).then_some(number)
    });
    let asks: Vec<u8> = asks.collect();
    of(other, one).any(|body| {
        let Body::Confirm(_, asked, _) = body else { return false };
        asks.contains(&asked)
    })
}

fn within_limit(world: &World) -> bool {
    sides(world).all(|(_, side)| {
        let drawn: u8 = side.shares.iter().filter(|s| s.back.is_none()).map(|s| s.turns).sum();
        let below: u8 = side.shares.iter().filter_map(|share| share.back).sum();
        // What is only worded binds nobody.
        let most = side.agreed.unwrap_or(side.terms).turns_max;
        side.used + side.drawn <= most
            && side.drawn == drawn
            && side.used == turns(side.chain) + below
    })
}

/// Turns among the entries of a chain.
fn turns(chain: u128) -> u8 {
    let codes = chain.to_be_bytes();
    let spoken = codes.iter().filter(|code| **code != 0 && **code & NO_TURN == 0);
    u8::try_from(spoken.count()).unwrap_or(u8::MAX)
}

fn ancestors_paid(world: &World) -> bool {
    sides(world).all(|(owner, side)| {
        let own = side.terms.initiator.owner == owner && side.is_alive();
        let (Some(agreed), Some(level), true) = (side.agreed, side.terms.parent(), own) else {
            return true;
        };
        let parent = world.side(owner, level.session);
        parent.is_ok_and(|parent| {
            parent.share(side.terms.session).is_some_and(|share| agreed.turns_max <= share.turns)
        })
    })
}

fn tree_within_root(world: &World) -> bool {
    if world.rules.hostile.is_some() {
        return true;
    }
    let roots = pairs(world).filter(|(side, _)| side.terms.depth() == 0);
    roots.into_iter().all(|(root, other)| {
        let allowed = root.agreed.max(other.agreed).map_or(0, |terms| terms.turns_max);
        let name = root.terms.session;
        let tree = pairs(world)
            .filter(|(side, _)| side.terms.session == name || side.terms.is_below(name));
        // Delivered is what both hold.
        let spoken: u8 = tree.map(|(a, b)| turns(a.chain).min(turns(b.chain))).sum();
        spoken <= allowed
    })
}

fn agree(world: &World) -> bool {
    pairs(world).all(|(a, b)| {
        let (longer, shorter) = if a.number >= b.number { (a, b) } else { (b, a) };
        let extra = longer.number - shorter.number;
        let prefix = longer.chain.checked_shr(u32::from(extra) * 8).unwrap_or(0) == shorter.chain;
        let flying = longer.settled || usize::from(extra) <= longer.flight.len();
        prefix && flying && turns(longer.chain) - turns(shorter.chain) <= 1
    })
}

fn equal_once_settled(world: &World) -> bool {
    pairs(world)
        .filter(|(a, b)| a.settled && b.settled)
        .all(|(a, b)| (a.used, a.drawn, a.number, a.chain) == (b.used, b.drawn, b.number, b.chain))
}

fn alternate(world: &World) -> bool {
    let one_floor = pairs(world).all(|(a, b)| {
        !(a.floor && b.floor && a.phase == Phase::Active && b.phase == Phase::Active)
    });
    let in_turn = sides(world).all(|(_, side)| {
        let mut by = 0;
        side.chain.to_be_bytes().iter().filter(|code| **code != 0).all(|code| {
            let holds = code & BY_RESPONDER == by;
            if code & NO_TURN == 0 {
                by ^= BY_RESPONDER;
            }
            holds
        })
    });
    one_floor && in_turn
}

fn scope_begins(world: &World) -> bool {
    sides(world).all(|(owner, side)| {
        let (Some(agreed), Some(level), true) = (side.agreed, side.terms.parent(), side.is_alive())
        else {
            return true;
        };
        let parent = world.side(owner, level.session).ok().and_then(|parent| parent.agreed);
        parent.is_none_or(|parent| agreed.scope.begins_with(parent.scope))
    })
}

fn chain_and_depth(world: &World) -> bool {
    sides(world).filter(|(_, side)| side.agreed.is_some()).all(|(_, side)| {
        let levels = side.terms.levels().chain([side.terms.level()]);
        let owners: BTreeSet<Owner> =
            levels.flat_map(|level| [level.initiator, level.responder]).collect();
        owners.len() == side.terms.depth() + 2 && side.terms.depth() <= world.rules.depth_max
    })
}

fn nothing_below_closed(world: &World) -> bool {
    let here = sides(world).all(|(owner, side)| {
        let closed = |session: Session| world.side(owner, session).is_ok_and(|s| !s.is_alive());
        !side.is_alive() || !side.terms.levels().any(|level| closed(level.session))
    });
    let mut ends = world.wire.iter().filter(|sent| matches!(sent.message.body, Body::End(..)));
    // Once every end has arrived, there is nothing below it anywhere.
    here && (!ends.all(|sent| sent.taken) || {
        let closed: BTreeSet<Session> = sides(world)
            .filter(|(_, side)| !side.is_alive())
            .map(|(_, side)| side.terms.session)
            .collect();
        sides(world)
            .filter(|(_, side)| side.is_alive())
            .all(|(_, side)| side.terms.levels().all(|level| !closed.contains(&level.session)))
    })
}

fn no_manager(world: &World) -> bool {
    let whole = |who: Who| matches!(who, Who::Identity(_));
    let terms = |terms: &Terms| {
        let ends: [Address; 2] = [terms.initiator, terms.responder];
        ends.iter().all(|end| whole(end.who))
    };
    world.wire.iter().all(|sent| match sent.message.body {
        Body::Ask(_, who) | Body::Confirm(_, _, who) | Body::Present(_, who) => whole(who),
        Body::Consent(_, said) => terms(&said),
        Body::Entry(entry) => terms(&entry.terms),
        Body::Part(_) | Body::Pause(..) | Body::End(..) => true,
    })
}

/// Where both agree and nobody pauses, one may speak, or is about to be told so; unless answers are
/// forged, so that acts get lost.
fn never_stuck(world: &World) -> bool {
    !world.rules.in_order
        || pairs(world).all(|(a, b)| {
            let open = |side: &Side| side.passes().is_ok();
            let told = |from: &Side| {
                let sent = world.wire.iter().map(|sent| sent.message);
                let mut of_it = sent.filter(|message| {
                    let Body::Entry(entry) = message.body else { return false };
                    entry.terms.session == from.terms.session
                });
                of_it.any(|message| step(world, &Command::Deliver(message)).1 == Outcome::Done)
            };
            !(open(a) && open(b) && a.terms == b.terms) || a.floor || b.floor || told(a)
        })
}

/// Whatever words crossed: unless answers are forged, so that acts get lost.
fn same_words(world: &World) -> bool {
    let all_answered = |owner, peer| {
        let contact = world.contact(owner, peer);
        contact.is_ok_and(|contact| contact.said == contact.answered)
    };
    !world.rules.in_order
        || pairs(world).all(|(a, b)| {
            let (one, other) = (a.terms.initiator.owner, a.terms.responder.owner);
            let heard = all_answered(one, other) && all_answered(other, one);
            !(heard && a.is_alive() && b.is_alive()) || a.terms == b.terms
        })
}

fn closed_stays(before: &World, _: &Command, after: &World, _: Outcome) -> bool {
    sides(before).filter(|(_, side)| !side.is_alive()).all(|(owner, side)| {
        after.side(owner, side.terms.session).is_ok_and(|later| {
            !later.is_alive() && later.number <= side.number && later.used <= side.used
        })
    })
}

fn blocked_is_silent(before: &World, command: &Command, after: &World, outcome: Outcome) -> bool {
    let (Command::Deliver(message) | Command::Forge(message, _)) = *command else { return true };
    let blocked = before.contact(message.to, message.from).is_ok_and(|contact| contact.blocked);
    !blocked || outcome == Outcome::Refused(Refusal::Unknown) && same(before, after, message.to)
}

fn replay_is_nothing(before: &World, command: &Command, after: &World, _: Outcome) -> bool {
    let Command::Deliver(message) = *command else { return true };
    let taken = before.wire.iter().any(|sent| sent.message == message && sent.taken);
    !taken || same(before, after, message.to)
}

fn paused_takes_nothing(before: &World, command: &Command, _: &World, outcome: Outcome) -> bool {
    let (Command::Deliver(message) | Command::Forge(message, _)) = *command else { return true };
    let (Body::Entry(entry), Outcome::Done) = (message.body, outcome) else { return true };
    let side = before.side(message.to, entry.terms.session);
    side.is_ok_and(|side| !side.paused.any() && side.is_active())
}

fn no_address(before: &World, command: &Command, after: &World, outcome: Outcome) -> bool {
    let Command::Forge(message, whom) = *command else { return true };
    matches!(whom, Who::Identity(_))
        || outcome == Outcome::Refused(Refusal::Unknown) && same(before, after, message.to)
}

fn same(before: &World, after: &World, owner: Owner) -> bool {
    before.kernel(owner) == after.kernel(owner)
}

/// What a search must have seen, so that its laws are not about nothing; by name.
pub const SIGHTS: [(&str, Law); 12] = [
    ("a_contact_is_made", |world| {
        let mut all = world.kernels.iter().flat_map(|kernel| kernel.contacts.values());
        all.any(|contact| contact.stand == Stand::Mutual)
    }),
    ("a_session_opens", |world| pairs(world).any(|(a, b)| a.is_active() && b.is_active())),
    ("a_child_opens", |world| opens_at(world, 1)),
    ("a_grandchild_opens", |world| opens_at(world, 2)),
    ("resolved_at_both", |world| closed_at_both(world, Reason::Resolved)),
    ("limit_reached_at_both", |world| closed_at_both(world, Reason::Limit)),
    ("closes_cross", |world| {
        pairs(world).any(|(a, b)| {
            let ours = |side: &Side| side.phase == Phase::Closed(Reason::Owner);
            ours(a) && ours(b) && !a.settled && !b.settled
        })
    }),
    ("a_turn_is_taken_back", |world| {
        pairs(world).any(|(a, b)| a.settled && b.settled && said_after(world, a) != a.number)
    }),
    ("terms_change_while_open", |world| {
        pairs(world)
            .any(|(a, b)| a.is_active() && b.is_active() && a.terms.revision > 0 && a.number > 0)
    }),
    ("turns_are_given_back", |world| {
        sides(world).any(|(_, side)| side.shares.iter().any(|share| share.back.is_some()))
    }),
    ("a_session_is_paused_by_both", |world| sides(world).any(|(_, side)| side.paused.both())),
    ("a_new_key_is_accepted", |world| {
        let mut all = world.kernels.iter().flat_map(|kernel| kernel.contacts.values());
        all.any(|contact| contact.key > 0)
    }),
];

fn opens_at(world: &World, depth: usize) -> bool {
    pairs(world).any(|(a, b)| a.is_active() && b.is_active() && a.terms.depth() == depth)
}

fn closed_at_both(world: &World, reason: Reason) -> bool {
    pairs(world).any(|(a, b)| [a.phase, b.phase] == [Phase::Closed(reason); 2])
}

/// How far the initiator said it came, when it closed.
fn said_after(world: &World, side: &Side) -> u8 {
    let mut ends = world.wire.iter().filter_map(|sent| {
        let Body::End(session, after, _) = sent.message.body else { return None };
        let from = sent.message.from == side.terms.initiator.owner;
        (from && session == side.terms.session).then_some(after)
    });
    ends.next().unwrap_or(side.number)
}
