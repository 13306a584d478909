//! Facts that are an effect: recorded while the right to it stands, or not at all.
use serde::Serialize;

use super::*;
use crate::{
    bound::Caller,
    denial::Denial,
    endpoint::{Admission, Authorized, Endpoint, Fault},
    id::GrantId,
    operation::{Action, Demands, Effect, Operation},
    resource::{Region, Resource},
    rule::Grant,
    submit::Refusal,
};

#[derive(Serialize)]
struct Count {
    place: Resource,
}

impl Operation for Count {
    const KIND: &'static str = "toy.count";
    type Output = u64;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.place)
    }
}

/// Counts; and where there is something to revoke, that is revoked after it is all confirmed.
struct Counter {
    owner: Owner,
    revokes: Option<GrantId>,
}

impl Endpoint<Count> for Counter {
    fn admit(&self, _: &Count, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Count>) -> Result<u64, Fault> {
        task.confirm()?;
        if let Some(grant) = self.revokes {
            self.owner.revoke(grant).await.unwrap();
        }
        task.declare::<Tally>(&add(1), Some(b"why")).await.map_err(|error| {
            let DeclareError::Misfit(misfit) = error else { panic!("{error}") };
            Fault::relayed(misfit.code, misfit.what)
        })
    }
}

#[test]
fn a_fact_that_is_an_effect_follows_no_revocation() {
    block_on(async {
        let (_, kernel, owner) = begin().await;
        let work = owner.identity("work").await.unwrap();
        let rules = Grant::new().allow(Action::Write, Region::subtree("fs:/a").unwrap());
        let grant = owner.grant(work, rules).await.unwrap();
        let agent = owner.bind(work, "assistant", "test").await.unwrap();
        let count = Count { place: "fs:/a/b".parse().unwrap() };
        for (revokes, counted) in [(None, 1), (Some(grant), 1)] {
            let owner = kernel.owner(key(1)).await.unwrap();
            let counter = kernel.mount("counter", Counter { owner, revokes });
            match agent.submit(&counter, &count).await {
                Ok(_) => assert_eq!(revokes, None),
                Err(Refusal::Failed(fault)) => {
                    assert_eq!((fault.code(), revokes), ("revoked", Some(grant)));
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(kernel.read(|tally: &Tally| tally.counted).unwrap(), counted);
        }
    });
}
