//! What waits for an owner's client: statements to sign, and what became of what it wanted.
//!
//! The owner's key is not here. Whatever needs it waits until the client has fetched the statement,
//! read it, and brought the signature.
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use clawnet_core::{Agent, IdentityId, Owner, PublicKey, Signature, Signer, SignerError};
use clawnet_net::Guest;
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::timeout};

use crate::refusal::Wrong;

/// One owner's desk.
pub(crate) struct Desk {
    key: PublicKey,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is under way, or came of it.
    deeds: BTreeMap<u64, Option<Result<Value, Wrong>>>,
    hand: Option<Arc<Hand>>,
    unsigned: BTreeMap<u64, (Vec<u8>, oneshot::Sender<Signature>)>,
}

/// What an owner who has enrolled acts with.
pub(crate) struct Hand {
    pub(crate) agent: Agent,
    pub(crate) guest: Guest,
    pub(crate) identity: IdentityId,
    pub(crate) name: String,
    pub(crate) owner: Owner,
}

impl Desk {
    pub(crate) fn of(key: PublicKey) -> Arc<Self> {
        Arc::new(Self { key, next: AtomicU64::new(1), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn owner(&self) -> clawnet_core::OwnerId {
        self.key.owner()
    }

    pub(crate) fn hand(&self) -> Result<Arc<Hand>, Wrong> {
        self.state().hand.clone().ok_or(Wrong::NotEnrolled)
    }

    pub(crate) fn enrolled(&self, hand: Hand) {
        self.state().hand = Some(Arc::new(hand));
    }

    /// What the client should read, and sign or leave.
    pub(crate) fn unsigned(&self) -> Value {
        let state = self.state();
        let each = state.unsigned.iter().map(|(number, (statement, _))| {
            json!({ "number": number, "statement": String::from_utf8_lossy(statement) })
        });
        each.collect()
    }

    /// Takes a signature for a statement that waits for one.
    pub(crate) fn sign(&self, number: u64, signature: &Signature) -> Result<(), Wrong> {
        let mut state = self.state();
        let (statement, _) = state.unsigned.get(&number).ok_or(Wrong::Unknown)?;
        self.key.verify(statement, signature).map_err(|_| Wrong::Forged)?;
        let (_, waiting) = state.unsigned.remove(&number).ok_or(Wrong::Unknown)?;
        waiting.send(*signature).map_err(|_| Wrong::Unknown)
    }

    /// Begins something that will need signatures, and gives the number to ask for it by.
    pub(crate) fn begin(&self) -> Result<u64, Wrong> {
        let mut state = self.state();
        if state.deeds.values().filter(|came| came.is_none()).count() >= DEEDS_AT_ONCE_MAX {
            return Err(Wrong::Busy);
        }
        while state.deeds.len() >= DEEDS_KEPT_MAX {
            let done =
                state.deeds.iter().find(|(_, came)| came.is_some()).map(|(number, _)| *number);
            let Some(done) = done else { break };
            state.deeds.remove(&done);
        }
        let number = self.number();
        state.deeds.insert(number, None);
        Ok(number)
    }

    pub(crate) fn done(&self, number: u64, came: Result<Value, Wrong>) {
        self.state().deeds.insert(number, Some(came));
    }

    /// What became of it: nothing yet, a value, or why not.
    pub(crate) fn became(&self, number: u64) -> Result<Value, Wrong> {
        match self.state().deeds.get(&number) {
            None => Err(Wrong::Unknown),
            Some(None) => Ok(json!({ "state": "waiting" })),
            Some(Some(Ok(value))) => Ok(json!({ "state": "done", "value": value })),
            Some(Some(Err(wrong))) => Err(wrong.clone()),
        }
    }
}

/// The owner's key, wherever it is.
pub(crate) struct Remote(pub(crate) Arc<Desk>);

#[async_trait]
impl Signer for Remote {
    fn public_key(&self) -> PublicKey {
        self.0.key
    }

    async fn sign(&self, statement: &[u8]) -> Result<Signature, SignerError> {
        let number = self.0.number();
        let (signed, waiting) = oneshot::channel();
        {
            let mut state = self.0.state();
            if state.unsigned.len() >= UNSIGNED_MAX {
                return Err(SignerError("too many statements wait".into()));
            }
            state.unsigned.insert(number, (statement.to_vec(), signed));
        }
        let signature = timeout(PATIENCE, waiting).await;
        self.0.state().unsigned.remove(&number);
        match signature {
            Ok(Ok(signature)) => Ok(signature),
            Ok(Err(_)) | Err(_) => Err(SignerError("the client did not sign in time".into())),
        }
    }
}

const DEEDS_AT_ONCE_MAX: usize = 16;
const DEEDS_KEPT_MAX: usize = 256;
const UNSIGNED_MAX: usize = 16;
const PATIENCE: Duration = Duration::from_mins(1);
