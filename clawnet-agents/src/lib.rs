//! Manager and identity agents, over [`clawnet_core`].
//!
//! The think/act loop belongs here: it drives a model the application supplies, and turns the model's
//! JSON into typed operations at one border. So do the three memory layers of an identity, and the
//! manager, which reads across identities and has no hands. This release holds the border itself:
//! [`ToolCall`], a model's wish as *one* operation whose demands the application's own table decides,
//! never the model.
//!
//! ```
//! # use clawnet_agents::{ToolCall, Tools};
//! # use clawnet_core::{Action, Operation};
//! let tools = Tools::new().tool("mail.send", |arguments| {
//!     let to = arguments.get("to")?.as_str()?;
//!     Some(vec![(Action::Send, format!("tool:mail.send.{to}"))])
//! });
//! let wish = r#"{"tool":"mail.send","arguments":{"to":"ann"}}"#;
//! let call: ToolCall = tools.call(wish)?;
//! assert_eq!(call.demands().iter().count(), 1);
//!
//! assert!(tools.call(r#"{"tool":"shell","arguments":{}}"#).is_err());          // unknown: denied
//! assert!(tools.call(r#"{"tool":"mail.send","arguments":{}}"#).is_err());      // unmapped: denied
//! # Ok::<_, clawnet_agents::ToolError>(())
//! ```

mod tool;

pub use tool::{ToolCall, ToolError, Tools};
