//! Who did what, under which grant, who approved, and what came of it.
use clawnet_core::{
    Deed, Demanded, OutcomeKind, Owner, Query, Recalled, Region, Resource, Verdict,
};
use futures::executor::block_on;
use serde_json::json;

use super::{Command, when};
use crate::{
    arguments::Arguments,
    desk::Desk,
    place::Place,
    screen::{Screen, Tint},
    stop::Stop,
    text::{moment, shortened},
};

pub(super) const COMMAND: Command = Command {
    name: "query",
    usage: "[--job NAME …]",
    about: "who did what, under which grant, who approved, and what came of it",
    more: "\
The newest first, and those that meet all that is said:
  --identity ID|NAME    done for this identity
  --agent ID|NAME       by this agent
  --runtime NAME        by agents in this runtime
  --job NAME            by agents bound for this job
  --cause CAUSE         because of this, such as a session, without its number
  --resource RESOURCE   touching this, such as fs:/work/q3.md or env:prod
  --within RESOURCE     touching something at or beneath this
  --kind KIND           operations of this kind
  --verdict V           let through (allow), asked about (ask) or refused (deny)
  --approval TICKET     the question, and what its yes was spent on
  --grant GRANT         decided by a rule of this grant
  --since WHEN          at this moment or later: 2026-03-02, 2026-03-02T09:30 (UTC), or 12h ago
  --until WHEN          before this moment
  --before SEQUENCE     recorded before this one: to go on where a page ended
  --count N             at most so many: 50
With --json a line is a deed; where there may be more, the last line is {\"before\":SEQUENCE}.
Needs the owner's secret key.
",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let count = arguments.parsed::<usize>("count")?.unwrap_or(50);
    let (identity, agent) = (arguments.value("identity"), arguments.value("agent"));
    let query = read(&mut arguments)?;
    arguments.end(COMMAND.name)?;
    block_on(async {
        let desk = Desk::open(place).await?;
        let owner = desk.owner(place).await?;
        let query = name(query, &owner, (identity, agent))?;
        let (mut shown, mut on) = (0, None);
        loop {
            let next = on.map_or_else(|| query.clone(), |before| query.clone().before(before));
            let page = owner.query(&next, (count - shown).min(Owner::PAGE_MAX)).await?;
            shown += page.deeds.len();
            page.deeds.iter().try_for_each(|deed| show(deed, screen))?;
            on = page.before;
            if on.is_none() || shown >= count {
                break;
            }
        }
        match (on, screen.json()) {
            (Some(before), true) => screen.value(&json!({ "before": before }))?,
            (Some(before), false) => {
                screen.tinted(Tint::Faint, &format!("there may be more: --before {before}"))?;
            }
            (None, _) => {}
        }
        if shown == 0 && on.is_none() { Err(Stop::absent("nothing matched")) } else { Ok(()) }
    })
}

fn read(arguments: &mut Arguments) -> Result<Query, Stop> {
    let mut query = Query::new();
    if let Some(runtime) = arguments.value("runtime") {
        query = query.runtime(&runtime);
    }
    if let Some(job) = arguments.value("job") {
        query = query.job(&job);
    }
    if let Some(cause) = arguments.value("cause") {
        query = query.cause(&cause);
    }
    if let Some(kind) = arguments.value("kind") {
        query = query.kind(&kind);
    }
    if let Some(resource) = arguments.parsed::<Resource>("resource")? {
        query = query.resource(&resource);
    }
    if let Some(within) = arguments.value("within") {
        let region = Region::subtree(&within);
        query = query.within(&region.map_err(|error| Stop::usage(format!("--within: {error}")))?);
    }
    if let Some(verdict) = arguments.value("verdict") {
        query = query.verdict(match verdict.as_str() {
            "allow" => Verdict::Allow,
            "ask" => Verdict::Ask,
            "deny" => Verdict::Deny,
            _ => return Err(Stop::usage("a verdict is `allow`, `ask` or `deny`")),
        });
    }
    if let Some(ticket) = arguments.parsed("approval")? {
        query = query.approval(ticket);
    }
    if let Some(grant) = arguments.parsed("grant")? {
        query = query.grant(grant);
    }
    if let Some(since) = arguments.value("since") {
        query = query.since(when::moment("since", &since)?);
    }
    if let Some(until) = arguments.value("until") {
        query = query.until(when::moment("until", &until)?);
    }
    Ok(arguments.parsed("before")?.map_or(query.clone(), |before| query.before(before)))
}

/// Adds whom is asked about, by identifier or by name.
fn name(
    mut query: Query,
    owner: &Owner,
    (identity, agent): (Option<String>, Option<String>),
) -> Result<Query, Stop> {
    let known = owner.identities();
    if let Some(said) = identity {
        let found = known.iter().find(|one| one.name == said).map(|one| one.identity);
        let unknown = || Stop::absent(format!("there is no identity `{said}`"));
        query = query.identity(said.parse().ok().or(found).ok_or_else(unknown)?);
    }
    if let Some(said) = agent {
        let mut agents = known.iter().flat_map(|one| &one.agents);
        let found = agents.find(|(_, name)| *name == said).map(|(agent, _)| *agent);
        let unknown = || Stop::absent(format!("there is no agent `{said}`"));
        query = query.agent(said.parse().ok().or(found).ok_or_else(unknown)?);
    }
    Ok(query)
}

fn show(deed: &Deed, screen: &mut Screen) -> Result<(), Stop> {
    if screen.json() {
        let value = serde_json::to_value(deed).map_err(Stop::wrong)?;
        return screen.value(&value);
    }
    let tint = match deed.verdict {
        Verdict::Deny => Tint::Bad,
        Verdict::Ask => Tint::Caution,
        Verdict::Allow => Tint::Plain,
    };
    let demands = deed.demands.iter().flat_map(Demanded::iter);
    let demands = demands.map(|(action, resource)| format!("{action} {resource}"));
    let what = demands.collect::<Vec<_>>().join(" and ");
    let Deed { sequence, verdict, kind, .. } = deed;
    let when = moment(deed.at);
    screen.tinted(tint, &format!("{sequence:>6}  {when}  {verdict:<5}  {kind}: {what}"))?;
    let job = deed.job.as_ref().map(|job| format!(", at the job `{job}`")).unwrap_or_default();
    let (agent, runtime, identity) = (&deed.agent_name, &deed.runtime, &deed.identity_name);
    about(screen, "by", &format!("`{agent}` in {runtime}, for `{identity}`{job}"))?;
    if let Some(cause) = &deed.cause {
        about(screen, "due to", cause.as_str())?;
    }
    if !deed.rules.is_empty() {
        let rules: Vec<_> = deed.rules.iter().map(ToString::to_string).collect();
        about(screen, "under", &rules.join(", "))?;
    }
    if let Some(consulted) = &deed.approval {
        let (word, text) = match &consulted.answer {
            Some(answer) => {
                let word = if answer.verdict == Verdict::Allow { "yes" } else { "no" };
                (word, format!("by the owner, {}, record {}", moment(answer.at), answer.sequence))
            }
            None => ("open", consulted.ticket.to_string()),
        };
        about(screen, word, &text)?;
    }
    if let Some(denial) = &deed.denial {
        // Too long for a line, and too good to be cut.
        screen.whole(&format!("        because  {}", shortened(&denial.to_string())))?;
    }
    outcome(deed, screen)
}

fn outcome(deed: &Deed, screen: &mut Screen) -> Result<(), Stop> {
    let Some(outcome) = &deed.outcome else { return Ok(()) };
    let (word, why) = match &outcome.result {
        OutcomeKind::Done => ("done", String::new()),
        OutcomeKind::Failed { code, what } => ("failed", format!("{code}, {what}, ")),
        OutcomeKind::Interrupted => ("cut off", String::new()),
        _ => ("ended", String::new()),
    };
    let evidence = outcome.evidence.map(|digest| format!(", evidence {digest}"));
    let recalled = match outcome.recalled {
        Some(Recalled::Done) => "; the endpoint says it happened",
        Some(Recalled::NotDone) => "; the endpoint says it did not happen",
        Some(Recalled::Unknown) => "; the endpoint cannot tell",
        None => "",
    };
    let at = format!("{}, record {}", moment(outcome.at), outcome.sequence);
    about(screen, word, &format!("{why}{at}{}{recalled}", evidence.unwrap_or_default()))
}

fn about(screen: &mut Screen, word: &str, text: &str) -> Result<(), Stop> {
    screen.line(&format!("        {word:<8} {text}"))
}
