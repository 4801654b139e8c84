//! Rpcs: named procedures that a client calls, JSON in and out.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{self, CallError, Caller};
use crate::meta::code;
use crate::metric::{Of, Part, Written, part};

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
    /// None where no macro declares it.
    name: Option<&'static str>,
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
        Self { name: None, handler: Mutex::new(None) }
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

    /// Calls the rpc of another program, which serves the same declaration, as through a client of `telemetry-exporter`.
    ///
    /// ```
    /// use telemetry_core::{CallError, Caller, Rpc, rpc};
    ///
    /// /// Doubles a number.
    /// #[rpc(name = "doc_double")]
    /// static DOUBLE: Rpc<i64, i64>;
    ///
    /// async fn four<C: Caller>(client: &C) -> Result<i64, CallError<C::Error>> {
    ///     DOUBLE.call(client, &2).await
    /// }
    /// ```
    ///
    /// # Errors
    /// The request does not serialise, the client got no answer, or one that is no `Response`; or no macro declares this static.
    pub fn call<C: Caller + ?Sized>(
        &self,
        caller: &C,
        request: &Request,
    ) -> impl Future<Output = Result<Response, CallError<C::Error>>> + Send
    where
        Request: Serialize,
        Response: DeserializeOwned,
    {
        let called = self.name.map(|name| call::call(caller, name, request));
        async move {
            let Some(called) = called else { return Err(CallError::Undeclared) };
            called.await
        }
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

part!(<Q, A> static Rpc<Q, A>, (), code::RPC, Rpc::new(), (Q, Result<A, RpcError>));
part!(<Q, A> fn RpcFn<Q, A>, code::RPC, (Q, A));

impl<Q, A, const FIELDS: usize, const MODULE: usize> Written<FIELDS, Of<Rpc<Q, A>, (), { code::RPC }>, MODULE> {
    /// The rpc with its name.
    pub const fn completed(&self, mut rpc: Rpc<Q, A>, name: &'static str) -> Rpc<Q, A> {
        rpc.name = Some(name);
        rpc
    }
}

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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::error::Error;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::call::call;

    static DOUBLE: Rpc<u32, u32> = Rpc::new();

    /// Has the rpc itself for a server.
    struct Beside(&'static dyn RpcSource);

    impl Caller for Beside {
        type Error = RpcError;

        async fn call(&self, name: &str, json: Vec<u8>) -> Result<Vec<u8>, RpcError> {
            if name == "double" { self.0.call(&json).await } else { Err(RpcError::not_found(name)) }
        }
    }

    /// What is there at once.
    fn now<T>(future: impl Future<Output = T> + Send) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("nothing is waited for"),
        }
    }

    #[test]
    fn an_answer_is_of_its_type_or_an_error_says_where_it_failed() {
        let _serving = DOUBLE.serve(|number| async move {
            number.checked_mul(2).ok_or_else(|| RpcError::invalid_argument("the double is beyond 32 bits"))
        });
        let beside = Beside(&DOUBLE);
        assert_eq!(now(call(&beside, "double", &21)), Ok(42));
        assert_eq!(now(call::<_, u32, _>(&beside, "treble", &21)), Err(CallError::Caller(RpcError::not_found("treble"))));
        let refused = now(call::<_, u32, _>(&beside, "double", &u32::MAX)).expect_err("it is too much");
        assert_eq!(refused.to_string(), "the call failed: the double is beyond 32 bits");
        assert_eq!(refused.source().map(ToString::to_string).as_deref(), Some("the double is beyond 32 bits"));
        let other = now(call::<_, String, _>(&beside, "double", &21)).expect_err("it is a number").to_string();
        assert!(other.starts_with("the answer is not as wanted: invalid type: integer `42`, expected a string"), "{other}");
        let keys = std::collections::HashMap::from([((1, 2), 3)]);
        let none = now(call::<_, u32, _>(&beside, "double", &keys)).expect_err("no JSON has such keys").to_string();
        assert_eq!(none, "the request does not serialise: key must be a string");
    }

    #[test]
    fn a_static_that_no_macro_declares_has_no_name_to_call() {
        assert_eq!(now(DOUBLE.call(&Beside(&DOUBLE), &21)), Err(CallError::Undeclared));
    }
}
