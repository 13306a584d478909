//! What is over by time.
use super::{Party, PartyError};
use crate::{id::SessionId, lanes::Token, relations::Relations, said::Said};

impl Party {
    /// Ends the sessions whose time is over, and says which. Call it now and then, and when the
    /// owner froze or retired an identity: others are told of what that ended.
    pub async fn tick(&self) -> Result<Vec<SessionId>, PartyError> {
        let kernel = &self.desk.kernel;
        let now = kernel.now();
        let lapsing = kernel.read(|net: &Relations| net.lapsing(now))?;
        let mut over = Vec::new();
        let count = lapsing.len();
        for (nth, (session, reason)) in lapsing.into_iter().enumerate() {
            let said = Said::Ended { reason, session };
            // One wait for the disk is enough for all.
            let declared = if nth + 1 == count {
                kernel.declare::<Relations>(&said, None).await
            } else {
                kernel.declare_buffered::<Relations>(&said)
            };
            // One may have ended with another, or by somebody's word meanwhile.
            match declared.map_err(PartyError::from) {
                Ok(_) => over.push(session),
                Err(PartyError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.stir_ended();
        self.stir_rekeyed();
        Ok(over)
    }

    /// This owner's keys changed, past this party: whoever has not been told is.
    fn stir_rekeyed(&self) {
        let untold = self.desk.read(|net| {
            let due = net.due().filter_map(|peer| Some((peer, net.contact(peer)?.rekeyed?)));
            Some(due.collect::<Vec<_>>())
        });
        for (peer, act) in untold.into_iter().flatten() {
            self.desk.lanes.stir_for(peer, Token::Act(act));
        }
    }
}
