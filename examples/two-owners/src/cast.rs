//! Who plays: three owners, what each has in their own folder, and what each lets an agent do.
use clawnet_core::{Action, Grant, OwnerId, Region, ResourceError, Signer as _, SoftwareKey};

/// An owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Buyer,
    Supplier,
    Carrier,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::Buyer, Self::Supplier, Self::Carrier];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Supplier => "supplier",
            Self::Carrier => "carrier",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.name() == name)
    }

    pub(crate) fn of(owner: OwnerId) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.id() == owner)
    }

    /// What the owner's identity is called to others.
    pub(crate) fn presented(self) -> &'static str {
        match self {
            Self::Buyer => "Brenner Heating, purchasing",
            Self::Supplier => "Valves & Daughters, sales",
            Self::Carrier => "Alpine Freight, dispatch",
        }
    }

    /// Secrets that are none, so that every run is the same.
    pub(crate) fn key(self) -> SoftwareKey {
        SoftwareKey::from_secret(&[self.seed(); 32])
    }

    pub(crate) fn kernel_key(self) -> SoftwareKey {
        SoftwareKey::from_secret(&[self.seed() + 100; 32])
    }

    pub(crate) fn seed(self) -> u8 {
        match self {
            Self::Buyer => 1,
            Self::Supplier => 2,
            Self::Carrier => 3,
        }
    }

    pub(crate) fn id(self) -> OwnerId {
        self.key().public_key().owner()
    }

    /// What is in the owner's own folder at the beginning.
    pub(crate) fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Buyer => &[
                ("trade/wanted.md", "article: valve DN50\nnumber: 2000\nto: Graz\n"),
                ("trade/budget.md", "at most: 19000.00\n"),
                ("private/plans.md", "Next year we make them ourselves.\n"),
            ],
            Self::Supplier => &[
                ("trade/price-list.md", "each: 9.40\neach from 1000 on: 9.10\n"),
                ("private/bottom-line.md", "each: 8.20\n"),
            ],
            Self::Carrier => &[
                ("trade/rates.md", "valves on a pallet: 500\na pallet to Graz: 120.00\n"),
                ("private/margins.md", "Graz: a third\n"),
            ],
        }
    }
}

/// What each owner's identity may do at all: use what is there for trading, look into what is
/// private, and speak to the other two.
pub(crate) fn identity_scope(who: Who) -> Result<Grant, ResourceError> {
    let all = [Action::Read, Action::List, Action::Write];
    let mut rules = Grant::new()
        .allow(all, Region::subtree("fs:/trade")?)
        .allow(all, Region::subtree("fs:/deals")?)
        .allow(Action::Read, Region::subtree("fs:/private")?);
    for other in Who::ALL.into_iter().filter(|other| *other != who) {
        rules = rules.allow(Action::Send, Region::exact(&format!("contact:{}", other.id()))?);
    }
    Ok(rules)
}

/// What either side may do on account of the deal, each in its own house, and whom else it may ask.
/// Not a word of what is private.
pub(crate) fn deal_scope() -> Result<Grant, ResourceError> {
    let all = [Action::Read, Action::List, Action::Write];
    let (trade, deals) = (Region::subtree("fs:/trade")?, Region::subtree("fs:/deals")?);
    let carrier = Region::exact(&format!("contact:{}", Who::Carrier.id()))?;
    Ok(Grant::new().allow(all, trade).allow(all, deals).allow(Action::Send, carrier))
}

/// The same of a question beneath it, which is within the deal's scope besides.
pub(crate) fn question_scope() -> Result<Grant, ResourceError> {
    Ok(Grant::new().allow(Action::Read, Region::subtree("fs:/trade")?))
}
