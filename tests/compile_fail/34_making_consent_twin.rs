//! A consent is made by verifying a signature, and by nothing else.
use clawnet_net::*;

fn agree(session: &Session<Invited>) -> Option<Consent<Ours>> {
    session.ours()
}

fn main() {}
