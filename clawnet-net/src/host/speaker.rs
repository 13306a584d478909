//! What links between hosts have kernels say, which are opened for it.
use std::sync::Arc;

use async_trait::async_trait;
use clawnet_core::{Credential, Kernel, OwnerId, Signature};

use super::Host;
use crate::transport::{NotVouched, Speaker};

/// Speaks for one owner of a host, whose kernel it opens when a link asks, and holds no longer.
struct Lodger {
    host: Host,
    owner: OwnerId,
}

#[async_trait]
impl Speaker for Lodger {
    fn owner(&self) -> OwnerId {
        self.owner
    }

    async fn vouch(&self, statement: &[u8]) -> Result<(Credential, Signature), NotVouched> {
        let guest = self.host.party(self.owner).await;
        let guest = guest.map_err(|error| NotVouched(error.to_string()))?;
        Speaker::vouch(&**guest.kernel() as &Kernel, statement).await
    }
}

impl Host {
    /// Speaks for one of this host's owners, for [`TlsTransport::speak_for`]: their kernel is opened
    /// when a link asks, and may be put away again.
    ///
    /// [`TlsTransport::speak_for`]: crate::TlsTransport::speak_for
    #[must_use]
    pub fn speaker(&self, owner: OwnerId) -> Arc<dyn Speaker> {
        Arc::new(Lodger { host: self.clone(), owner })
    }
}
