//! One owner's consent is not the other's.
use clawnet_net::*;

fn open(session: Session<Invited>, ours: Consent<Ours>, theirs: Consent<Ours>) {
    let opened = session.open(ours, theirs);
    drop(opened);
}

fn main() {}
