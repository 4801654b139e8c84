//! Who asks, what that proves, and who may have what.
//!
//! Not here: the words of HTTP and gRPC in which a request is refused (`service`).

mod identity;
mod policy;
mod rules;
mod tokens;

pub use identity::{Caller, Credential, Identity};
pub use policy::Policy;
pub use rules::{Denied, Rules};
pub use tokens::Tokens;
#[cfg(feature = "tls")]
pub use tokens::secret_to_others;
