//! Leases: what a client wants for a time, as long as its request is open, it is listed, and the time is not over.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::{Stream, StreamExt, stream};
use telemetry_core::Access;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::Service;
use crate::access::Caller;
use crate::admission::Client;
use crate::leases::Lease;
use crate::limits::{JUDGED_EVERY, LEASE, LEASE_EVERY, LEASE_EVERY_MIN, LEASE_MAX};
use crate::own::{Refusal, refused};
use crate::pb;
use crate::stream::{NamedLog, StreamKind};

/// What is wanted, and by whom.
pub struct Wanted {
    pub client: Client,
    pub caller: Caller,
    pub stream: Arc<NamedLog>,
    pub every: Duration,
    pub lasts: Duration,
}

impl Wanted {
    /// Of this request.
    pub fn new(client: Client, caller: Caller, stream: Arc<NamedLog>, request: &pb::LeaseRequest) -> Self {
        let lasts = if request.for_ns == 0 { LEASE } else { Duration::from_nanos(request.for_ns) };
        Self { client, caller, stream, every: Duration::from_nanos(request.every_ns), lasts }
    }
}

/// Holds a lease as long as the answer is open, whether or not that is read.
///
/// # Errors
/// INVALID_ARGUMENT for what cannot be, RESOURCE_EXHAUSTED for one too many.
pub fn hold(
    service: &Arc<Service>,
    wanted: Wanted,
) -> Result<impl Stream<Item = Result<pb::LeaseResponse, Status>> + Send + use<>, Status> {
    let Wanted { client, caller, stream, mut every, lasts } = wanted;
    let name = stream.name().to_owned();
    let wrong = |text: String| Err(Status::invalid_argument(text));
    if lasts > LEASE_MAX {
        return wrong(format!("for {lasts:?}: wanted at most {LEASE_MAX:?}"));
    }
    let on = match &stream.kind {
        StreamKind::Event(entry) => match (entry.switch_on(), every.is_zero()) {
            (None, _) => {
                return wrong(format!("the event \"{name}\" is emitted in any case: wanted one that is emitted on demand"));
            }
            (Some(_), false) => return wrong("every: wanted none of an event, which is emitted as it comes".to_owned()),
            (on, true) => on,
        },
        _ if every.is_zero() => {
            every = LEASE_EVERY;
            None
        }
        _ if every < LEASE_EVERY_MIN => return wrong(format!("every {every:?}: wanted {LEASE_EVERY_MIN:?} or more")),
        _ => None,
    };
    let lease = service.leases.take(client, &name, every, on).map_err(|why| {
        refused(Refusal::Leases);
        Status::resource_exhausted(why)
    })?;
    let until = SystemTime::now() + lasts;
    let until_ns = until.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let end = stream.log.end();
    let from = pb::Position { sequence: end.sequence, offset: end.offset };
    let granted = pb::LeaseResponse { name, until_ns, session: service.session.to_string(), from: Some(from) };
    let held = Held { service: Arc::clone(service), caller, stream, until: Instant::now() + lasts, _lease: lease };
    // In a task of its own, since an answer that is not read is not asked for its end.
    let mut holding = JoinSet::new();
    holding.spawn(async move { held.ended().await });
    let ends = stream::unfold(holding, |mut holding| async move {
        let ended = holding.join_next().await?;
        ended.unwrap_or_default().map(|status| (Err(status), holding))
    });
    Ok(stream::iter([Ok(granted)]).chain(ends))
}

/// A lease, and what it ends with.
struct Held {
    service: Arc<Service>,
    caller: Caller,
    stream: Arc<NamedLog>,
    until: Instant,
    _lease: Lease,
}

impl Held {
    /// Waits for the end of the lease: with its time, with the telemetry, or since its holder is not listed any more.
    async fn ended(self) -> Option<Status> {
        let mut stopping = self.service.stopping.clone();
        loop {
            let judged = Instant::now() + JUDGED_EVERY;
            tokio::select! {
                () = sleep_until(self.until.min(judged)) => {
                    if Instant::now() >= self.until {
                        return None;
                    }
                    let caller = self.service.rules.again(&self.caller);
                    if let Err(status) = self.service.let_lease(&caller, self.stream.name(), &self.stream) {
                        return Some(status);
                    }
                }
                _service_gone_is_stopped_too = stopping.wait_for(|stopping| *stopping) => return None,
            }
        }
    }
}

impl Service {
    /// Lets a caller lease a stream that it asked for by this name: who is listed, and may read it.
    ///
    /// # Errors
    /// Why not.
    pub fn let_lease(&self, caller: &Caller, asked: &str, stream: &NamedLog) -> Result<(), Status> {
        self.let_read(caller, asked, stream)?;
        let judged = self.rules.judge(caller, Access::Restricted, || format!("a lease of \"{}\"", stream.name()));
        judged.map(drop).map_err(|denied| {
            refused(denied.cause);
            Status::new(denied.code, denied.text)
        })
    }
}
