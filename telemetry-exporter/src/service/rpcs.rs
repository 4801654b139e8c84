//! Calling a declared rpc: on a thread of its own, so that a slow, blocking or panicking one harms nobody else.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use parking_lot::Mutex;
use telemetry_core::callback::{self, Failure};
use telemetry_core::{EntryRef, RpcCode, RpcError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tonic::Status;

use super::Service;
use crate::access::Caller;
use crate::admission::{self, Place};
use crate::limits::{ANSWER_BYTES_MAX, RPC_ANSWER_BYTES};
use crate::own::{Refusal, refused};

/// Room for calls: of all rpcs together, and of each.
pub struct Rpcs {
    rpcs: usize,
    calls: usize,
    all: Arc<Semaphore>,
    each: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Rpcs {
    /// For so many together, and so many calls of each.
    pub fn new(rpcs: usize, calls: usize) -> Self {
        Self { rpcs, calls, all: Arc::new(Semaphore::new(rpcs.min(Semaphore::MAX_PERMITS))), each: Mutex::default() }
    }

    /// Takes room for a call of a declared rpc, or says what is full.
    fn admit(&self, name: &str) -> Result<[OwnedSemaphorePermit; 2], String> {
        let mut each = self.each.lock();
        let own = each.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.calls.min(Semaphore::MAX_PERMITS))));
        let own = Arc::clone(own).try_acquire_owned().map_err(|_| format!("{} calls of it are running", self.calls))?;
        let all = Arc::clone(&self.all).try_acquire_owned().map_err(|_| format!("{} rpcs are running", self.rpcs))?;
        Ok([own, all])
    }
}

/// Calls the rpc of this name. Where who called goes, what is dropped here ends the call at its next wait.
///
/// # Errors
/// NOT_FOUND for an unknown name, INVALID_ARGUMENT for JSON that is not as wanted, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED beyond
/// the limits of rpcs, of calls of one and of [`ANSWER_BYTES_MAX`], INTERNAL for a panic, UNAVAILABLE where nobody serves it, and UNKNOWN for its own failure: each names the rpc.
pub async fn call(service: &Arc<Service>, caller: &Caller, place: &Arc<Place>, name: &str, json: String) -> Result<String, Status> {
    let found = service.registry.find(name).filter(|entry| entry.as_rpc().is_some());
    let Some(entry) = found else { return Err(Status::not_found(format!("no rpc is named \"{name}\""))) };
    service.let_have(caller, "rpc", name, entry.name(), entry.declaration().access())?;
    let deadline = service.places.limits().rpc_deadline;
    let refuse = |why: String| {
        refused(Refusal::Rpcs);
        Status::resource_exhausted(format!("{why}: \"{name}\" was not started"))
    };
    let permits = service.rpcs.admit(entry.name()).map_err(refuse)?;
    // Its answer waits to be read too.
    let room = timeout(deadline, admission::room(place, RPC_ANSWER_BYTES)).await;
    let _room = room.map_err(|_elapsed| refuse("too many bytes wait to be read".to_owned()))?;
    let (runtime, called) = (Handle::current(), entry.clone());
    let (waits, gone) = oneshot::channel::<()>();
    let running = tokio::task::spawn_blocking(move || {
        let _permits = permits; // given back when the call has ended, not when its caller has gone
        runtime.block_on(async {
            tokio::select! {
                answer = timeout(deadline, answer(&called, json)) => answer.map(Some),
                _who_called_has_gone = gone => Ok(None),
            }
        })
    });
    let ended = timeout(deadline, running).await;
    drop(waits);
    let late = || Failure::Late(deadline);
    match ended {
        Ok(Ok(Ok(Some(answer)))) => finish(&entry, answer),
        Ok(Ok(Err(_elapsed))) | Err(_elapsed) => Err(failed(&entry, &late())),
        Ok(Ok(Ok(None)) | Err(_)) => Err(Status::unavailable(format!("the rpc \"{name}\" was ended: the telemetry stops"))),
    }
}

type Answer = Result<Result<Vec<u8>, RpcError>, Failure>;

async fn answer(entry: &EntryRef, json: String) -> Answer {
    let called = AssertUnwindSafe(async {
        match entry.as_rpc() {
            Some(rpc) => rpc.call(json.as_bytes()).await,
            None => Err(RpcError::not_found("it is no rpc")),
        }
    });
    called.catch_unwind().await.map_err(callback::panicked)
}

fn finish(entry: &EntryRef, answer: Answer) -> Result<String, Status> {
    match answer {
        Ok(Ok(json)) if json.len() > ANSWER_BYTES_MAX => {
            let (name, bytes) = (entry.name(), json.len());
            let text = format!("the answer of the rpc \"{name}\" has {bytes} bytes: at most {ANSWER_BYTES_MAX} are allowed");
            Err(Status::resource_exhausted(text))
        }
        Ok(Ok(json)) => Ok(String::from_utf8_lossy(&json).into_owned()),
        Ok(Err(error)) => {
            let text = format!("the rpc \"{}\": {error}", entry.name());
            Err(match error.code() {
                RpcCode::InvalidArgument => Status::invalid_argument(text),
                RpcCode::NotFound => Status::not_found(text),
                RpcCode::Unavailable => Status::unavailable(text),
                _ => {
                    callback::report(entry, &Failure::Failed(error.message().to_owned()));
                    Status::unknown(text)
                }
            })
        }
        Err(failure) => Err(failed(entry, &failure)),
    }
}

fn failed(entry: &EntryRef, failure: &Failure) -> Status {
    callback::report(entry, failure);
    let text = format!("the rpc \"{}\" {failure}", entry.name());
    if matches!(failure, Failure::Late(_)) { Status::deadline_exceeded(text) } else { Status::internal(text) }
}
