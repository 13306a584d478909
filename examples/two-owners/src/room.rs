//! All three in one room: one process, one clock, and their frames carried by hand.
use std::path::Path;

use anyhow::{Result, bail, ensure};
use clawnet_net::Proven;

use crate::{
    account::{self, Account},
    cast::Who,
    house::{House, Time},
    seat::{Did, Seat},
    tale::{Ear, Tale},
};

/// Plays it in `folder`.
pub(crate) async fn play(folder: &Path) -> Result<()> {
    let time = Time::told();
    let mut seats = Vec::new();
    for who in Who::ALL {
        let house = House::build(who, &folder.join(who.name()), time.clone()).await?;
        let tale = Tale { ear: Ear::Terminal, who };
        seats.push(Seat::new(tale, house, time.clone()));
    }
    for _ in 0..ROUNDS_MAX {
        let mut did = Did::Nothing;
        for nth in 0..seats.len() {
            let Some(seat) = seats.get_mut(nth) else { continue };
            if seat.step().await? == Did::Something {
                did = Did::Something;
            }
            settle(&seats).await?;
        }
        if did == Did::Nothing {
            return close(&seats).await;
        }
    }
    bail!("it never ends")
}

async fn close(seats: &[Seat]) -> Result<()> {
    let mut accounts = Vec::new();
    for seat in seats {
        ensure!(seat.over() == Did::Nothing, "the {} still waits", seat.who.name());
        seat.look_into_own_affairs().await?;
        accounts.push(Account::of(seat).await?);
    }
    account::show(&accounts)
}

/// Carries everything between everybody until nobody has anything to send.
async fn settle(seats: &[Seat]) -> Result<()> {
    for _ in 0..ROUNDS_MAX {
        let mut carried = 0;
        for from in seats {
            for to in seats.iter().filter(|to| to.who != from.who) {
                for frame in from.house.party.outgoing(to.who.id()).await {
                    carry(from, to, frame).await;
                    carried += 1;
                }
            }
        }
        if carried == 0 {
            return Ok(());
        }
    }
    bail!("they never stop sending")
}

/// One frame there, what it is answered with back, and so on.
async fn carry(from: &Seat, to: &Seat, frame: Vec<u8>) {
    let mut frames = vec![(from, to, frame)];
    while let Some((from, to, frame)) = frames.pop() {
        let link = Proven::on_the_word_of_a_transport([from.who.id()]);
        let answers = to.house.party.receive(&frame, &link).await;
        frames.extend(answers.into_iter().map(|answer| (to, from, answer)));
    }
}

const ROUNDS_MAX: usize = 200;
