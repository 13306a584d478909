//! A consent is made by verifying a signature, and by nothing else.
use clawnet_net::*;

fn agree(session: &Session<Invited>) -> Option<Consent<Ours>> {
    Some(Consent { terms: session.digest(), session: session.id(), whose: Default::default() })
}

fn main() {}
