//! An operation and the endpoint that serves it, for the programs in the folder above.
#![allow(dead_code, reason = "no program uses all of it")]

use clawnet_core::*;

#[derive(serde::Serialize)]
pub struct Note {
    pub about: Resource,
    pub text: String,
}

impl Operation for Note {
    const KIND: &'static str = "desk.note";
    type Output = usize;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.about)
    }
}

pub struct Desk;

impl Endpoint<Note> for Desk {
    fn admit(&self, _: &Note, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Note>) -> Result<usize, Fault> {
        Ok(task.operation().text.len())
    }
}
