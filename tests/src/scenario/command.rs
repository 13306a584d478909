//! Every command a file can give, and how one is read.
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    agreeing::{
        SessionAmendStep, SessionAssignStep, SessionCloseStep, SessionConsentStep,
        SessionDeclineStep, SessionPauseStep, SessionProposeStep, SessionReleaseStep,
        SessionResumeStep,
    },
    asking::{DelegateStep, DropStep, EndpointStep, JudgeStep, ResumeStep, SubmitStep},
    befriending::{
        ContactAcceptKeyStep, ContactAskStep, ContactBlockStep, ContactConfirmStep,
        ContactPresentStep, ContactRemoveStep, ContactReviewStep, ContactStep, ContactUnblockStep,
        ContactsStep,
    },
    breaking::{
        AdvanceStep, CrashStep, FaultStep, RestartStep, SetClockStep, SettleStep, SnapshotStep,
        TamperStep, VerifyStep,
    },
    bundling::{BundleStep, CheckBundleStep},
    carrying::{
        DeliverStep, DoubleStep, HealStep, LoseStep, PartitionStep, PutAwayStep, ReorderStep,
        ResendStep, TickStep, WakeStep, WireStep,
    },
    deciding::{
        ApproveStep, ArchiveStep, BindStep, DismissStep, FreezeStep, GrantStep, HouseStep,
        IdentityStep, OwnerStep, RejectStep, RetireStep, RevokeStep, UnfreezeStep,
    },
    failing::{BackupStep, DiskFaultStep, DiskStep, PowerLossStep},
    forging::{
        AddressStep, CaptureStep, FlipStep, ForgeStep, OversizeStep, ReplayStep, TruncateStep,
    },
    hand::{
        FileDeleteStep, FileLinkStep, FileListStep, FileMeanwhileStep, FileReadStep,
        FileReplaceStep, FileWriteStep, FolderStep,
    },
    keyring::{CertifyStep, RekeyStep, SignWithStep},
    meeting::{CheckMisbehaviourStep, PeersStep, PresentStep, WitnessStep},
    moving::{EditExportStep, ExportStep, ImportStep, VerifyExportStep},
    nearest::{nearest, with_suggestion},
    proving::{CheckpointStep, ProveGrowthStep, ProveStep},
    searching::{BodyStep, EraseStep, QueryStep},
    seeing::{
        ContentStep, ExplainStep, IdentitiesStep, InboxStep, RecordsStep, SecurityStep,
        WhatCanStep, WhoCanStep,
    },
    speaking::{BriefingStep, GiveBackStep, SayStep},
    step::Step,
    storm::StormStep,
    telling::{RefusalsStep, ResultStep, SameStoryStep, SessionStep, TranscriptStep},
    whitelist::{FolderMoveStep, HealthStep, ReloadStep, WhitelistStep},
};

/// How the fields of a command are read.
type Read = fn(Map<String, Value>) -> Result<Box<dyn Step>, serde_json::Error>;

/// The commands, in the order of the manual.
const COMMANDS: &[(&str, Read)] = &[
    ("owner", read::<OwnerStep>),
    ("identity", read::<IdentityStep>),
    ("bind", read::<BindStep>),
    ("grant", read::<GrantStep>),
    ("submit", read::<SubmitStep>),
    ("endpoint", read::<EndpointStep>),
    ("inbox", read::<InboxStep>),
    ("content", read::<ContentStep>),
    ("approve", read::<ApproveStep>),
    ("reject", read::<RejectStep>),
    ("revoke", read::<RevokeStep>),
    ("dismiss", read::<DismissStep>),
    ("freeze", read::<FreezeStep>),
    ("unfreeze", read::<UnfreezeStep>),
    ("retire", read::<RetireStep>),
    ("archive", read::<ArchiveStep>),
    ("delegate", read::<DelegateStep>),
    ("house", read::<HouseStep>),
    ("judge", read::<JudgeStep>),
    ("explain", read::<ExplainStep>),
    ("what_can", read::<WhatCanStep>),
    ("who_can", read::<WhoCanStep>),
    ("identities", read::<IdentitiesStep>),
    ("security", read::<SecurityStep>),
    ("records", read::<RecordsStep>),
    ("folder", read::<FolderStep>),
    ("whitelist", read::<WhitelistStep>),
    ("reload", read::<ReloadStep>),
    ("health", read::<HealthStep>),
    ("folder_move", read::<FolderMoveStep>),
    ("file_write", read::<FileWriteStep>),
    ("file_replace", read::<FileReplaceStep>),
    ("file_meanwhile", read::<FileMeanwhileStep>),
    ("file_read", read::<FileReadStep>),
    ("file_delete", read::<FileDeleteStep>),
    ("file_link", read::<FileLinkStep>),
    ("file_list", read::<FileListStep>),
    ("advance", read::<AdvanceStep>),
    ("set_clock", read::<SetClockStep>),
    ("resume", read::<ResumeStep>),
    ("drop", read::<DropStep>),
    ("restart", read::<RestartStep>),
    ("crash", read::<CrashStep>),
    ("settle", read::<SettleStep>),
    ("fault", read::<FaultStep>),
    ("tamper", read::<TamperStep>),
    ("verify", read::<VerifyStep>),
    ("snapshot", read::<SnapshotStep>),
    ("certify", read::<CertifyStep>),
    ("sign_with", read::<SignWithStep>),
    ("rekey", read::<RekeyStep>),
    ("checkpoint", read::<CheckpointStep>),
    ("prove", read::<ProveStep>),
    ("prove_growth", read::<ProveGrowthStep>),
    ("bundle", read::<BundleStep>),
    ("check_bundle", read::<CheckBundleStep>),
    ("query", read::<QueryStep>),
    ("body", read::<BodyStep>),
    ("erase", read::<EraseStep>),
    ("export", read::<ExportStep>),
    ("edit_export", read::<EditExportStep>),
    ("verify_export", read::<VerifyExportStep>),
    ("import", read::<ImportStep>),
    ("present", read::<PresentStep>),
    ("witness", read::<WitnessStep>),
    ("peers", read::<PeersStep>),
    ("check_misbehaviour", read::<CheckMisbehaviourStep>),
    ("disk", read::<DiskStep>),
    ("disk_fault", read::<DiskFaultStep>),
    ("power_loss", read::<PowerLossStep>),
    ("backup", read::<BackupStep>),
    ("contact_ask", read::<ContactAskStep>),
    ("contact_confirm", read::<ContactConfirmStep>),
    ("contact_remove", read::<ContactRemoveStep>),
    ("contact_block", read::<ContactBlockStep>),
    ("contact_unblock", read::<ContactUnblockStep>),
    ("contact_present", read::<ContactPresentStep>),
    ("contact_review", read::<ContactReviewStep>),
    ("contact_accept_key", read::<ContactAcceptKeyStep>),
    ("contact", read::<ContactStep>),
    ("contacts", read::<ContactsStep>),
    ("session_propose", read::<SessionProposeStep>),
    ("session_consent", read::<SessionConsentStep>),
    ("session_decline", read::<SessionDeclineStep>),
    ("session_amend", read::<SessionAmendStep>),
    ("session_pause", read::<SessionPauseStep>),
    ("session_resume", read::<SessionResumeStep>),
    ("session_close", read::<SessionCloseStep>),
    ("session_assign", read::<SessionAssignStep>),
    ("session_release", read::<SessionReleaseStep>),
    ("session", read::<SessionStep>),
    ("say", read::<SayStep>),
    ("give_back", read::<GiveBackStep>),
    ("briefing", read::<BriefingStep>),
    ("transcript", read::<TranscriptStep>),
    ("same_story", read::<SameStoryStep>),
    ("result", read::<ResultStep>),
    ("refusals", read::<RefusalsStep>),
    ("deliver", read::<DeliverStep>),
    ("wire", read::<WireStep>),
    ("lose", read::<LoseStep>),
    ("double", read::<DoubleStep>),
    ("reorder", read::<ReorderStep>),
    ("partition", read::<PartitionStep>),
    ("heal", read::<HealStep>),
    ("resend", read::<ResendStep>),
    ("storm", read::<StormStep>),
    ("put_away", read::<PutAwayStep>),
    ("wake", read::<WakeStep>),
    ("tick", read::<TickStep>),
    ("capture", read::<CaptureStep>),
    ("forge", read::<ForgeStep>),
    ("replay", read::<ReplayStep>),
    ("address", read::<AddressStep>),
    ("truncate", read::<TruncateStep>),
    ("flip", read::<FlipStep>),
    ("oversize", read::<OversizeStep>),
];

/// The name of every command.
pub fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, _)| *name)
}

/// A command, and what the file expects of it.
pub(super) struct Command {
    pub(super) name: String,
    pub(super) step: Box<dyn Step>,
    pub(super) expect: Option<Value>,
}

impl Command {
    /// Reads one line, or says in a sentence why it cannot.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let value = serde_json::from_str(line).map_err(|error| format!("no JSON: {error}"))?;
        let Value::Object(mut fields) = value else {
            return Err("a command is an object with a field `do`".into());
        };
        let Some(Value::String(name)) = fields.remove("do") else {
            return Err("a command has a field `do` that names it".into());
        };
        let expect = fields.remove("expect");
        let Some((_, read)) = COMMANDS.iter().find(|(known, _)| *known == name) else {
            let near = nearest(&name, commands());
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("no command is called `{name}`{hint}"));
        };
        let step = read(fields).map_err(|error| {
            let said = with_suggestion(&error.to_string());
            format!("`{name}`: {said}")
        })?;
        Ok(Self { name, step, expect })
    }
}

fn read<S>(fields: Map<String, Value>) -> Result<Box<dyn Step>, serde_json::Error>
where
    S: Step + DeserializeOwned + 'static,
{
    Ok(Box::new(serde_json::from_value::<S>(Value::Object(fields))?))
}
