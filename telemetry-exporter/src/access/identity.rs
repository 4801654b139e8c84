//! Who is at the other end of a connection, and what a request shows beside.

use std::sync::Arc;
use std::time::SystemTime;

use super::tokens::Secret;

/// Who is at the other end of a connection, as far as the transport proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The transport proves nothing.
    Anonymous,
    /// Somebody on this machine whom the file system let in, or whom the program trusts for coming over loopback.
    Local,
    /// The libp2p peer of this id.
    #[cfg_attr(not(feature = "libp2p"), allow(dead_code))] // made by that transport alone
    Peer(String),
    /// The holder of a certificate that one of the program's authorities signed.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))] // made by that transport alone
    Certificate,
}

/// What a request shows to prove who asks.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing.
    None,
    /// A token that is taken.
    Token(Arc<Secret>),
    /// What is no token that is taken.
    Wrong,
    /// A token that was taken until then.
    Expired(SystemTime),
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What the connection proves.
    pub identity: Identity,
    /// What the request shows.
    pub credential: Credential,
}

impl Caller {
    /// One that shows nothing.
    pub const fn of(identity: Identity) -> Self {
        Self { identity, credential: Credential::None }
    }
}
