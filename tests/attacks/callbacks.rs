//! Code of the application's that the kernel calls or is answered by: endpoints that talk too much,
//! wakers, and signers.
use std::{
    panic::resume_unwind,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Wake, Waker},
};

use async_trait::async_trait;
use clawnet_core::*;
use futures::executor::block_on;

use super::desk::{Desk, Hired, Till, allow, ask, asked, at_once, ends};
use crate::properties::bench::{CHANGE, Probe, key, other_key};

const LOUD_BYTES: usize = 2 << 20;
/// What a record of these small operations may have.
const RECORD_BYTES_MAX: usize = 4096;

fn write() -> Probe<CHANGE> {
    Probe::on(Action::Write, "fs:/a/b")
}

fn loud() -> String {
    "é".repeat(LOUD_BYTES / 2)
}

/// An endpoint that answers at length.
enum Loud {
    Denies,
    Fails,
}

impl Endpoint<Probe<CHANGE>> for Loud {
    fn admit(&self, _: &Probe<CHANGE>, _: &Caller) -> Result<Admission, Denial> {
        match self {
            Self::Fails => Ok(Admission::unversioned()),
            Self::Denies => {
                let mut denial = Denial::by_endpoint("no", "x");
                denial.reason = Some(loud());
                Err(denial)
            }
        }
    }

    async fn perform(&self, _: Authorized<'_, Probe<CHANGE>>) -> Result<u64, Fault> {
        Err(Fault::new("remote", loud()))
    }
}

/// The kernel goes on, and what was written is short.
fn check_unharmed(what: &str, desk: &Desk, agent: &Agent) {
    assert!(desk.kernel.failure().is_none(), "{what}: {:?}", desk.kernel.failure());
    block_on(agent.submit(&desk.till("till"), &write())).unwrap();
    let frames = block_on(desk.shelf.read(desk.owner.id(), 1, usize::MAX)).unwrap();
    for frame in frames {
        assert!(frame.payload.len() <= RECORD_BYTES_MAX, "{what}: {frame:?}");
    }
}

#[test]
fn an_endpoint_that_talks_too_much_fails_no_kernel() {
    for (what, endpoint) in [("a denial", Loud::Denies), ("a fault", Loud::Fails)] {
        let desk = Desk::new();
        let Hired { agent, .. } = desk.hire(allow());
        let refused = block_on(agent.submit(&desk.kernel.mount("loud", endpoint), &write()));
        assert!(matches!(refused, Err(Refusal::Denied(_) | Refusal::Failed(_))), "{what}");
        check_unharmed(what, &desk, &agent);
    }
}

#[test]
fn a_mount_with_an_endless_name_fails_no_kernel() {
    let desk = Desk::new();
    let Hired { agent, identity, .. } = desk.hire(allow());
    let till = desk.till(&loud());
    block_on(agent.submit(&till, &write())).unwrap();
    check_unharmed("an intent", &desk, &agent);
    block_on(desk.owner.grant(identity, ask())).unwrap();
    let ticket = asked(&agent, &till, &write());
    block_on(desk.owner.approve(ticket)).unwrap();
    block_on(agent.submit(&till, &write())).unwrap();
    let ticket = asked(&agent, &desk.till("till"), &write());
    block_on(desk.owner.approve(ticket)).unwrap();
    check_unharmed("a question", &desk, &agent);
}

/// A waker that does something of its own.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Follows `desk` from its end, to be woken with `wake` by the next record.
fn follow_with(desk: &Desk, wake: impl Fn() + Send + Sync + 'static) {
    let mut follow = desk.owner.follow(desk.kernel.head().sequence + 1);
    let waker = Waker::from(Arc::new(Calls(wake)));
    let next = pin!(follow.next());
    assert!(next.poll(&mut Context::from_waker(&waker)).is_pending());
}

#[test]
fn a_waker_may_call_the_kernel_back() {
    ends(|| {
        let desk = Arc::new(Desk::new());
        let Hired { agent, .. } = desk.hire(allow());
        let (till, called) = (desk.till("till"), Arc::new(AtomicU64::new(0)));
        let (back, count) = (desk.clone(), called.clone());
        follow_with(&desk, move || {
            assert_eq!(back.owner.inbox(), []);
            assert_eq!(agent.judge(&write()).verdict, Verdict::Allow);
            let intent = at_once(agent.submit(&till, &write())).unwrap();
            assert_eq!(back.kernel.head().sequence, intent + 1);
            at_once(back.owner.freeze_all()).unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        });
        block_on(desk.owner.identity("home")).unwrap();
        assert_eq!(called.load(Ordering::SeqCst), 1, "to its end");
        let freeze = Act::Freeze { identity: None };
        let frozen = |event: &Event| matches!(event, Event::Act(signed) if signed.act == freeze);
        assert!(desk.events().iter().any(frozen));
        assert!(desk.kernel.failure().is_none());
    });
}

#[test]
fn a_waker_that_panics_fails_no_ledger() {
    let desk = Desk::new();
    let Hired { agent, .. } = desk.hire(allow());
    let woken = Arc::new(AtomicU64::new(0));
    for by in ["an act", "a submission"] {
        let count = woken.clone();
        follow_with(&desk, move || {
            count.fetch_add(1, Ordering::SeqCst);
            // A panic, without a report of it on every run.
            resume_unwind(Box::new("dark"));
        });
        if by == "an act" {
            block_on(desk.owner.identity("home")).unwrap();
        } else {
            block_on(agent.submit(&desk.till("till"), &write())).unwrap();
        }
        assert!(desk.kernel.failure().is_none(), "{by}");
    }
    assert_eq!(woken.load(Ordering::SeqCst), 2);
    check_unharmed("panics", &desk, &agent);
}

/// Names the owner's key, and signs with another or not at all.
struct Poser(Option<SoftwareKey>);

#[async_trait]
impl Signer for Poser {
    fn public_key(&self) -> PublicKey {
        key().public_key()
    }

    async fn sign(&self, statement: &[u8]) -> Result<Signature, SignerError> {
        match &self.0 {
            Some(key) => key.sign(statement).await,
            None => Err(SignerError("no key".into())),
        }
    }
}

#[test]
fn naming_the_owners_key_is_not_enough_to_decide() {
    let desk = Desk::new();
    let refused = block_on(desk.kernel.owner(Poser(None)));
    assert!(matches!(refused, Err(OwnerError::Signer(_))), "{refused:?}");
    let refused = block_on(desk.kernel.owner(Poser(Some(other_key()))));
    assert!(matches!(refused, Err(OwnerError::ForeignKey)), "{refused:?}");
    assert!(block_on(desk.kernel.owner(Poser(Some(key())))).is_ok());
}

type Meanwhile = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// The owner's signer, at which something happens before a retirement is signed.
struct Slow {
    key: SoftwareKey,
    meanwhile: Arc<Meanwhile>,
}

#[async_trait]
impl Signer for Slow {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    async fn sign(&self, statement: &[u8]) -> Result<Signature, SignerError> {
        if String::from_utf8_lossy(statement).contains("\"retire\"") {
            let meanwhile = self.meanwhile.lock().unwrap().take();
            if let Some(happens) = meanwhile {
                happens();
            }
        }
        self.key.sign(statement).await
    }
}

#[test]
fn an_archive_has_what_came_while_the_owner_was_signing() {
    let desk = Arc::new(Desk::new());
    let Hired { identity, grant, agent } = desk.hire(allow());
    let meanwhile = Arc::new(Meanwhile::default());
    let slow = Slow { key: key(), meanwhile: meanwhile.clone() };
    let owner = block_on(desk.kernel.owner(slow)).unwrap();
    let (other, late) = (desk.clone(), Arc::new(Mutex::new(None)));
    let came = late.clone();
    *meanwhile.lock().unwrap() = Some(Box::new(move || {
        let granted = at_once(other.owner.grant(identity, ask())).unwrap();
        let bound = at_once(other.owner.bind(identity, "late", "tests")).unwrap();
        *came.lock().unwrap() = Some((granted, bound.caller().agent()));
    }));
    let archive = block_on(owner.retire(identity)).unwrap();
    let (granted, bound) = late.lock().unwrap().unwrap();
    let ids = |archive: &Archive| {
        let grants: Vec<GrantId> = archive.grants.iter().map(|(id, _)| *id).collect();
        let agents: Vec<AgentId> = archive.agents.iter().map(|(id, _)| *id).collect();
        (grants, agents)
    };
    let (grants, agents) = ids(&archive);
    assert_eq!((grants.len(), agents.len()), (2, 2));
    assert!(grants.contains(&grant) && grants.contains(&granted));
    assert!(agents.contains(&agent.caller().agent()) && agents.contains(&bound));
    assert_eq!(block_on(owner.archive(identity)).unwrap(), Some(archive));
    let submitted = block_on(agent.submit(&desk.kernel.mount("till", Till::default()), &write()));
    assert!(matches!(submitted, Err(Refusal::Denied(_))), "{submitted:?}");
}
