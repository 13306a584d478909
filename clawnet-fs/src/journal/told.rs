//! Which run was told content of which labels.
use std::{collections::HashMap, sync::Arc};

use clawnet_core::{AgentId, OwnerId};

use super::Who;

/// The labels of every run. A run is a job, whoever does it, or without one an agent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    agents: HashMap<(OwnerId, AgentId), Labels>,
    jobs: HashMap<OwnerId, HashMap<Box<str>, Labels>>,
    count: usize,
}

type Labels = Vec<Arc<str>>;

impl Told {
    /// What a run was told.
    pub(crate) fn of(&self, owner: OwnerId, agent: AgentId, job: Option<&str>) -> &[Arc<str>] {
        let labels = match job {
            Some(job) => self.jobs.get(&owner).and_then(|jobs| jobs.get(job)),
            None => self.agents.get(&(owner, agent)),
        };
        labels.map_or(&[], Vec::as_slice)
    }

    pub(crate) fn add(&mut self, owner: OwnerId, who: &Who, label: &Arc<str>) {
        let labels = match &who.job {
            Some(job) => {
                self.jobs.entry(owner).or_default().entry(job.as_str().into()).or_default()
            }
            None => self.agents.entry((owner, who.agent)).or_default(),
        };
        if !labels.contains(label) {
            labels.push(label.clone());
            self.count += 1;
        }
    }

    /// How many things are known.
    pub(crate) fn len(&self) -> usize {
        self.count
    }
}
