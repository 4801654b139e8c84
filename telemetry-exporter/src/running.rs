//! Starting and stopping: the SDK's reader, the runtime, the pushers, the snapshots' thread and the service, in this order and back.
//!
//! Invariant: of a start that fails nothing remains. What may fail comes first, and what others see, the events and the port, last.
//! The service has a small runtime of its own on a thread of its own: a host program that blocks its runtime, or has none, does not
//! stop its telemetry, and the other way round.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use parking_lot::{Mutex, ReentrantMutex};
use telemetry_core::{Access, Attachment, Declaration, Sink, Telemetry, TelemetryBuilder};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::config::Config;
use crate::credentials::Credentials;
use crate::error::{StartError, StopError};
use crate::export::StreamExporter;
use crate::leases::Leases;
use crate::limits::{PUSH_STOP_DEADLINE, STOP_DEADLINE, THREADS_DEADLINE};
use crate::persist::{self, Durability, Keeper, Recovery};
use crate::push::{PushState, Pushers};
use crate::service::Service;
use crate::snapshots::Snapshots;
use crate::stream::{METRICS, Streams};
use crate::transport::connection::Connections;
use crate::transport::tcp;
#[cfg(unix)]
use crate::transport::unix;

/// Threads that the service's tasks share. Blocking work has threads of its own.
const WORKERS: usize = 1;

/// The properties that tell of pushing, of keeping streams in files, and of the files of certificates and tokens.
const PUSH: &str = "telemetry_push";
const CREDENTIALS: &str = "telemetry_credentials";
const DISK: &str = "telemetry_disk";

/// From the start to a first collection, so that nobody who looks at a new process has to wait for the interval.
const FIRST_COLLECTION: Duration = Duration::from_secs(1);

/// The telemetry of a program, started. Dropping it stops it.
#[must_use = "the service stops when this is dropped: write `let _telemetry = …`"]
pub struct Running {
    telemetry: Telemetry,
    streams: Arc<Streams>,
    service: Arc<Service>,
    connections: Arc<Connections>,
    local_addr: Option<SocketAddr>,
    runtime: Handle,
    stopping: watch::Sender<bool>,
    pushers: Mutex<Pushers>,
    /// Held while it is stopped; a callback that is dropped then may own what asks once more.
    rest: ReentrantMutex<Cell<Option<Rest>>>,
    recovery: Option<Recovery>,
    credentials: Arc<Credentials>,
    /// Whose threads these are.
    process: u32,
    #[cfg(feature = "libp2p")]
    bandwidth: bool,
    #[cfg(feature = "libp2p")]
    tests: Arc<crate::transport::bandwidth::Tests>,
}

/// What a stop takes apart.
struct Rest {
    attachment: Attachment,
    snapshots: Snapshots,
    accepting: Vec<tokio::task::JoinHandle<()>>,
    host: Host,
    keeper: Option<Keeper>,
}

/// Starts the telemetry of this program.
///
/// May be called from anywhere, inside a runtime or without one.
///
/// # Errors
/// A setting that cannot be, two declarations of one name, an address that is taken, a system without threads: nothing runs then, the
/// port is free, and the events so far are kept for the next start.
pub fn start(config: Config) -> Result<Running, StartError> {
    start_with(config, |telemetry| telemetry)
}

/// Starts the telemetry of this program with settings of OpenTelemetry's part beside those of the configuration: views, limits, further
/// readers and exporters, the bridge.
///
/// ```no_run
/// let rename = |instrument: &opentelemetry_sdk::metrics::Instrument| match instrument.name() {
///     "old" => opentelemetry_sdk::metrics::Stream::builder().with_name("new").build().ok(),
///     _ => None,
/// };
/// let _telemetry = telemetry_exporter::start_with(Default::default(), |telemetry| telemetry.with_view(rename))?;
/// # Ok::<(), telemetry_exporter::StartError>(())
/// ```
///
/// # Errors
/// As [`start`].
pub fn start_with(config: Config, settle: impl FnOnce(TelemetryBuilder) -> TelemetryBuilder) -> Result<Running, StartError> {
    config.validate()?;
    let credentials = Arc::new(Credentials::open(&config)?);
    let rules = Arc::clone(credentials.rules());
    config.judge_reach(rules.takes_credentials())?;
    let listener = config.listen.map(tcp::listen).transpose()?;
    #[cfg(unix)]
    let socket = config.unix.as_deref().map(unix::listen).transpose()?;
    let builder = Telemetry::builder();
    let registry = Arc::clone(builder.registry());
    registry.validate().map_err(StartError::Declare)?;
    config.access.judge_names(&registry, &[PUSH, DISK, CREDENTIALS]).map_err(StartError::Setting)?;
    let streams = Streams::new(Arc::clone(&registry), config.streams.clone(), config.bounds.clone());
    let message_bytes_max = streams.metrics().log.options().message_bytes_max;
    let recovery = config.disk.as_ref().map(|disk| {
        let mut recovery = persist::recover_all(disk, &streams);
        persist::serve(&mut recovery, &streams);
        recovery
    });
    let exporter = StreamExporter::new(Arc::clone(&registry), Arc::clone(&streams), message_bytes_max, config.collect_every);
    let attributes = config.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let builder = builder.with_attributes(attributes).with_exporter(exporter.clone(), config.collect_every);
    // What is made from here on ends where it is dropped, by an error of what comes behind it.
    let telemetry = settle(builder).build().map_err(StartError::Declare)?;
    let host = Host::start()?;
    let runtime = host.runtime.clone();
    let listener = listener.map(|listener| listener.into_tokio(&runtime)).transpose()?;
    #[cfg(unix)]
    let socket = socket.map(|socket| socket.into_tokio(&runtime)).transpose()?;
    let (stopping, stopped) = watch::channel(false);
    let pushers = Pushers::start(&config.push, &streams, &runtime, &stopped)?;
    if !config.push.is_empty() {
        let declaration = Declaration::new(PUSH).with_description("How the pushing to each collector goes.");
        telemetry.property(declaration, pushers.watcher()).map_err(StartError::Declare)?;
    }
    let keeper = match config.disk.as_ref().filter(|disk| disk.durability != Durability::Memory) {
        Some(disk) => Some(Keeper::start(disk, &streams).map_err(StartError::Runtime)?),
        None => None,
    };
    if let Some(keeper) = &keeper {
        let declaration = Declaration::new(DISK).with_description("How keeping the streams in files goes.");
        let watcher = keeper.watcher();
        telemetry.property(declaration, move || watcher().to_json()).map_err(StartError::Declare)?;
    }
    if let Some(watcher) = credentials.watcher() {
        let declaration = Declaration::new(CREDENTIALS).with_access(Access::Restricted);
        let declaration =
            declaration.with_description("Why changed files of certificates and tokens are not taken; empty where they are.");
        telemetry.property(declaration, watcher).map_err(StartError::Declare)?;
    }
    let leases = Leases::new(config.limits.leases, config.limits.leases_per_client);
    let snapshots =
        Snapshots::start(Arc::clone(&registry), Arc::clone(&streams), Arc::clone(&leases)).map_err(StartError::Runtime)?;
    // Nothing fails any more: the backlog of events is taken, and clients are.
    let sink: Arc<dyn Sink> = streams.clone();
    let attachment = registry.attach(&sink);
    streams.acknowledged(); // the events so far, all together
    let service =
        Service::new(telemetry.clone(), Arc::clone(&streams), exporter, rules, Arc::clone(&leases), config.limits, stopped);
    let connections = Connections::new(&service);
    #[cfg(feature = "libp2p")]
    let tests = crate::transport::bandwidth::Tests::new(Arc::clone(&service));
    let local_addr = listener.as_ref().map(|(_, local_addr)| *local_addr);
    let mut accepting = vec![runtime.spawn(Arc::clone(&connections).sweep()), runtime.spawn(Arc::clone(&credentials).watch())];
    let often = telemetry.clone();
    // What fails here fails at the next interval too, where it is told.
    let collect = move || _ = often.force_flush();
    accepting.push(runtime.spawn(leases.drive(METRICS, config.collect_every, collect)));
    if let Some((listener, _)) = listener {
        let accept = tcp::Accept {
            connections: Arc::clone(&connections),
            #[cfg(feature = "tls")]
            tls: credentials.tls().cloned(),
            trust_loopback: config.access.trust_loopback,
        };
        accepting.push(runtime.spawn(tcp::accept(listener, accept)));
    }
    #[cfg(unix)]
    if let Some((listener, file)) = socket {
        accepting.push(runtime.spawn(unix::accept(listener, file, Arc::clone(&connections))));
    }
    if config.global {
        telemetry.set_global();
    }
    if config.collect_every > FIRST_COLLECTION {
        let telemetry = telemetry.clone();
        runtime.spawn(async move {
            tokio::time::sleep(FIRST_COLLECTION).await;
            // What fails here fails at the next interval too, where it is told.
            let _ = tokio::task::spawn_blocking(move || telemetry.force_flush()).await;
        });
    }
    let rest = ReentrantMutex::new(Cell::new(Some(Rest { attachment, snapshots, accepting, host, keeper })));
    Ok(Running {
        telemetry,
        streams,
        service,
        connections,
        local_addr,
        runtime,
        stopping,
        pushers: Mutex::new(pushers),
        rest,
        recovery,
        credentials,
        process: std::process::id(),
        #[cfg(feature = "libp2p")]
        bandwidth: config.bandwidth,
        #[cfg(feature = "libp2p")]
        tests,
    })
}

/// The thread that owns the runtime; dropping it ends both.
struct Host {
    runtime: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// # Errors
    /// [`StartError::Runtime`]; there is no thread then.
    fn start() -> Result<Self, StartError> {
        let ((told, handle), (end, ended)) = (mpsc::channel(), oneshot::channel::<()>());
        let body = move || {
            let runtime = Builder::new_multi_thread().worker_threads(WORKERS).thread_name("telemetry-service").enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(told.send(Err(error))),
            };
            let _it_is_waited_for = told.send(Ok(runtime.handle().clone()));
            let _sender_gone_is_the_end = runtime.block_on(ended);
            runtime.shutdown_timeout(THREADS_DEADLINE);
        };
        let thread = thread::Builder::new().name("telemetry".to_owned()).spawn(body).map_err(StartError::Runtime)?;
        let runtime =
            handle.recv().unwrap_or_else(|_panicked| Err(io::Error::other("it panicked"))).map_err(StartError::Runtime)?;
        Ok(Self { runtime, end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _a_panic_has_ended_it_too = thread.join();
        }
    }
}

impl Running {
    /// The OpenTelemetry MeterProvider, and the declaring of events, snapshots, properties and rpcs at run time.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Where the service listens on TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Which life of the process this is: new at each start, and greater than those before by its time.
    pub fn session(&self) -> Uuid {
        self.service.session
    }

    /// The streams, for a reader in this process.
    pub fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// Shows the metrics of the service's own runtime, as [`observe`](crate::runtime::observe) does of others.
    ///
    /// # Errors
    /// A name by which another runtime is observed; that one stays.
    #[cfg(feature = "runtime")]
    pub fn observe_runtime(&self, name: impl Into<String>) -> Result<crate::runtime::Observing, crate::runtime::NameTaken> {
        crate::runtime::observe(name, &self.runtime)
    }

    /// Reads the certificates and tokens anew, which is done in any case within [`RELOAD_EVERY`](crate::limits::RELOAD_EVERY) of a change.
    ///
    /// # Errors
    /// What cannot be read, or is not as wanted; what was before holds then.
    pub fn reload(&self) -> Result<(), StartError> {
        self.credentials.reload().map_err(StartError::Setting)
    }

    /// Serves the same over libp2p streams, and the bandwidth tests, on the swarm that has this behaviour. Each public address may test
    /// once in [`BANDWIDTH_EVERY`](crate::limits::BANDWIDTH_EVERY) each way, and each peer.
    ///
    /// It is the program that polls the swarm. The protocols are offered until the telemetry is stopped; another may be served then.
    ///
    /// # Errors
    /// A behaviour that is served already, telemetry that was stopped, or that everybody may have, where
    /// [`insecure_public`](crate::Policy::insecure_public) does not say that this is wanted on a network.
    #[cfg(feature = "libp2p")]
    pub fn serve_behaviour(&self, behaviour: &crate::swarm::Behaviour) -> Result<(), StartError> {
        self.serve_streams(|| crate::transport::libp2p::offer(behaviour, self.bandwidth))
    }

    /// Serves the same on the swarm of this control, for a program that has a [`libp2p_stream::Behaviour`] already.
    ///
    /// A control does not tell where a stream comes from, so bandwidth tests are limited by the peer alone, whose id costs nothing to
    /// make; and it drops a stream that is opened before the last one was taken. [`serve_behaviour`](Self::serve_behaviour) does neither.
    ///
    /// # Errors
    /// A protocol that is served on this swarm already, telemetry that was stopped, or that everybody may have, where
    /// [`insecure_public`](crate::Policy::insecure_public) does not say that this is wanted on a network.
    #[cfg(feature = "libp2p")]
    pub fn serve_libp2p(&self, mut control: libp2p_stream::Control) -> Result<(), StartError> {
        self.serve_streams(|| crate::transport::libp2p::register(&mut control, self.bandwidth))
    }

    #[cfg(feature = "libp2p")]
    fn serve_streams(
        &self,
        incoming: impl FnOnce() -> Result<crate::transport::libp2p::Incoming, StartError>,
    ) -> Result<(), StartError> {
        if self.service.ending.load(Ordering::Relaxed) {
            return Err(StartError::Stopped);
        }
        let policy = self.service.rules.policy();
        if policy.whole == telemetry_core::Access::Public && !policy.insecure_public {
            let wanted = "wanted an `access` that is restricted to peers; or access.insecure_public, which says that everybody may read all of it";
            return Err(StartError::Setting(format!("libp2p peers are on a network, and access is public: {wanted}")));
        }
        let (connections, tests) = (Arc::clone(&self.connections), Arc::clone(&self.tests));
        let service = Arc::clone(&self.service);
        self.runtime.spawn(crate::transport::libp2p::accept(incoming()?, service, connections, tests));
        Ok(())
    }

    /// What earlier lives of the process had left in files, where streams are kept in them.
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// How the pushing to each collector goes, one for each of its signals. Clients have it as the property `telemetry_push`.
    pub fn push_state(&self) -> Vec<PushState> {
        self.pushers.lock().states()
    }

    /// Stops: collects a last time, seals all streams, lets followers read to the end, pushes what is left, and closes the connections.
    ///
    /// Blocks for some milliseconds where nothing hangs, and otherwise, one after the other, for
    /// - the last collection, and one that runs: each up to the deadlines of its callbacks, 2 s or with the bridge 3 s. The SDK waits 5 s
    ///   at most for it, and as long for each reader that was added;
    /// - the pass over snapshots that runs: up to [`CALLBACK_DEADLINE`](telemetry_core::limits::CALLBACK_DEADLINE);
    /// - clients that read, up to [`STOP_DEADLINE`], and at once collectors, up to [`PUSH_STOP_DEADLINE`], or where the service's thread
    ///   does not get to run, both together;
    /// - callbacks that hang on the service's threads: up to [`THREADS_DEADLINE`].
    ///
    /// A second call waits for the end of the first, does nothing more, and tells no error. From async code call it through
    /// `spawn_blocking`.
    ///
    /// # Errors
    /// A last export that failed, requests that were cut off, or messages that no collector took; everything is stopped all the same.
    pub fn stop(&self) -> Result<(), StopError> {
        let rest = self.rest.lock();
        let Some(Rest { attachment, snapshots, accepting, host, keeper }) = rest.take() else { return Ok(()) };
        self.service.ending.store(true, Ordering::Relaxed);
        let flushed = self.telemetry.shutdown().map_err(|error| StopError::Flush(error.to_string()));
        drop(snapshots);
        drop(attachment);
        self.streams.seal();
        drop(keeper); // which writes what is left
        self.stopping.send_replace(true);
        let began = Instant::now();
        let (done, ended) = mpsc::channel();
        let shutdown = self.connections.shutdown();
        self.runtime.spawn(async move {
            for accepting in accepting {
                accepting.abort();
                let _aborted = accepting.await; // from here on the port is free
            }
            shutdown.await;
            let _waiting = done.send(());
        });
        let tasks = self.pushers.lock().tasks();
        let (told, unsent) = mpsc::channel();
        self.runtime.spawn(async move {
            let left = futures::future::join_all(tasks).await;
            let _waiting = told.send(left.into_iter().map(Result::unwrap_or_default).sum::<u64>());
        });
        let in_time = ended.recv_timeout(STOP_DEADLINE).map_err(|_| StopError::Late);
        // Each pusher ends by its deadline; what comes on top of it is for a machine that is slow.
        let deadline = (PUSH_STOP_DEADLINE + STOP_DEADLINE).saturating_sub(began.elapsed());
        let pushed = match unsent.recv_timeout(deadline) {
            Ok(0) => Ok(()),
            Ok(messages) => Err(StopError::Unsent(messages)),
            Err(_) => Err(StopError::Late),
        };
        drop(host);
        flushed.and(in_time).and(pushed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The child of a fork has none of the threads, and its parent serves and stops.
            return std::mem::forget(self.rest.lock().take());
        }
        let _ = self.stop(); // a drop has nobody to tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_is_dropped_has_ended_its_thread_and_its_tasks() {
        let host = Host::start().expect("a thread");
        let (held, dropped) = mpsc::channel::<()>();
        let _aborted = host.runtime.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(host);
        assert_eq!(dropped.recv_timeout(STOP_DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
