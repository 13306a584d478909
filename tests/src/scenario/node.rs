//! Operations on files, as an agent asks an owner's node for them.
use std::sync::Arc;

use clawnet_core::{Agent, AgentId, Digest, Endpoint, IdentityId, Operation};
use clawnet_fs::{
    Append, Copy, Delete, FsError, History, List, Mkdir, Move, Node, Read, Redo, Rename, Rollback,
    Search, Stat, Undo, Write,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    answer::plain,
    moment::Moment,
    nearest::{nearest, with_suggestion},
    trouble::Trouble,
    world::{Work, World},
};

/// Every kind of operation there is.
const KINDS: &[&str] = &[
    "probe.observe",
    "probe.change",
    "probe.release",
    Read::KIND,
    Stat::KIND,
    List::KIND,
    Search::KIND,
    Write::KIND,
    Append::KIND,
    Mkdir::KIND,
    Copy::KIND,
    Move::KIND,
    Rename::KIND,
    Delete::KIND,
    History::KIND,
    Undo::KIND,
    Redo::KIND,
    Rollback::KIND,
];

/// An operation as the file wrote it: its kind, at whose node, and its fields.
type Written<'a> = (&'a str, Option<&'a str>, Map<String, Value>);

/// A submission of an operation on files.
pub(super) fn submission(
    world: &mut World,
    agent: Arc<Agent>,
    (kind, at, fields): Written<'_>,
) -> Result<Work, Trouble> {
    let written = (kind, at, fields);
    match kind {
        Read::KIND => operation::<Read>(world, agent, written),
        Stat::KIND => operation::<Stat>(world, agent, written),
        List::KIND => operation::<List>(world, agent, written),
        Search::KIND => operation::<Search>(world, agent, written),
        Write::KIND => operation::<Write>(world, agent, written),
        Append::KIND => operation::<Append>(world, agent, written),
        Mkdir::KIND => operation::<Mkdir>(world, agent, written),
        Copy::KIND => operation::<Copy>(world, agent, written),
        Move::KIND => operation::<Move>(world, agent, written),
        Rename::KIND => operation::<Rename>(world, agent, written),
        Delete::KIND => operation::<Delete>(world, agent, written),
        History::KIND => operation::<History>(world, agent, written),
        Undo::KIND => operation::<Undo>(world, agent, written),
        Redo::KIND => operation::<Redo>(world, agent, written),
        Rollback::KIND => operation::<Rollback>(world, agent, written),
        unknown => {
            let near = nearest(unknown, KINDS.iter().copied());
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(Trouble::Misread(format!("no operation is called `{unknown}`{hint}")))
        }
    }
}

fn operation<O>(
    world: &mut World,
    agent: Arc<Agent>,
    (kind, at, mut fields): Written<'_>,
) -> Result<Work, Trouble>
where
    O: Operation<Output: serde::Serialize> + DeserializeOwned + 'static,
    Node: Endpoint<O>,
{
    let of = fields.remove("of");
    in_times_and_names(world, &mut fields)?;
    let caller = agent.caller().clone();
    let mount = match at {
        Some(owner) => world.principal_named(owner)?.node()?,
        None => world.principal_of(caller.agent())?.node()?,
    };
    if let Some(name) = of {
        let known = known(world, mount.endpoint(), caller.identity(), (kind, &name))?;
        fields.extend(known.as_object().cloned().unwrap_or_default());
    }
    if let Some(text) = fields.get("if_match").and_then(|wanted| wanted.get("content")) {
        let digest = Digest::of_content(text.as_str().unwrap_or_default().as_bytes());
        fields.insert("if_match".into(), plain(&digest));
    }
    let operation: O = read_fields(kind, fields)?;
    Ok(Box::pin(async move { Ok(plain(&agent.submit(&mount, &operation).await?)) }))
}

/// The fields of an operation about something that the file gave a name: the change to take back,
/// or the plan of a rollback. What it needs is the node's to say; the agent asks it, as any
/// application would.
fn known(
    world: &World,
    node: &Node,
    identity: IdentityId,
    (kind, name): (&str, &Value),
) -> Result<Value, Trouble> {
    if kind == Rollback::KIND {
        let plan = name.as_str().and_then(|name| world.plans.get(name)).cloned();
        return plan.ok_or_else(|| Trouble::Misread(format!("no plan is called {name}")));
    }
    let intent = change(world, name)?;
    let said = |error: FsError| Trouble::said(&error);
    Ok(if kind == Redo::KIND {
        plain(&node.redo_of(identity, intent).map_err(said)?)
    } else {
        plain(&node.undo_of(identity, intent).map_err(said)?)
    })
}

/// Puts milliseconds and identifiers where a file wrote `2h` and `bot`. Which changes a rollback is
/// about is called `which`: `by` is who asks.
fn in_times_and_names(world: &World, fields: &mut Map<String, Value>) -> Result<(), Trouble> {
    let mut by = fields.remove("which");
    let chosen = by.as_mut().and_then(Value::as_object_mut);
    for fields in [Some(&mut *fields), chosen].into_iter().flatten() {
        for name in ["since", "until"] {
            let Some(text) = fields.get(name).filter(|text| text.is_string()) else { continue };
            let moment: Moment = serde_json::from_value(text.clone())
                .map_err(|error| Trouble::Misread(format!("`{name}`: {error}")))?;
            fields.insert(name.into(), plain(&moment.as_timestamp()));
        }
        if let Some(name) = fields.get("agent").and_then(Value::as_str) {
            let agent = plain(&world.names.find::<AgentId>(name)?);
            fields.insert("agent".into(), agent);
        }
    }
    fields.extend(by.map(|by| ("by".into(), by)));
    Ok(())
}

/// The change that the file gave this name.
fn change(world: &World, name: &Value) -> Result<u64, Trouble> {
    let known = name.as_str().and_then(|name| world.changes.get(name)).copied();
    known.ok_or_else(|| {
        let near = nearest(name.as_str().unwrap_or_default(), world.changes.keys().map(|k| &**k));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Trouble::Misread(format!("no change is called {name}{hint}"))
    })
}

/// The fields of an operation, of which none may be unknown. A field that is there and whose value
/// the operation refuses, such as a path that is not canonical, is refused as in a program.
pub(super) fn read_fields<T: DeserializeOwned>(
    kind: &str,
    fields: Map<String, Value>,
) -> Result<T, Trouble> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let said = with_suggestion(&error.to_string());
        let about_the_file = ["unknown ", "missing ", "invalid type", "invalid length"];
        if about_the_file.iter().any(|start| said.starts_with(start)) {
            Trouble::Misread(format!("`{kind}`: {said}"))
        } else {
            Trouble::Said(format!("`{kind}`: {said}"))
        }
    })
}
