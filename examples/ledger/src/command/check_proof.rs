//! Whether a proof proves what it says: with the owner's key, and without a store.
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use clawnet_core::{Act, AuditRecord, Bundle, Event, Grantor, Proven};
use serde_json::{Value, json};

use super::{Command, row::said};
use crate::{
    arguments::Arguments,
    place::Place,
    screen::Screen,
    stop::{Status, Stop},
    text::{moment, shortened},
};

pub(super) const COMMAND: Command = Command {
    name: "check-proof",
    usage: "FILE",
    about: "whether a proof is good, by the owner's key alone",
    more: "FILE is what `prove` wrote, or - for the standard input. It needs --key, the owner's\n\
           first public key, and you have to have that from somewhere you trust. The proof shows\n\
           that the ledger says so, under a checkpoint that the kernel signed; compare that with\n\
           one you hold.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let file = arguments.needed("FILE")?;
    arguments.end(COMMAND.name)?;
    let founder = place.founder()?;
    let checked = read(Path::new(&file))?.parse::<Bundle>().map_err(|error| error.to_string());
    let proven =
        checked.and_then(|bundle| bundle.check(founder).map_err(|error| error.to_string()));
    match (proven, screen.json()) {
        (Ok(proven), true) => screen.value(&value(&proven)),
        (Ok(proven), false) => show(&proven, screen),
        (Err(what), true) => {
            screen.value(&json!({ "proven": false, "what": what }))?;
            Err(Stop::Told(Status::Wrong))
        }
        (Err(what), false) => Err(Stop::wrong(format!("`{file}` proves nothing: {what}"))),
    }
}

fn read(path: &Path) -> Result<String, Stop> {
    let mut text = String::new();
    let size_max = Bundle::SIZE_BYTES_MAX as u64 + 2;
    let read = if path == Path::new("-") {
        io::stdin().take(size_max).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(size_max).read_to_string(&mut text))
    };
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Stop::wrong(format!("`{}` proves nothing: it is no text", path.display())))
        }
        read => read.map(|_| text).map_err(|error| Stop::of_file(path, &error)),
    }
}

fn show(proven: &Proven, screen: &mut Screen) -> Result<(), Stop> {
    let Proven { owner, subject, checkpoint, kernel_key, .. } = proven;
    let place = |record: &AuditRecord| format!("{}, record {}", moment(record.at), record.sequence);
    let mut about = |word: &str, text: &str| screen.whole(&format!("{word:<11}  {text}"));
    about("proven", &format!("record {} of the ledger {owner}", subject.sequence))?;
    about("says", &shortened(&said(&subject.event)))?;
    about("when", &moment(subject.at))?;
    if let Some(who) = &proven.who {
        let job = who.job.as_ref().map(|job| format!(", at the job `{job}`"));
        let (name, runtime, identity) = (&who.name, &who.runtime, &who.identity_name);
        let job = job.unwrap_or_default();
        about("who", &format!("`{name}` in {runtime}, for `{identity}`{job}"))?;
        about("", &format!("{} for {}", who.agent, who.identity))?;
    }
    for granted in &proven.rules {
        let by = match granted.by {
            Grantor::Identity(identity) => identity.to_string(),
            Grantor::Owner => "the owner".to_owned(),
        };
        about("rule", &granted.text.to_string())?;
        let (at, record) = (moment(granted.at), granted.sequence);
        about("", &format!("{}, by {by}, {at}, record {record}", granted.rule))?;
    }
    if let Some(asked) = &proven.question {
        about("asked", &place(asked))?;
    }
    if let Some(answer) = &proven.answer {
        let word = if says_no(answer) { "rejected" } else { "approved" };
        about(word, &format!("{}, signed by the owner", place(answer)))?;
    }
    if let Some(intent) = &proven.intent {
        about("intent", &place(intent))?;
    }
    if let Some(outcome) = &proven.outcome {
        about("outcome", &format!("{}: {}", place(outcome), outcome.event))?;
    }
    about("checkpoint", &format!("of {} records, signed by the certified key", checkpoint.size))?;
    about("its root", &checkpoint.root.to_string())?;
    about("its key", &kernel_key.to_string())
}

fn says_no(answer: &AuditRecord) -> bool {
    let Event::Act(signed) = &answer.event else { return false };
    matches!(signed.act, Act::Reject { .. })
}

fn value(proven: &Proven) -> Value {
    let place = |record: &AuditRecord| json!({ "at": record.at, "sequence": record.sequence });
    let rules = proven.rules.iter().map(|granted| {
        let text = granted.text.to_string();
        json!({ "rule": granted.rule, "sequence": granted.sequence, "text": text })
    });
    let answer = proven.answer.as_ref().map(|record| {
        let no =
            matches!(&record.event, Event::Act(signed) if matches!(signed.act, Act::Reject { .. }));
        json!({ "approved": !no, "at": record.at, "sequence": record.sequence })
    });
    let who = proven.who.as_ref().map(|who| {
        json!({
            "agent": who.agent, "identity": who.identity, "identity_name": who.identity_name,
            "job": who.job, "name": who.name, "runtime": who.runtime,
        })
    });
    json!({
        "answer": answer, "intent": proven.intent.as_ref().map(place),
        "kernel_key": proven.kernel_key, "ledger": proven.owner,
        "outcome": proven.outcome.as_ref().map(place), "proven": true,
        "question": proven.question.as_ref().map(place), "root": proven.checkpoint.root,
        "rules": rules.collect::<Vec<_>>(), "size": proven.checkpoint.size,
        "subject": proven.subject.sequence, "who": who,
    })
}
