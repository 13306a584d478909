//! Operations on files, as an agent asks an owner's node for them.
use std::sync::Arc;

use clawnet_core::{Agent, Digest, Endpoint, Operation};
use clawnet_fs::{Delete, List, Mkdir, Node, Read, Stat, Undo, Write};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    answer::plain,
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
    Write::KIND,
    Mkdir::KIND,
    Delete::KIND,
    Undo::KIND,
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
        Write::KIND => operation::<Write>(world, agent, written),
        Mkdir::KIND => operation::<Mkdir>(world, agent, written),
        Delete::KIND => operation::<Delete>(world, agent, written),
        Undo::KIND => operation::<Undo>(world, agent, written),
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
    let wanted = fields.remove("of").map(|name| change(world, &name)).transpose()?;
    let caller = agent.caller().clone();
    let mount = match at {
        Some(owner) => world.principal_named(owner)?.node()?,
        None => world.principal_of(caller.agent())?.node()?,
    };
    if let Some(intent) = wanted {
        // What an undo needs is the node's to say; the agent asks it, as any application would.
        let undo = mount.endpoint().undo_of(caller.identity(), intent);
        let undo = plain(&undo.map_err(|error| Trouble::said(&error))?);
        fields.extend(undo.as_object().cloned().unwrap_or_default());
    }
    if let Some(text) = fields.get("if_match").and_then(|wanted| wanted.get("content")) {
        let digest = Digest::of_content(text.as_str().unwrap_or_default().as_bytes());
        fields.insert("if_match".into(), plain(&digest));
    }
    let operation: O = read_fields(kind, fields)?;
    Ok(Box::pin(async move { Ok(plain(&agent.submit(&mount, &operation).await?)) }))
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
