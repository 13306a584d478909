//! Where to look for an owner's host.
use std::str::FromStr;

use clawnet_core::{OwnerId, PublicKey};
use tokio_tungstenite::tungstenite::http::Uri;

use super::refusal::LinkError;

/// Where an owner's host listens, and which node it should be.
///
/// Written `wss://host:port/path`. The host's name is only looked up, never believed: what is there
/// proves itself by its node key, or by the owner's claim if the node is not known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    url: Uri,
    node: Option<PublicKey>,
}

impl Route {
    /// A way to exactly this node, and no other. The directory vouches that it is the owner's
    /// host: frames are sent there whether the owner has claimed the link or not.
    #[must_use]
    pub fn expecting(self, node: PublicKey) -> Self {
        Self { node: Some(node), ..self }
    }

    /// The node that should be there.
    #[must_use]
    pub const fn node(&self) -> Option<PublicKey> {
        self.node
    }

    pub(super) const fn url(&self) -> &Uri {
        &self.url
    }

    pub(super) fn host(&self) -> &str {
        self.url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_u16().unwrap_or(443)
    }
}

impl FromStr for Route {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let url: Uri = text.parse().map_err(|_| LinkError::NoRoute)?;
        let secure = url.scheme_str() == Some("wss");
        let plain = url.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if !secure || plain || url.host().is_none_or(str::is_empty) {
            return Err(LinkError::NoRoute);
        }
        Ok(Self { url, node: None })
    }
}

/// Where the application knows owners' hosts to be. Asked for each frame: keep it in memory.
///
/// Implemented for closures.
pub trait Directory: Send + Sync + 'static {
    /// The way to the host of `owner`, if one is known. Owners whose hosts have linked here, and
    /// have proven to speak for them, need none.
    fn route(&self, owner: OwnerId) -> Option<Route>;
}

impl<F: Fn(OwnerId) -> Option<Route> + Send + Sync + 'static> Directory for F {
    fn route(&self, owner: OwnerId) -> Option<Route> {
        self(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_has_routes() {
        let check = |text: &str, expect: Option<(&str, u16)>| {
            let route = text.parse::<Route>().ok();
            let found = route.as_ref().map(|route| (route.host(), route.port()));
            assert_eq!(found, expect, "{text}");
        };
        check("wss://one.example/link", Some(("one.example", 443)));
        check("wss://127.0.0.1:9000", Some(("127.0.0.1", 9000)));
        check("wss://[::1]:9000/", Some(("::1", 9000)));
        check("ws://one.example/link", None);
        check("https://one.example/link", None);
        check("wss://me:secret@one.example/", None);
        check("one.example", None);
        check("", None);
    }
}
