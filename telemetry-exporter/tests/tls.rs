//! Pushing to a collector over TLS: with an authority of its own, which also wants to know the client.

#![allow(missing_docs)]

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{MetricsService, MetricsServiceServer};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use telemetry_exporter::{Config, Protocol, Push, PushState, Running, Tls};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

#[tonic::async_trait]
impl MetricsService for Counting {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.fetch_add(request.into_inner().resource_metrics.len(), Ordering::Relaxed);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

struct Files {
    _folder: tempfile::TempDir,
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn written(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, text).expect("written");
    path
}

/// A collector that shows a certificate for `localhost`, and the files that a client of it needs.
async fn collector(counting: &Counting) -> (SocketAddr, Files) {
    let mut params = CertificateParams::new(Vec::new()).expect("valid");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
    let signed = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).expect("valid").signed_by(&key, &authority).expect("signed");
        (certificate.pem(), key.serialize_pem())
    };
    let (server, client) = (signed("localhost"), signed("client"));
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files {
        authority: written(folder.path().join("authority.pem"), &authority.pem()),
        certificate: written(folder.path().join("client.pem"), &client.0),
        key: written(folder.path().join("key.pem"), &client.1),
        _folder: folder,
    };
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(server.0, server.1));
    let tls = tls.client_ca_root(Certificate::from_pem(authority.pem()));
    let counted = counting.clone();
    let http = axum::Router::new().route(
        "/v1/metrics",
        post(async move |body: Bytes| {
            let request = ExportMetricsServiceRequest::decode(body).expect("a request");
            counted.0.fetch_add(request.resource_metrics.len(), Ordering::Relaxed);
        }),
    );
    let routes = tonic::service::Routes::new(MetricsServiceServer::new(counting.clone())).into_axum_router().merge(http);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let incoming = TcpIncoming::from(listener);
    let server = Server::builder().accept_http1(true).tls_config(tls).expect("valid");
    tokio::spawn(server.serve_with_incoming(tower::ServiceBuilder::new().service(routes), incoming));
    (addr, files)
}

fn start(addr: SocketAddr, protocol: Protocol, tls: Tls) -> Running {
    let push = Push { endpoint: format!("https://localhost:{}", addr.port()), protocol, events: false, tls, ..Push::default() };
    let collect_every = Duration::from_secs(3_600); // beside the one after a second
    telemetry_exporter::start(Config { listen: None, collect_every, push: vec![push], ..Config::default() }).expect("it starts")
}

async fn state(running: &Running, condition: impl Fn(&PushState) -> bool) -> PushState {
    let began = Instant::now();
    loop {
        let state = running.push_state().remove(0);
        if condition(&state) {
            return state;
        }
        assert!(began.elapsed() < DEADLINE, "{state:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn pair(files: &Files) -> (Option<PathBuf>, Option<PathBuf>) {
    (Some(files.certificate.clone()), Some(files.key.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_trusted_and_knows_the_client_takes_what_is_pushed() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let counting = Counting::default();
        let (addr, files) = collector(&counting).await;
        let (client_certificate, client_key) = pair(&files);
        let certificate = Some(files.authority.clone());
        let running = start(addr, protocol, Tls { certificate, client_certificate, client_key });
        let sent = state(&running, |state| state.messages_sent > 0 || state.failures > 0).await;
        assert_eq!(sent.failures, 0, "{protocol:?}: {sent:?}");
        assert!(counting.0.load(Ordering::Relaxed) > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_trusted_or_does_not_know_the_client_gets_nothing() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let counting = Counting::default();
        let (addr, files) = collector(&counting).await;
        let (client_certificate, client_key) = pair(&files);
        let untrusted = Tls { certificate: None, client_certificate, client_key };
        let unknown = Tls { certificate: Some(files.authority.clone()), ..Tls::default() };
        for tls in [untrusted, unknown] {
            let running = start(addr, protocol, tls);
            let failed = state(&running, |state| state.failures > 0).await;
            assert_eq!(failed.messages_sent, 0, "{protocol:?}: {failed:?}");
        }
        assert_eq!(counting.0.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_file_that_is_no_certificate_is_an_error_of_the_start_that_names_it_and_leaves_the_port_free() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let addr = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it listens");
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let tls = Tls { certificate: Some(path.clone()), ..Tls::default() };
        let push = Push { endpoint: "https://localhost:1".to_owned(), protocol, tls, ..Push::default() };
        let error = telemetry_exporter::start(Config { listen: Some(addr), push: vec![push], ..Config::default() });
        drop(TcpListener::bind(addr).expect("the port is free at once"));
        let error = error.err().expect("it cannot start").to_string();
        assert_eq!(error, format!("push tls: {}: no certificate in PEM", path.display()));
    }
}
