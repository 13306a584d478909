//! What is over by time.
use futures_util::future::join_all;

use super::{Party, PartyError};
use crate::{id::SessionId, lanes::Token, relations::Relations, said::Said};

impl Party {
    /// Ends the sessions whose time is over, and says which. Call it now and then, and when the
    /// owner froze or retired an identity: others are told of what that ended.
    pub async fn tick(&self) -> Result<Vec<SessionId>, PartyError> {
        let kernel = &self.desk.kernel;
        let now = kernel.now();
        let lapsing = kernel.read(|net: &Relations| net.lapsing(now))?;
        // Others are told of each, so each is to be on the disk: they wait for it together.
        let declared = join_all(lapsing.into_iter().map(async |(session, reason)| {
            let said = Said::Ended { reason, session };
            let declared = kernel.declare::<Relations>(&said, None).await;
            declared.map(|_| session)
        }));
        let mut over = Vec::new();
        for declared in declared.await {
            // One may have ended with another, or by somebody's word meanwhile.
            match declared.map_err(PartyError::from) {
                Ok(session) => over.push(session),
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
