//! Who asks, what that proves, and who may have what.
//!
//! Not here: the words of HTTP and gRPC in which a request is refused (`service`).

mod identity;
mod policy;
mod rules;
pub mod secret_file;
mod tokens;

pub use identity::{Caller, Identity};
pub use policy::Policy;
pub use rules::{Denied, Rules};
pub use tokens::Tokens;
