//! Governed turns: judged here, signed, carried, verified and recorded there.
use std::{sync::Arc, time::Instant};

use clawnet_core::{LocalStore, MemoryStore, Store};
use clawnet_net::{HostLimits, SessionId};
use futures::{executor::block_on, future::join_all};

use crate::{
    per_second,
    town::{Citizen, agree, carry, host, id, meet},
};

/// Turns of one session: as many as a session may have.
const TURNS: u32 = 100;

/// Two who have sessions with each other.
struct Pair {
    one: Citizen,
    other: Citizen,
    sessions: Vec<SessionId>,
}

/// So many pairs over one store, each with as many sessions.
async fn pairs(store: Arc<dyn Store>, count: usize, sessions: usize) -> Vec<Pair> {
    let limits = HostLimits::default();
    let host = host(store, 0..2 * count, limits);
    let each = (0..count).map(|nth| {
        let host = host.clone();
        async move {
            let (first, second) = (2 * nth, 2 * nth + 1);
            let one = Citizen::join(&host, first, &[id(second)]).await;
            let other = Citizen::join(&host, second, &[id(first)]).await;
            meet(&one, &other).await;
            let mut open = Vec::new();
            for _ in 0..sessions {
                open.push(agree(&one, &other, TURNS).await);
            }
            Pair { one, other, sessions: open }
        }
    });
    join_all(each).await
}

/// Says everything there is to say in one session.
async fn talk(one: &Citizen, other: &Citizen, session: SessionId) {
    let (here, there) = (one.guest.open(session).unwrap(), other.guest.open(session).unwrap());
    for nth in 0..TURNS / 2 {
        one.say(&here, &text(2 * nth)).await;
        carry(one, other).await;
        other.say(&there, &text(2 * nth + 1)).await;
        carry(other, one).await;
    }
    assert_eq!(one.guest.session(session).unwrap().used, TURNS);
    assert_eq!(other.guest.session(session).unwrap().used, TURNS);
}

/// A turn of 600 bytes that nobody said before.
pub(crate) fn text(nth: u32) -> String {
    format!("{nth}: {}", "We could deliver in the second week of March. ".repeat(13))
}

/// Turns a second in memory, all threads together, each with pairs of its own.
pub(crate) fn memory(threads: usize) -> f64 {
    let sessions = 200;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let pairs = block_on(pairs(store, threads, sessions));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for Pair { one, other, sessions } in &pairs {
            scope.spawn(move || {
                block_on(async {
                    for session in sessions {
                        talk(one, other, *session).await;
                    }
                });
            });
        }
    });
    per_second(threads * sessions * TURNS as usize, begin)
}

/// Turns a second on disk, each durable on both sides before the next, in so many sessions at once.
pub(crate) fn durable(at_once: usize) -> f64 {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (store, _) = LocalStore::open(&folder.path().join("store")).unwrap();
    let pairs = block_on(pairs(Arc::new(store), at_once, 1));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for half in pairs.chunks(at_once.div_ceil(2)) {
            scope.spawn(move || {
                let each = half.iter().map(|pair| talk(&pair.one, &pair.other, pair.sessions[0]));
                block_on(join_all(each));
            });
        }
    });
    per_second(at_once * TURNS as usize, begin)
}
