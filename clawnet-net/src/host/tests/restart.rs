use super::*;

/// Two sites, one of which crashes at one of the smallest steps there are.
struct Crashing {
    sites: [Option<Site>; 2],
    steps: usize,
    /// Which site, at which step.
    crash: (usize, usize),
}

impl Crashing {
    fn site(&self, which: usize) -> &Site {
        self.sites[which].as_ref().unwrap()
    }

    fn host(&self, which: usize) -> Host {
        self.site(which).host.clone()
    }

    /// Counts a step of a site, and lets it crash after that if it is the one.
    fn count(&mut self, which: usize) {
        if self.crash == (which, self.steps) {
            let site = self.sites[which].take().unwrap();
            self.sites[which] = Some(site.restarted());
        }
        self.steps += 1;
    }

    /// The smallest thing a site can do next, if there is anything.
    fn step(&mut self, which: usize) -> Option<()> {
        let site = self.site(which);
        if let Some(arrived) = site.transport.receive_now() {
            site.host.deliver(arrived);
        } else if block_on(site.host.step()).is_none() {
            let (peer, frame) = site.host.desk().leaving.next()?;
            site.host.desk().leaving.done(peer);
            _ = site.transport.send(peer, frame).now_or_never();
        }
        self.count(which);
        Some(())
    }

    fn settle(&mut self) {
        loop {
            let network = self.site(0).network.clone();
            let did = self.step(0).is_some() | self.step(1).is_some();
            if did || network.step().is_some() {
                continue;
            }
            let waiting = [0, 1].map(|which| self.site(which));
            let waiting = waiting.into_iter().filter(|site| site.tries_something());
            let Some(next) = waiting.filter_map(|site| site.host.next_at()).min() else { return };
            let clock = &self.site(0).clock;
            clock.set(next.max(clock.now().after(Duration::from_millis(1))));
        }
    }
}

/// Contact, consent, four turns, with a crash of one site; gives how many steps there were.
fn tell(crash: (usize, usize)) -> usize {
    let (network, clock) = (SimulatedNetwork::new(3, Faults::none()), start());
    let (here, there) = (Site::new(&[1], &network, &clock), Site::new(&[2], &network, &clock));
    let (one, other) = (One::join(&here.host, 1), One::join(&there.host, 2));
    let mut both = Crashing { sites: [Some(here), Some(there)], steps: 0, crash };
    one.ask(&both.host(0), other.id());
    both.settle();
    other.confirm(&both.host(1), one.id());
    both.settle();
    let session = one.propose(&both.host(0), other.id(), 4);
    both.settle();
    other.consent(&both.host(1), session);
    both.settle();
    for nth in 0..4 {
        let (speaker, which) = if nth % 2 == 0 { (one, 0) } else { (other, 1) };
        let said = speaker.try_say(&both.host(which), session, &format!("turn {nth}"));
        assert_eq!(said, Ok(nth + 1), "a crash at {crash:?}");
        both.settle();
    }
    let told = one.told(&both.host(0), session);
    assert_eq!(told, other.told(&both.host(1), session), "a crash at {crash:?}");
    assert_eq!(told.len(), 4);
    for (who, which) in [(one, 0), (other, 1)] {
        let over = Some(Standing::Ended(Ending::Limit));
        assert_eq!(who.standing(&both.host(which), session), over, "a crash at {crash:?}");
    }
    both.steps
}

#[test]
fn a_host_that_crashes_at_any_step_goes_on_where_it_was() {
    let steps = tell((0, usize::MAX));
    assert!(steps > 80, "{steps} steps");
    for which in [0, 1] {
        for step in 0..steps {
            tell((which, step));
        }
    }
}
