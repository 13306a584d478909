//! The application's own code, and which locks it meets.
use std::{sync::mpsc, thread, time::Duration};

use super::*;

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
