//! Why a command gave no result: the file is wrong, or the kernel said no.
use clawnet_core::{
    BundleError, CheckpointError, ExportError, HeadError, ImportError, NotABundle, NotProven,
    NoteError, OwnerError, ProofError, ResourceError, StoreError, Unproven, WitnessError,
};

/// A command that did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The file cannot be understood, and ends here.
    Misread(String),
    /// The kernel refused, in a sentence: a result like any other, which a file can expect.
    Said(String),
}

impl Trouble {
    pub(super) fn misread(what: impl Into<String>) -> Self {
        Self::Misread(what.into())
    }

    pub(super) fn said(error: &impl std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        Self::Said(text)
    }
}

macro_rules! said {
    ($($error:ident,)*) => {$(
        impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                Self::said(&error)
            }
        }
    )*};
}

said! {
    BundleError,
    CheckpointError,
    ExportError,
    HeadError,
    ImportError,
    NotABundle,
    NotProven,
    NoteError,
    OwnerError,
    ProofError,
    ResourceError,
    StoreError,
    Unproven,
    WitnessError,
}

/// The tool's own files: a folder that cannot be made is nothing a scenario is about.
impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Misread(format!("the scenario's own folder cannot be used: {error}"))
    }
}
