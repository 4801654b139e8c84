//! A collector on a free port that answers as the test says, over gRPC and over HTTP.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{MetricsService, MetricsServiceServer};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Status};

use crate::support::DEADLINE;

/// What the collector does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Takes it.
    Takes,
    /// Takes all but so many items.
    TakesAllBut(i64, &'static str),
    /// Answers with this status; over gRPC with the details.
    Answers(Code, Vec<u8>),
    /// Answers with this HTTP status and Retry-After.
    AnswersHttp(u16, Option<&'static str>),
    /// Takes it and says nothing.
    Hangs,
}

/// One request that arrived.
pub struct Arrived {
    pub when: Instant,
    pub headers: HeaderMap,
    pub metrics: Vec<ResourceMetrics>,
    pub logs: Option<ExportLogsServiceRequest>,
    pub was_taken: bool,
}

#[derive(Clone, Default)]
struct Shared {
    script: Arc<Mutex<VecDeque<Does>>>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

/// The collector; it ends when this is dropped.
pub struct Collector {
    pub addr: SocketAddr,
    shared: Shared,
    /// Its own, so that its connections end with it.
    runtime: Option<Runtime>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn next(&self) -> Does {
        self.script.lock().expect("no panic").pop_front().unwrap_or(Does::Takes)
    }

    fn note(&self, headers: HeaderMap, metrics: Vec<ResourceMetrics>, logs: Option<ExportLogsServiceRequest>, does: &Does) {
        let was_taken = matches!(does, Does::Takes | Does::TakesAllBut(..));
        self.arrived.lock().expect("no panic").push(Arrived { when: Instant::now(), headers, metrics, logs, was_taken });
    }
}

async fn grpc_answer(does: Does) -> Result<(i64, String), Status> {
    match does {
        Does::Takes => Ok((0, String::new())),
        Does::TakesAllBut(items, text) => Ok((items, text.to_owned())),
        Does::Answers(code, details) => Err(Status::with_details(code, "as the test says", details.into())),
        Does::AnswersHttp(..) => panic!("this is gRPC"),
        Does::Hangs => std::future::pending().await,
    }
}

#[tonic::async_trait]
impl MetricsService for Shared {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let does = self.next();
        let headers = request.metadata().clone().into_headers();
        self.note(headers, request.into_inner().resource_metrics, None, &does);
        let (rejected_data_points, error_message) = grpc_answer(does).await?;
        let partial_success = Some(ExportMetricsPartialSuccess { rejected_data_points, error_message });
        Ok(tonic::Response::new(ExportMetricsServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Shared {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        let does = self.next();
        let headers = request.metadata().clone().into_headers();
        self.note(headers, Vec::new(), Some(request.into_inner()), &does);
        let (rejected_log_records, error_message) = grpc_answer(does).await?;
        let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records, error_message });
        Ok(tonic::Response::new(ExportLogsServiceResponse { partial_success }))
    }
}

fn plain(headers: &HeaderMap, body: &Bytes) -> Vec<u8> {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    if headers.get("content-encoding").is_none_or(|encoding| encoding != "gzip") {
        return body.to_vec();
    }
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&**body), &mut plain).expect("gzip");
    plain
}

async fn http_answer(does: Does) -> Response {
    match does {
        Does::Takes => ExportMetricsServiceResponse::default().encode_to_vec().into_response(),
        Does::TakesAllBut(rejected_data_points, text) => {
            let partial = ExportMetricsPartialSuccess { rejected_data_points, error_message: text.to_owned() };
            ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec().into_response()
        }
        Does::AnswersHttp(status, retry_after) => {
            let status = StatusCode::from_u16(status).expect("a status");
            match retry_after {
                Some(after) => (status, [("retry-after", after)]).into_response(),
                None => status.into_response(),
            }
        }
        Does::Answers(..) => panic!("this is HTTP"),
        Does::Hangs => std::future::pending().await,
    }
}

async fn http_metrics(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let does = shared.next();
    let request = ExportMetricsServiceRequest::decode(&*plain(&headers, &body)).expect("a request");
    shared.note(headers, request.resource_metrics, None, &does);
    http_answer(does).await
}

async fn http_logs(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let does = shared.next();
    let request = ExportLogsServiceRequest::decode(&*plain(&headers, &body)).expect("a request");
    shared.note(headers, Vec::new(), Some(request), &does);
    http_answer(does).await
}

impl Collector {
    /// On this port, 0 for a free one, with the answers to the first requests; further ones are taken.
    pub async fn start(port: u16, script: impl IntoIterator<Item = Does>) -> Self {
        let shared = Shared { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Shared::default() };
        let metrics = MetricsServiceServer::new(shared.clone()).accept_compressed(CompressionEncoding::Gzip);
        let logs = LogsServiceServer::new(shared.clone()).accept_compressed(CompressionEncoding::Gzip);
        let http = Router::new().route("/v1/metrics", post(http_metrics)).route("/v1/logs", post(http_logs));
        let http = http.layer(axum::extract::DefaultBodyLimit::max(4 << 20)).with_state(shared.clone());
        let router = tonic::service::Routes::new(metrics).add_service(logs).into_axum_router().merge(http);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        let listener = listener.into_std().expect("a socket");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, router).await.expect("it serves");
        });
        Self { addr, shared, runtime: Some(runtime) }
    }

    /// Ends it with its connections, and frees the port.
    pub async fn stop(mut self) -> Vec<Arrived> {
        if let Some(runtime) = self.runtime.take() {
            tokio::task::spawn_blocking(|| runtime.shutdown_timeout(DEADLINE)).await.expect("no panic");
        }
        std::mem::take(&mut *self.arrived())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn arrived(&self) -> std::sync::MutexGuard<'_, Vec<Arrived>> {
        self.shared.arrived.lock().expect("no panic")
    }

    /// The times between the requests that arrived.
    pub fn waits(&self) -> Vec<Duration> {
        self.arrived().windows(2).map(|pair| pair[1].when - pair[0].when).collect()
    }
}
