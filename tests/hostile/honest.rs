//! A client as there should be: small calls one after the other on one connection, and now and then a new one.

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hostile::{PROPERTIES, SNAPSHOT};
use hyper_util::rt::TokioIo;
use telemetry_exporter::pb;
use telemetry_exporter::pb::telemetry_client::TelemetryClient;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::raw::From;
use crate::target::Target;

/// Where it comes from.
pub const HONEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Long enough for any machine: a call that takes longer hangs.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(4);

/// Between two new connections.
const NEW_EVERY: Duration = Duration::from_millis(100);

/// What it saw.
#[derive(Default)]
pub struct Seen {
    pub calls: Vec<Duration>,
    /// How long a new connection and its first call took.
    pub news: Vec<Duration>,
    pub failures: Vec<String>,
    /// How often the connection that should stay was made anew.
    pub broken: usize,
}

/// One that is at it.
pub struct Honest {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// A channel from the honest address, and how often it has connected.
fn channel(to: &Target) -> (Channel, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let (counts, target) = (Arc::clone(&made), to.clone());
    let connect = move |_: Uri| {
        counts.fetch_add(1, Ordering::Relaxed);
        let target = target.clone();
        async move { target.connect(From::address(HONEST)).await.map(TokioIo::new) }
    };
    let endpoint = Endpoint::from_shared(format!("http://{}", to.addr)).expect("an address");
    (endpoint.connect_with_connector_lazy(service_fn(connect)), made)
}

async fn timed<T>(
    calls: &mut Vec<Duration>,
    failures: &mut Vec<String>,
    what: &str,
    call: impl Future<Output = Result<T, Status>>,
) {
    let began = Instant::now();
    match timeout(DEADLINE, call).await {
        Ok(Ok(_)) => calls.push(began.elapsed()),
        Ok(Err(status)) => failures.push(format!("{what}: {status:?}")),
        Err(_) => failures.push(format!("{what} hangs")),
    }
}

async fn properties(client: &mut TelemetryClient<Channel>) -> Result<usize, Status> {
    let mut stream =
        client.get_properties(pb::GetPropertiesRequest { names: PROPERTIES.map(str::to_owned).into() }).await?.into_inner();
    let mut properties = 0;
    while stream.message().await?.is_some() {
        properties += 1;
    }
    (properties > 0).then_some(properties).ok_or_else(|| Status::data_loss("no property came"))
}

async fn latest(client: &mut TelemetryClient<Channel>) -> Result<(), Status> {
    let request = pb::PullRequest { stream: SNAPSHOT.to_owned(), latest: true, ..Default::default() };
    let mut stream = client.pull(request).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

async fn calls(to: &Target, stop: &AtomicBool) -> Seen {
    let (channel, made) = channel(to);
    let mut client = TelemetryClient::new(channel);
    let (mut calls, mut failures) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        timed(&mut calls, &mut failures, "the session", async { client.get_session(pb::GetSessionRequest {}).await }).await;
        timed(&mut calls, &mut failures, "the properties", properties(&mut client)).await;
        timed(&mut calls, &mut failures, "the latest snapshot", latest(&mut client)).await;
        tokio::time::sleep(PAUSE).await;
    }
    Seen { calls, failures, broken: made.load(Ordering::Relaxed) - 1, ..Seen::default() }
}

async fn news(to: &Target, stop: &AtomicBool) -> Seen {
    let (mut news, mut failures) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let mut client = TelemetryClient::new(channel(to).0);
        let call = async { client.get_session(pb::GetSessionRequest {}).await };
        timed(&mut news, &mut failures, "the session on a new connection", call).await;
        tokio::time::sleep(NEW_EVERY).await;
    }
    Seen { news, failures, ..Seen::default() }
}

impl Honest {
    /// It begins, on a thread and a runtime of its own.
    pub fn begin(to: &Target) -> Self {
        let to = to.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (calls, news) = tokio::join!(calls(&to, &stops), news(&to, &stops));
                let failures = [calls.failures, news.failures].concat();
                Seen { news: news.news, failures, ..calls }
            })
        });
        Self { stop, thread }
    }

    /// It ends.
    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}
