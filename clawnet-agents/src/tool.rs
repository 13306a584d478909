//! A model's wish as one operation. The application says what each tool touches.
use std::{collections::BTreeMap, fmt};

use clawnet_core::{Action, Demands, Effect, Operation, Resource};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What one tool touches, given its arguments; none if they are not understood.
type Mapper = Box<dyn Fn(&Map<String, Value>) -> Option<Vec<(Action, String)>> + Send + Sync>;

/// The tools an application offers, each with what it touches.
///
/// **Refuses** a tool that is not in the table, arguments its mapper does not understand, and a
/// mapper that names nothing: what cannot be judged is not asked for.
#[derive(Default)]
pub struct Tools(BTreeMap<String, Mapper>);

impl Tools {
    /// No tools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a tool called `name`, and what it touches: every (action, resource text).
    #[must_use]
    pub fn tool(
        mut self,
        name: &str,
        touches: impl Fn(&Map<String, Value>) -> Option<Vec<(Action, String)>> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name.into(), Box::new(touches));
        self
    }

    /// Reads one wish, `{"tool":…,"arguments":{…}}`, as a model writes it.
    pub fn call(&self, wish: &str) -> Result<ToolCall, ToolError> {
        let wish: Wish =
            serde_json::from_str(wish).map_err(|error| ToolError::Unreadable(error.to_string()))?;
        let Wish { tool, arguments } = wish;
        let mapper = self.0.get(&tool).ok_or_else(|| ToolError::Unknown(tool.clone()))?;
        let unmapped = || ToolError::Unmapped(tool.clone());
        let named = mapper(&arguments).ok_or_else(unmapped)?;
        let resources = named.into_iter().map(|(action, text)| Some((action, text.parse().ok()?)));
        let mut touches = resources.collect::<Option<Vec<_>>>().ok_or_else(unmapped)?.into_iter();
        let first = touches.next().ok_or_else(unmapped)?;
        Ok(ToolCall { arguments, tool, first, more: touches.collect() })
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One call of one tool. Made only by [`Tools::call`], so its demands are the application's.
#[derive(Debug, Clone, Serialize)]
pub struct ToolCall {
    arguments: Map<String, Value>,
    tool: String,
    #[serde(skip)]
    first: (Action, Resource),
    #[serde(skip)]
    more: Vec<(Action, Resource)>,
}

impl ToolCall {
    /// Which tool.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// With which arguments.
    #[must_use]
    pub fn arguments(&self) -> &Map<String, Value> {
        &self.arguments
    }
}

impl Operation for ToolCall {
    const KIND: &'static str = "tool.call";
    type Output = Value;
    const EFFECT: Effect = Effect::Release;

    fn demands(&self) -> Demands<'_> {
        let first = Demands::one(self.first.0, &self.first.1);
        self.more.iter().fold(first, |demands, (action, resource)| demands.and(*action, resource))
    }
}

/// Why a wish is no operation. Tell the model; nothing was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// It is not `{"tool":…,"arguments":{…}}`.
    #[error("not a tool call: {0}")]
    Unreadable(String),
    /// No such tool is offered.
    #[error("no tool `{0}` is offered")]
    Unknown(String),
    /// The tool does not understand these arguments.
    #[error("the tool `{0}` does not understand these arguments")]
    Unmapped(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    tool: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wish: &str, expect: &Result<(), ToolError>) {
        let read = |arguments: &Map<String, Value>| {
            Some(vec![(Action::Read, format!("fs:{}", arguments.get("path")?.as_str()?))])
        };
        let tools = Tools::new().tool("read", read).tool("idle", |_| Some(Vec::new()));
        assert_eq!(&tools.call(wish).map(drop), expect, "{wish}");
    }

    #[test]
    fn what_cannot_be_judged_is_not_asked_for() {
        check(r#"{"tool":"read","arguments":{"path":"/a"}}"#, &Ok(()));
        let unmapped = |tool: &str| Err(ToolError::Unmapped(tool.into()));
        check(r#"{"tool":"read","arguments":{"path":"/a/../b"}}"#, &unmapped("read"));
        check(r#"{"tool":"read","arguments":{}}"#, &unmapped("read"));
        check(r#"{"tool":"idle"}"#, &unmapped("idle"));
        check(r#"{"tool":"shell"}"#, &Err(ToolError::Unknown("shell".into())));
        let odd = r#"{"tool":"read","arguments":{"path":"/a"},"as":"owner"}"#;
        assert!(Tools::new().call(odd).is_err_and(|error| error.to_string().contains("`as`")));
    }
}
