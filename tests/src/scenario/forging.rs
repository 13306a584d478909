//! Commands of somebody hostile: messages that are kept, changed, signed anew and shown again.
//!
//! Each hands one message over at once and tells what was answered, what the ledger has to say about
//! the refusal, and how many records there are besides.
use std::collections::BTreeMap;

use clawnet_core::{Digest, OwnerId, SignedAct, Signer as _};
use clawnet_net::{Envelope, SignedEnd, SignedEntry};
use futures::executor::block_on;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    answer::plain,
    carrying::{find, hand_over},
    letter::{answered, described},
    principal::key,
    step::Step,
    telling::refusals,
    trouble::Trouble,
    wire::{Flight, Which},
    world::World,
};

/// A message that was kept, or one on the wire.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "the name of a message, or which one on the wire")]
enum Of {
    Kept(String),
    Wire(Which),
}

impl Of {
    fn find(&self, world: &mut World) -> Result<Flight, Trouble> {
        let which = match self {
            Self::Kept(name) => return world.messages.find(name).cloned(),
            Self::Wire(which) => which,
        };
        let place = find(world, which)?;
        let flight = world.wire.flights().get(place).cloned();
        flight.ok_or_else(|| Trouble::misread("no such message is on the wire"))
    }
}

/// Keeps a copy of a message on the wire.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureStep {
    of: Which,
    r#as: String,
}

impl Step for CaptureStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let flight = Of::Wire(self.of.clone()).find(world)?;
        let captured = described(&flight.bytes);
        world.messages.keep(Some(&self.r#as), flight)?;
        Ok(json!({"captured": captured}))
    }
}

/// Changes a message, has it signed, and hands it over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForgeStep {
    of: Of,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    add: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    text: Option<String>,
    sign_as: Option<String>,
    #[serde(default)]
    spaced: bool,
    over: Option<String>,
    at: Option<String>,
    r#as: Option<String>,
}

impl Step for ForgeStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let mut flight = self.of.find(world)?;
        let mut letter = read(&flight.bytes)?;
        for (place, value) in &self.set {
            let field = letter.pointer_mut(place);
            let field =
                field.ok_or_else(|| Trouble::misread(format!("the message has no `{place}`")))?;
            *field = meant(world, value);
        }
        for (place, value) in &self.add {
            let (above, name) = place.rsplit_once('/').unwrap_or_default();
            let above = letter.pointer_mut(above).and_then(Value::as_object_mut);
            let above =
                above.ok_or_else(|| Trouble::misread(format!("nothing holds a `{place}`")))?;
            above.insert(name.into(), meant(world, value));
        }
        for place in &self.remove {
            let (above, name) = place.rsplit_once('/').unwrap_or_default();
            let above = letter.pointer_mut(above).and_then(Value::as_object_mut);
            let removed = above.and_then(|above| above.remove(name));
            removed.ok_or_else(|| Trouble::misread(format!("the message has no `{place}`")))?;
        }
        if let Some(text) = &self.text {
            retell(&mut letter, text)?;
        }
        if let Some(name) = &self.sign_as {
            sign(&mut letter, name)?;
        }
        flight.bytes = if self.spaced {
            serde_json::to_vec_pretty(&letter)
        } else {
            serde_json::to_vec(&letter)
        }
        .map_err(|error| Trouble::said(&error))?;
        world.messages.keep(self.r#as.as_deref(), flight.clone())?;
        show(world, flight, (self.over.as_deref(), self.at.as_deref()))
    }
}

/// A value as the file wrote it, or `{"id": name}` for what is called so, or `{"key": name}`.
fn meant(world: &World, value: &Value) -> Value {
    let named = |what: &str| {
        let fields = value.as_object().filter(|fields| fields.len() == 1)?;
        fields.get(what)?.as_str()
    };
    if let Some(name) = named("id") {
        world.names.id_or_text(name).into()
    } else if let Some(name) = named("key") {
        plain(&key(name).public_key())
    } else {
        value.clone()
    }
}

/// Puts other words into a turn, with the digest and the size that belong to them.
fn retell(letter: &mut Value, text: &str) -> Result<(), Trouble> {
    let turn = letter.pointer_mut("/body/entry/signed/entry/what/turn");
    let turn = turn.and_then(Value::as_object_mut);
    let turn = turn.ok_or_else(|| Trouble::misread("only a turn has a `text`"))?;
    turn.insert("body".into(), plain(&Digest::of_content(text.as_bytes())));
    turn.insert("size_bytes".into(), text.len().into());
    if let Some(spoken) = letter.pointer_mut("/body/entry/text") {
        *spoken = text.into();
    }
    Ok(())
}

/// Signs what a message carries with the key of this name.
fn sign(letter: &mut Value, name: &str) -> Result<(), Trouble> {
    let (place, statement) = if let Some(entry) = letter.pointer("/body/entry/signed") {
        ("/body/entry/signed/signature", part::<SignedEntry>(entry)?.statement())
    } else if let Some(end) = letter.pointer("/body/end") {
        ("/body/end/signature", part::<SignedEnd>(end)?.statement())
    } else if let Some(act) = letter.pointer("/body/act/shown/act") {
        let from: OwnerId = part(letter.pointer("/from").unwrap_or(&Value::Null))?;
        let act: SignedAct = part(act)?;
        let statement = SignedAct::statement(from, act.number, &act.act);
        ("/body/act/shown/act/signature", statement)
    } else {
        return Err(Trouble::misread("nothing in the message is signed by itself"));
    };
    let signature = block_on(key(name).sign(&statement));
    let signature = signature.map_err(|error| Trouble::said(&error))?;
    if let Some(field) = letter.pointer_mut(place) {
        *field = plain(&signature);
    }
    Ok(())
}

fn read(bytes: &[u8]) -> Result<Value, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| Trouble::said(&error))
}

fn part<T: DeserializeOwned>(value: &Value) -> Result<T, Trouble> {
    serde_json::from_value(value.clone()).map_err(|error| Trouble::said(&error))
}

/// Hands a message over, and tells all that came of it. The answers go nowhere.
fn show(
    world: &mut World,
    mut flight: Flight,
    (over, at): (Option<&str>, Option<&str>),
) -> Result<Value, Trouble> {
    if let Some(at) = at {
        at.clone_into(&mut flight.to);
    }
    let link = over.unwrap_or(&flight.from).to_owned();
    let (party, owner) = world.hand(Some(&flight.to))?;
    let before = party.kernel().head().sequence;
    let mut result = answered(&hand_over(world, &flight, &link)?);
    let after = party.kernel().head().sequence;
    let refusals = refusals(&owner, before + 1)?.into_iter().map(|refused| refused.reason);
    let refusals: Vec<_> = refusals.collect();
    let changed = (after - before).saturating_sub(refusals.len() as u64);
    result.insert("recorded".into(), json!(refusals));
    result.insert("changed".into(), changed.into());
    Ok(Value::Object(result))
}

/// Sends a message to any address at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressStep {
    of: Of,
    to: String,
    over: Option<String>,
    at: Option<String>,
}

impl Step for AddressStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let mut flight = self.of.find(world)?;
        let mut letter = read(&flight.bytes)?;
        let parts = self.to.split('@').map(|part| world.names.id_or_text(part));
        let to = parts.collect::<Vec<_>>().join("@");
        if let Some(fields) = letter.as_object_mut() {
            fields.insert("to".into(), to.into());
        }
        flight.bytes = serde_json::to_vec(&letter).map_err(|error| Trouble::said(&error))?;
        show(world, flight, (self.over.as_deref(), self.at.as_deref()))
    }
}

macro_rules! spoiling {
    ($(
        $(#[$doc:meta])*
        $step:ident { $($field:ident: $type:ty)? }, |$self:ident, $bytes:ident| $spoiled:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $step {
            of: Of,
            $($field: $type,)?
            over: Option<String>,
            at: Option<String>,
        }

        impl Step for $step {
            fn run(&$self, world: &mut World) -> Result<Value, Trouble> {
                let Flight { from, to, bytes: $bytes } = $self.of.find(world)?;
                let flight = Flight { from, to, bytes: $spoiled };
                show(world, flight, ($self.over.as_deref(), $self.at.as_deref()))
            }
        }
    )*};
}

spoiling! {
    /// Shows a message once more, as it is.
    ReplayStep {}, |self, bytes| bytes;
    /// Cuts the end of a message off.
    TruncateStep { bytes: usize }, |self, bytes| {
        let left = bytes.len().saturating_sub(self.bytes);
        bytes.get(..left).unwrap_or_default().to_vec()
    };
    /// Flips a bit of a message.
    FlipStep { bit: usize }, |self, bytes| flipped(bytes, self.bit)?;
    /// Makes a message larger than any may be.
    OversizeStep {}, |self, bytes| padded(bytes);
}

fn flipped(mut bytes: Vec<u8>, bit: usize) -> Result<Vec<u8>, Trouble> {
    let byte = bytes.get_mut(bit / 8);
    let byte = byte.ok_or_else(|| Trouble::misread("the message has no such bit"))?;
    *byte ^= 1 << (bit % 8);
    Ok(bytes)
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(Envelope::SIZE_BYTES_MAX + 1, b' ');
    bytes
}
