//! What processes say to each other over their pipes: a line of JSON each.
use std::collections::BTreeMap;

use clawnet_core::PublicKey;
use serde::{Deserialize, Serialize};

use crate::account::Account;

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// What its ledger says in the end.
    Account(Account),
    /// It listens there.
    At(Place),
    /// It has nothing more to do, and waits.
    Over,
    /// Something happened.
    Tale(String),
}

/// What the parent says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    /// Give an account of it. It goes on serving the others.
    Account,
    /// Begin; the others are there.
    Begin(BTreeMap<String, Place>),
}

/// Where one of them listens, and which key it has to show there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) node: PublicKey,
    pub(crate) url: String,
}

impl Word {
    /// To the parent, in one piece.
    pub(crate) fn say(&self) {
        // Plain data: and if it could not be written, the parent would wait and give up.
        println!("{}", serde_json::to_string(self).unwrap_or_default());
    }
}
