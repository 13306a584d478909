//! A ledger as a busy owner's would be: ten agents, a thousand resources, every operation recorded.
use std::{path::Path, sync::Arc};

use clawnet_core::{
    Action, Admission, Agent, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Grant,
    Kernel, LocalStore, ManualClock, Mount, Operation, Owner, OwnerId, Region, Resource, Signer,
    SoftwareKey, Timestamp,
};
use futures::executor::block_on;

/// How many resources there are.
pub(crate) const RESOURCES: usize = 1000;
const AGENTS: usize = 10;

pub(crate) struct Books {
    pub(crate) store: Arc<LocalStore>,
    pub(crate) kernel: Kernel,
    pub(crate) owner: Owner,
    pub(crate) resources: Vec<Resource>,
    agents: Vec<Agent>,
    mount: Mount<Nothing>,
    clock: ManualClock,
}

impl Books {
    pub(crate) fn open(path: &Path) -> Self {
        let store = Arc::new(LocalStore::open(path).unwrap().0);
        let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
        let (key, own) =
            (|| SoftwareKey::from_secret(&[7; 32]), || SoftwareKey::from_secret(&[8; 32]));
        let governing = Kernel::governing(key().public_key());
        let kernel = block_on(governing.open_shared(store.clone(), clock.clone())).unwrap();
        let owner = block_on(kernel.owner(key())).unwrap();
        if owner.identities().is_empty() {
            block_on(begin(&owner, own().public_key()));
        }
        kernel.sign_with(own());
        let known = owner.identities().into_iter().flat_map(|known| known.agents);
        let agents = known.map(|(agent, _)| owner.agent(agent).unwrap()).collect();
        let resources = (0..RESOURCES).map(|nth| resource(nth).parse().unwrap()).collect();
        let mount = kernel.mount("nothing", Nothing);
        Self { store, kernel, owner, resources, agents, mount, clock }
    }

    pub(crate) fn log(&self) -> OwnerId {
        self.kernel.owner_id()
    }

    /// Goes on until there are so many records.
    pub(crate) fn write_until(&mut self, records: u64) {
        block_on(async {
            let mut nth = usize::try_from(self.kernel.head().sequence).unwrap();
            while self.kernel.head().sequence < records {
                nth += 1;
                self.clock.advance(std::time::Duration::from_millis(1));
                let path = self.resources[(nth * 7919) % RESOURCES].clone();
                let agent = &self.agents[nth % AGENTS];
                agent.submit(&self.mount, &Look { path }).await.unwrap();
            }
        });
    }

    pub(crate) fn close(self) {
        block_on(self.kernel.snapshot()).unwrap();
    }
}

async fn begin(owner: &Owner, own: clawnet_core::PublicKey) {
    owner.certify(own).await.unwrap();
    for nth in 0..AGENTS {
        let identity = owner.identity(&format!("identity {nth}")).await.unwrap();
        let rules = Grant::new().allow(Action::Read, Region::subtree("fs:/home").unwrap());
        owner.grant(identity, rules).await.unwrap();
        owner.bind(identity, &format!("agent {nth}"), "bench").await.unwrap();
    }
}

fn resource(nth: usize) -> String {
    format!("fs:/home/team{}/project{}/notes{nth}.md", nth % 10, nth % 100)
}

#[derive(serde::Serialize)]
struct Look {
    path: Resource,
}

impl Operation for Look {
    const KIND: &'static str = "bench.look";
    type Output = ();
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, &self.path)
    }
}

pub(crate) struct Nothing;

impl Endpoint<Look> for Nothing {
    fn admit(&self, _: &Look, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Look>) -> Result<(), Fault> {
        Ok(())
    }
}
