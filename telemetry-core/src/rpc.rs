//! Rpcs: named procedures that a client calls, JSON in and out.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::meta::code;
use crate::metric::{Of, Part, part};

/// Why an rpc gave no answer, in the words of gRPC's status codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    code: RpcCode,
    message: String,
}

/// The kind of an [`RpcError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RpcCode {
    /// The request is not what the rpc wants.
    InvalidArgument,
    /// What was asked for does not exist.
    NotFound,
    /// Nobody serves the rpc at the moment.
    Unavailable,
    /// The rpc tried and failed.
    Failed,
}

impl RpcError {
    /// The request is not what the rpc wants.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self { code: RpcCode::InvalidArgument, message: message.into() }
    }

    /// What was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { code: RpcCode::NotFound, message: message.into() }
    }

    /// Nobody can answer at the moment.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { code: RpcCode::Unavailable, message: message.into() }
    }

    /// The rpc tried and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: RpcCode::Failed, message: message.into() }
    }

    /// What kind of failure it was.
    pub fn code(&self) -> RpcCode {
        self.code
    }

    /// The text for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RpcError {}

/// The answer to come: JSON, or why not.
pub type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>, RpcError>> + Send>>;

/// An rpc, whatever its types.
pub trait RpcSource: Send + Sync {
    /// Starts a call with this JSON. An empty request is `null`.
    fn call(&self, json: &[u8]) -> Answer;
}

type Handler<Request, Response> =
    Arc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Result<Response, RpcError>> + Send>> + Send + Sync>;

/// A procedure that the owner of the state serves.
///
/// ```
/// use telemetry_core::{Rpc, RpcError, rpc};
///
/// /// Adds two numbers.
/// #[rpc(name = "doc_add")]
/// static ADD: Rpc<(i64, i64), i64>;
///
/// let serving = ADD.serve(|(a, b)| async move {
///     a.checked_add(b).ok_or_else(|| RpcError::invalid_argument("the sum is beyond 64 bits"))
/// });
/// # drop(serving);
///
/// /// Negates a number.
/// #[rpc(name = "doc_negate")]
/// async fn negate(number: i64) -> Result<i64, RpcError> { Ok(-number) }
/// ```
pub struct Rpc<Request, Response> {
    handler: Mutex<Option<Handler<Request, Response>>>,
}

/// Ends the serving of an rpc when it is dropped.
#[must_use = "the rpc is served until this is dropped"]
pub struct Serving<Request: 'static, Response: 'static> {
    rpc: &'static Rpc<Request, Response>,
    handler: Handler<Request, Response>,
}

impl<Request, Response> Rpc<Request, Response> {
    /// An rpc that nobody serves yet.
    #[allow(clippy::new_without_default)] // only a macro makes a useful one
    pub const fn new() -> Self {
        Self { handler: Mutex::new(None) }
    }

    /// Sets what answers; the handler before it is replaced. A call that runs is not disturbed.
    pub fn serve<F, A>(&'static self, handler: F) -> Serving<Request, Response>
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response, RpcError>> + Send + 'static,
    {
        let handler: Handler<Request, Response> = Arc::new(move |request| Box::pin(handler(request)));
        let replaced = self.handler.lock().replace(Arc::clone(&handler));
        drop(replaced); // outside the lock: it is the user's
        Serving { rpc: self, handler }
    }
}

impl<Request, Response> Drop for Serving<Request, Response> {
    fn drop(&mut self) {
        let mut current = self.rpc.handler.lock();
        let own = current.as_ref().is_some_and(|handler| Arc::ptr_eq(handler, &self.handler));
        let withdrawn = if own { current.take() } else { None };
        drop(current);
        drop(withdrawn);
    }
}

impl<Request: DeserializeOwned + 'static, Response: Serialize + 'static> RpcSource for Rpc<Request, Response> {
    fn call(&self, json: &[u8]) -> Answer {
        match self.handler.lock().clone() {
            Some(handler) => run(json, |request| handler(request)),
            None => Box::pin(std::future::ready(Err(RpcError::unavailable("nobody serves this rpc at the moment")))),
        }
    }
}

/// A type that `#[rpc]` may stand on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an rpc",
    note = "wanted `Rpc<Request, Response>`, where `Request` derives `serde::Deserialize` and `Response` `serde::Serialize`"
)]
pub trait RpcType {
    /// What the type tells.
    type Part: Part;
}

impl<Q: DeserializeOwned + 'static, A: Serialize + 'static> RpcType for Rpc<Q, A> {
    type Part = Of<Self, (), { code::RPC }>;
}

/// What a function that is an rpc may take.
pub trait Asked {
    /// What the types tell of a function; `A` is that of its answer.
    type Part<A: 'static>: Part;
}

impl<T: DeserializeOwned + 'static> Asked for T {
    type Part<A: 'static> = Of<RpcFn<T, A>, (), { code::RPC }>;
}

/// What a function that is an rpc may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what an rpc returns",
    note = "wanted `Result<Response, RpcError>`, where `Response` derives `serde::Serialize`"
)]
pub trait Answered {
    /// The type itself.
    type Own: 'static;
}

impl<T: Serialize + 'static> Answered for Result<T, RpcError> {
    type Own = Self;
}

part!(<Q, A> static Rpc<Q, A>, (), code::RPC, Rpc::new(), ());
part!(<Q, A> fn RpcFn<Q, A>, code::RPC, ());

type Boxed<A> = Pin<Box<dyn Future<Output = A> + Send>>;

/// An rpc that a function answers.
#[doc(hidden)]
pub struct RpcFn<Q, A>(fn(Q) -> Boxed<A>);

impl<Q, A> RpcFn<Q, A> {
    pub const fn new(call: fn(Q) -> Boxed<A>) -> Self {
        Self(call)
    }
}

impl<Q: DeserializeOwned, T: Serialize + 'static> RpcSource for RpcFn<Q, Result<T, RpcError>> {
    fn call(&self, json: &[u8]) -> Answer {
        run(json, self.0)
    }
}

#[doc(hidden)]
pub fn boxed<A>(answer: impl Future<Output = A> + Send + 'static) -> Boxed<A> {
    Box::pin(answer)
}

/// An rpc that was declared at run time.
pub(crate) struct RuntimeRpc<Request, F> {
    pub handler: F,
    pub request: std::marker::PhantomData<fn(Request)>,
}

impl<Request, Response, A, F> RpcSource for RuntimeRpc<Request, F>
where
    Request: DeserializeOwned,
    Response: Serialize,
    A: Future<Output = Result<Response, RpcError>> + Send + 'static,
    F: Fn(Request) -> A + Send + Sync,
{
    fn call(&self, json: &[u8]) -> Answer {
        run(json, &self.handler)
    }
}

fn run<Request, Response, A>(json: &[u8], handler: impl Fn(Request) -> A) -> Answer
where
    Request: DeserializeOwned,
    Response: Serialize,
    A: Future<Output = Result<Response, RpcError>> + Send + 'static,
{
    match request(json) {
        Ok(request) => {
            let answer = handler(request);
            Box::pin(async move { response(&answer.await?) })
        }
        Err(error) => Box::pin(std::future::ready(Err(error))),
    }
}

fn request<Request: DeserializeOwned>(json: &[u8]) -> Result<Request, RpcError> {
    let json = if json.is_empty() { b"null" } else { json };
    serde_json::from_slice(json).map_err(|error| RpcError::invalid_argument(format!("the request is not as wanted: {error}")))
}

fn response<Response: Serialize>(response: &Response) -> Result<Vec<u8>, RpcError> {
    serde_json::to_vec(response).map_err(|error| RpcError::failed(format!("the answer does not serialise: {error}")))
}
