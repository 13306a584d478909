//! Receipts: what a node says came of a directive.
//!
//! Each receipt names the one before it, so one signature covers every receipt up to it: what only
//! looks may be answered at once and be signed with those that follow.
use serde::{Deserialize, Serialize};

use super::{DirectiveError, FORMAT, Signed, of_text, to_text};
use crate::{
    denial::{Denial, DenyCode, shorten},
    digest::{ANSWER, Digest, RECEIPT},
    key::{PublicKey, Signature, SoftwareKey},
    operation::Code,
    time::Timestamp,
};

/// What came of one directive, as its node tells it. Unsigned it is hearsay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a node has to say each of it")]
pub struct Receipt {
    /// The digest of the answer that goes with it: [`Receipt::answer`].
    pub answer: Digest,
    /// When, by the node's clock.
    pub at: Timestamp,
    /// Which directive, by its digest.
    pub directive: Digest,
    /// The version of this format: 1.
    pub format: u16,
    /// The end of the node's own ledger, with the outcome in it.
    pub head: NodeHead,
    /// The directive's intent, in the ledger of its owner.
    pub intent: u64,
    /// The node, by its key.
    pub node: PublicKey,
    /// The directive's number.
    pub number: u64,
    /// What came of it.
    pub outcome: Reported,
    /// The digest of the receipt before this one, in a session's first that of the session.
    pub previous: Digest,
}

/// The end of a node's own ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a node has to say both")]
pub struct NodeHead {
    /// The chain hash of its last record.
    pub hash: Digest,
    /// How many records it has.
    pub size: u64,
}

/// What a node says came of a directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "a kernel must handle each of them")]
pub enum Reported {
    /// It was done.
    Done,
    /// It was tried and failed.
    Failed {
        /// Why, for programs.
        code: Code,
        /// Why, for people.
        what: String,
    },
    /// The node fell over half way and cannot tell.
    Interrupted,
    /// The node's own rules said no. Nothing was tried.
    Refused {
        /// Why, for programs.
        code: Code,
        /// Why, for people.
        what: String,
    },
}

impl Reported {
    /// Tried, and failed with this code and these words.
    pub(crate) fn failed(code: Code, what: String) -> Self {
        let code = if is_word(&code) { code } else { Code::new("other") };
        Self::Failed { code, what: shorten(what) }
    }

    /// Refused with a word of the node's own, in `snake_case`.
    #[must_use]
    pub fn refused(code: &'static str) -> Self {
        Self::Refused { code: Code::new(code).bounded(), what: String::new() }
    }

    fn is_bounded(&self) -> bool {
        let word = is_word;
        match self {
            Self::Done | Self::Interrupted => true,
            Self::Failed { code, what } | Self::Refused { code, what } => {
                word(code) && what.len() <= 1024
            }
        }
    }
}

impl From<&Denial> for Reported {
    /// What layer 2 of the node said, or that something else did.
    fn from(denial: &Denial) -> Self {
        let said = if let DenyCode::Endpoint(code) = &denial.code { Some(code) } else { None };
        let code = said.filter(|code| is_word(code)).cloned();
        let code = code.unwrap_or(Code::new("denied"));
        Self::Refused { code, what: shorten(denial.to_string()) }
    }
}

fn is_word(code: &Code) -> bool {
    let letters = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    (1..=64).contains(&code.as_str().len()) && code.as_str().bytes().all(letters)
}

impl Receipt {
    /// The version of the format.
    pub const FORMAT: u16 = FORMAT;

    /// The digest of an answer: its JSON, and the content beside it.
    #[must_use]
    pub fn answer(json: &[u8], content: &[u8]) -> Digest {
        ANSWER.digest(&[json, Digest::of_content(content).as_bytes()])
    }

    /// Its digest, which the next one names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        RECEIPT.digest(&[&to_text(self)])
    }

    /// Its canonical JSON, unsigned.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_text(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and nothing else.
    pub fn read(bytes: &[u8]) -> Result<Self, DirectiveError> {
        of_text(bytes).and_then(Self::bounded)
    }

    /// Signs it with the node's key.
    #[must_use]
    pub fn sign(self, key: &SoftwareKey) -> SignedReceipt {
        let signature = key.sign_now(&self.statement());
        SignedReceipt { receipt: self, signature }
    }

    /// The bytes a signature is over: a line that says what this is, then canonical JSON.
    #[must_use]
    pub fn statement(&self) -> Vec<u8> {
        [RECEIPT_LINE, &to_text(self)].concat()
    }

    fn bounded(self) -> Result<Self, DirectiveError> {
        let bounded = self.format == FORMAT && self.outcome.is_bounded();
        if bounded { Ok(self) } else { Err(DirectiveError::NotADirective) }
    }
}

/// A receipt and the node's signature: evidence, which the kernel keeps with the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    receipt: Receipt,
    signature: Signature,
}

impl SignedReceipt {
    /// What it says. Hearsay.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The bytes that travel: canonical JSON of the receipt and the signature.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_text(&Signed { said: &self.receipt, signature: self.signature })
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and nothing else.
    pub fn read(bytes: &[u8]) -> Result<Self, DirectiveError> {
        let Signed { said, signature } = of_text::<Signed<Receipt>>(bytes)?;
        Ok(Self { receipt: said.bounded()?, signature })
    }

    /// What it says, if `node` signed it.
    pub fn verify(&self, node: &PublicKey) -> Result<&Receipt, DirectiveError> {
        if self.receipt.node != *node {
            return Err(DirectiveError::OtherNode);
        }
        let signed = node.verify(&self.receipt.statement(), &self.signature);
        signed.map_err(|_| DirectiveError::BadSignature)?;
        Ok(&self.receipt)
    }
}

const RECEIPT_LINE: &[u8] = b"clawnet receipt v1\n";
