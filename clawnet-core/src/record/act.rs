//! What only the owner may decide, and the signature that proves who did.
use serde::{Deserialize, Serialize};

use crate::{
    approval::Approval,
    digest::Digest,
    fact::Fact,
    id::{AgentId, GrantId, IdentityId, OwnerId, TicketId},
    key::{BadSignature, PublicKey, Signature},
    rule::Grant,
};

/// What the owner decided, and the signature that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SignedAct {
    /// The decision.
    pub act: Act,
    /// Its place among the owner's acts, counted from 1, so that none can be replayed.
    pub number: u64,
    /// By the owner's key, over [`SignedAct::statement`].
    pub signature: Signature,
}

impl SignedAct {
    pub(crate) fn new(act: Act, number: u64, signature: Signature) -> Self {
        Self { act, number, signature }
    }

    /// Checks that the holder of `key` decided this, in the ledger of `owner`. That it was the
    /// owner's key then is for a [`Credential`](crate::Credential) to say.
    pub fn verify(&self, owner: OwnerId, key: &PublicKey) -> Result<(), BadSignature> {
        key.verify(&Self::statement(owner, self.number, &self.act), &self.signature)
    }

    /// The bytes a signature is over: a line that says what this is, then canonical JSON.
    #[must_use]
    pub fn statement(owner: OwnerId, number: u64, act: &Act) -> Vec<u8> {
        #[derive(Serialize)]
        struct Statement<'a> {
            act: &'a Act,
            ledger: OwnerId,
            number: u64,
        }
        let mut bytes = b"clawnet owner act v1\n".to_vec();
        // Acts are plain data with text keys: writing them to memory cannot fail, and a cut
        // statement would verify nothing.
        let statement = Statement { act, ledger: owner, number };
        if serde_json::to_writer(&mut bytes, &statement).is_err() {
            bytes.clear();
        }
        bytes
    }
}

/// A decision only the owner can take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Act {
    /// Said yes to a question.
    Approve(Approval),
    /// Let an agent act for an identity.
    Bind {
        /// The agent.
        agent: AgentId,
        /// For whom.
        identity: IdentityId,
        /// The job it is to have a go at, if it is bound for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
        /// What it is called.
        name: String,
        /// Where it runs, such as `claude-code`.
        runtime: String,
    },
    /// Let this kernel sign checkpoints from here on, in place of the key before it.
    Certify {
        /// The kernel's public key.
        key: PublicKey,
    },
    /// Something another crate has to say, and the owner stands for: a fact of one of its
    /// projections.
    Declare {
        /// What is so.
        fact: Fact,
    },
    /// Ended an agent's right to act.
    Dismiss {
        /// The agent.
        agent: AgentId,
    },
    /// Had a body removed for good. The ledger still verifies, and says so.
    Erase {
        /// Its content digest.
        body: Digest,
    },
    /// Stopped an identity, or everything.
    Freeze {
        /// Which identity, or none for everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<IdentityId>,
    },
    /// Issued a grant.
    Grant {
        /// Its identifier.
        grant: GrantId,
        /// To whom.
        identity: IdentityId,
        /// Its rules.
        rules: Grant,
    },
    /// Made an identity, beneath another or beneath the owner.
    Identity {
        /// Its identifier.
        identity: IdentityId,
        /// What it is called.
        name: String,
        /// Whose scope limits it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<IdentityId>,
    },
    /// Signs with another key from here on.
    Rekey {
        /// The new public key.
        key: PublicKey,
        /// By the new key, that its holder agrees.
        proof: Signature,
    },
    /// Said no to a question.
    Reject {
        /// Which.
        ticket: TicketId,
    },
    /// Ended an identity for good.
    Retire {
        /// The digest of its archive.
        archive: Digest,
        /// Which.
        identity: IdentityId,
    },
    /// Took a grant back.
    Revoke {
        /// Which.
        grant: GrantId,
    },
    /// Let an identity, or everything, go on.
    Unfreeze {
        /// Which identity, or none for everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<IdentityId>,
    },
}

impl Act {
    /// The fact this declares, if it does.
    pub(crate) fn fact(&self) -> Option<&Fact> {
        if let Self::Declare { fact } = self { Some(fact) } else { None }
    }
}

/// What the holder of a new owner's key signs, so that nobody is made owner unawares or by a slip:
/// a line that says what this is, then canonical JSON.
pub(crate) fn key_statement(owner: OwnerId, number: u64, key: PublicKey) -> Vec<u8> {
    let statement = format!(r#"{{"key":"{key}","ledger":"{owner}","number":{number}}}"#);
    format!("clawnet owner key v1\n{statement}").into_bytes()
}
