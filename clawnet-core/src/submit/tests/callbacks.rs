//! The application's own code, and which locks it meets.
use std::{
    sync::mpsc,
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use super::*;
use crate::note::SignedCheckpoint;

/// Whether something gets done while who asks is in the middle of it.
fn goes_on(what: impl FnOnce() + Send + 'static) -> bool {
    let (done, when) = mpsc::channel();
    thread::spawn(move || {
        what();
        let _: Result<_, _> = done.send(());
    });
    when.recv_timeout(Duration::from_millis(500)).is_ok()
}

/// Its content is as large as it likes, and code of the application's hands it out.
#[derive(serde::Serialize)]
struct Heavy {
    path: Resource,
    #[serde(skip)]
    kernel: Arc<Kernel>,
    #[serde(skip)]
    blocked: AtomicBool,
}

impl Operation for Heavy {
    const KIND: &'static str = "test.heavy";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.path)
    }

    fn content(&self) -> Option<&[u8]> {
        let kernel = self.kernel.clone();
        if !goes_on(move || _ = kernel.head()) {
            self.blocked.store(true, Ordering::SeqCst);
        }
        Some(b"content")
    }
}

#[test]
fn content_is_not_looked_at_while_all_others_wait() {
    let rules = Grant::new().ask(Action::Write, Region::subtree("fs:/a").unwrap());
    let desk = Desk::new(rules);
    let place = desk.kernel.mount("place", Place);
    let (path, blocked) = ("fs:/a/b".parse().unwrap(), AtomicBool::new(false));
    let heavy = Heavy { path, kernel: desk.kernel.clone(), blocked };
    let Err(Refusal::Escalated(ticket)) = block_on(desk.agent.submit(&place, &heavy)) else {
        panic!("not asked");
    };
    block_on(desk.owner.approve(ticket.id)).unwrap();
    block_on(desk.agent.submit(&place, &heavy)).unwrap();
    assert!(!heavy.blocked.load(Ordering::SeqCst), "the ledger is locked");
}

/// A waker that goes on at once with what the owner wants to know.
struct Curious {
    kernel: Arc<Kernel>,
    checkpoint: SignedCheckpoint,
    woken: AtomicBool,
    blocked: AtomicBool,
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        let (kernel, checkpoint) = (self.kernel.clone(), self.checkpoint.clone());
        self.woken.store(true, Ordering::SeqCst);
        if !goes_on(move || drop(block_on(kernel.prove(1, &checkpoint)))) {
            self.blocked.store(true, Ordering::SeqCst);
        }
    }
}

#[test]
fn who_follows_is_woken_under_no_lock() {
    let desk = Desk::new(reading("fs:/a"));
    let key = SoftwareKey::from_secret(&[2; 32]);
    block_on(desk.owner.certify(key.public_key())).unwrap();
    desk.kernel.sign_with(key);
    let checkpoint = block_on(desk.kernel.checkpoint()).unwrap();
    let check = |what: &str, acts: &dyn Fn()| {
        let (woken, blocked) = (AtomicBool::default(), AtomicBool::default());
        let (kernel, checkpoint) = (desk.kernel.clone(), checkpoint.clone());
        let curious = Arc::new(Curious { kernel, checkpoint, woken, blocked });
        let waker = Waker::from(curious.clone());
        let mut follow = desk.owner.follow(desk.kernel.head().sequence + 1);
        let mut next = pin!(follow.next());
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        acts();
        assert!(curious.woken.load(Ordering::SeqCst), "{what}");
        assert!(!curious.blocked.load(Ordering::SeqCst), "{what}: the tree is locked");
    };
    check("a checkpoint", &|| drop(block_on(desk.kernel.checkpoint()).unwrap()));
    check("a head", &|| drop(block_on(desk.kernel.present()).unwrap()));
    check("a snapshot", &|| _ = block_on(desk.kernel.snapshot()).unwrap());
}
