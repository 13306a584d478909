//! The laws, on the kernel itself: against the reference model where there is one, and by their own
//! words where not. Each test prints the mix of answers it reached: a generator that only sees
//! denials proves little.
#![cfg(test)]

mod approvals;
pub(crate) mod bench;
mod causes;
mod commands;
mod durability;
mod laws;
mod ledger;
mod races;
mod scope;
mod translate;
