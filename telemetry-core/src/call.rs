//! Calling an rpc of another program, with the types of its declaration.
//!
//! Not here: how a request gets there. A client does that, behind [`Caller`].

use std::error::Error;
use std::fmt;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What brings requests to a program and its answers back: a client.
pub trait Caller {
    /// Why there is no answer.
    type Error;

    /// Calls the rpc of this name with JSON; what comes back is JSON.
    ///
    /// # Errors
    /// The rpc was not reached, or refused or failed.
    fn call(&self, name: &str, json: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;
}

/// Why a typed call has no answer. `E` is the client's error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<E> {
    /// The request does not serialise: why. Nothing was sent.
    Request(String),
    /// The client got no answer.
    Caller(E),
    /// The answer is not of the type that was wanted: why. The rpc has run.
    Answer(String),
    /// The static is declared by no macro, and so has no name. Nothing was sent.
    Undeclared,
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(why) => write!(f, "the request does not serialise: {why}"),
            Self::Caller(error) => write!(f, "the call failed: {error}"),
            Self::Answer(why) => write!(f, "the answer is not as wanted: {why}"),
            Self::Undeclared => f.write_str("the rpc has no name: wanted a static that `#[rpc]` declares"),
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Caller(error) => Some(error),
            _ => None,
        }
    }
}

/// Calls an rpc by its name: one that is declared on a function, or at run time. One that is declared on a static is called through it
/// ([`Rpc::call`](crate::Rpc::call)).
///
/// ```
/// # use telemetry_core::{CallError, Caller};
/// # async fn example<C: Caller>(client: &C) -> Result<(), CallError<C::Error>> {
/// let sum: i64 = telemetry_core::call(client, "add", &(1, 2)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The request does not serialise, the client got no answer, or one that is no `Response`.
pub fn call<Request, Response, C>(
    caller: &C,
    name: &str,
    request: &Request,
) -> impl Future<Output = Result<Response, CallError<C::Error>>> + Send
where
    Request: Serialize + ?Sized,
    Response: DeserializeOwned,
    C: Caller + ?Sized,
{
    let sent = serde_json::to_vec(request).map(|json| caller.call(name, json));
    async move {
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => return Err(CallError::Request(error.to_string())),
        };
        let answer = sent.await.map_err(CallError::Caller)?;
        serde_json::from_slice(&answer).map_err(|error| CallError::Answer(error.to_string()))
    }
}
