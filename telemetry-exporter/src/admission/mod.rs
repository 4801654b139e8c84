//! How much of the service one client, and all together, may take: connections, requests, and bytes that wait to be read.
//!
//! Not here: who may have what (`access`), and what a connection is (`transport`).

mod client;
mod held;
mod limits;
mod marks;
mod places;
mod quota;
mod rate;
mod waiting;

pub use client::Client;
pub use held::{Amount, HeldBody, room};
pub use limits::Limits;
pub use places::{Place, Places, Wait};
pub use quota::{Full, Quota, Share};
pub use rate::Rates;
pub use waiting::Waiting;
