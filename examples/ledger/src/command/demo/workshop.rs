//! Where the demo's operations are performed: nowhere but in the ledger.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Digest, Effect, Endpoint, Fault,
    Operation, Resource,
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Read {
    pub(super) path: Resource,
}

impl Operation for Read {
    const KIND: &'static str = "file.read";
    type Output = ();
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, &self.path)
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Write {
    content: Digest,
    path: Resource,
    #[serde(skip)]
    text: &'static str,
}

impl Write {
    pub(super) fn new(path: Resource, text: &'static str) -> Self {
        Self { content: Digest::of_content(text.as_bytes()), path, text }
    }
}

impl Operation for Write {
    const KIND: &'static str = "file.write";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.path)
    }

    fn content(&self) -> Option<&[u8]> {
        Some(self.text.as_bytes())
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Deploy {
    pub(super) build: &'static str,
    pub(super) environment: Resource,
}

impl Operation for Deploy {
    const KIND: &'static str = "release.deploy";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Deploy, &self.environment)
    }
}

/// Takes away a folder and everything in it.
#[derive(Debug, Serialize)]
pub(super) struct Clear {
    pub(super) folder: Resource,
}

impl Operation for Clear {
    const KIND: &'static str = "file.clear";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::tree(Action::Write, &self.folder)
    }
}

/// Does as it is told, and does nothing.
#[derive(Debug)]
pub(super) struct Workshop;

impl Endpoint<Read> for Workshop {
    fn admit(&self, _: &Read, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Read>) -> Result<(), Fault> {
        Ok(())
    }
}

impl Endpoint<Write> for Workshop {
    fn admit(&self, write: &Write, _: &Caller) -> Result<Admission, Denial> {
        if write.text.starts_with("#!") {
            return Err(Denial::by_endpoint("runnable", "programs are not written here"));
        }
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Write>) -> Result<(), Fault> {
        task.attest(task.operation().content);
        Ok(())
    }
}

impl Endpoint<Clear> for Workshop {
    fn admit(&self, _: &Clear, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Clear>) -> Result<(), Fault> {
        Ok(())
    }
}

impl Endpoint<Deploy> for Workshop {
    fn admit(&self, _: &Deploy, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Deploy>) -> Result<(), Fault> {
        let build = task.operation().build;
        if build.contains("rc") {
            return Err(Fault::new("unhealthy", "the health check timed out"));
        }
        task.attest(Digest::of_content(build.as_bytes()));
        Ok(())
    }
}
