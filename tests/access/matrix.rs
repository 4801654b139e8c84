//! Every rpc and path, by every class of access, with every credential, over every transport. What is to come is said here in words of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use libp2p::identity::Keypair;
use telemetry_core::{Declaration, Event, PropertyValue, RpcError};
use telemetry_exporter::pb::telemetry_client::TelemetryClient;
use telemetry_exporter::pb::{self, pull_response};
use telemetry_exporter::{Access, Config, Policy, Running, Tokens};
use tonic::{Code, Request, Status};

use crate::credentials::{EXPIRED, Files, RIGHT, WRONG};
use crate::support::{DEADLINE, start};
use crate::ways::{self, Way};

/// What values of ours begin with, so that one that leaks is found.
const SECRET: &str = "c0ffee-";

/// The names of declarations of each class, and of an unknown one.
const NAMES: [&str; 4] = ["mx_public", "mx_restricted", "mx_disabled", "mx_unknown"];

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Given,
    Unauthenticated,
    Denied,
    NotFound,
}

impl Outcome {
    fn of(code: Code) -> Self {
        match code {
            Code::Ok => Self::Given,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::Denied,
            Code::NotFound => Self::NotFound,
            other => panic!("{other:?} is no outcome"),
        }
    }

    fn of_http(status: u16) -> Self {
        match status {
            200 => Self::Given,
            401 => Self::Unauthenticated,
            403 => Self::Denied,
            404 => Self::NotFound,
            other => panic!("{other} is no outcome"),
        }
    }
}

/// How somebody comes, and whether the way alone tells that they are listed.
struct Comer {
    name: &'static str,
    way: Way,
    is_listed: bool,
    is_peer: bool,
}

/// What a caller of this kind gets of what wants this, by the words of PROTOCOL.md.
fn wanted(comer: &Comer, token: Option<&str>, class: Access) -> Outcome {
    if class == Access::Disabled {
        return Outcome::Denied;
    }
    match token {
        Some(WRONG | EXPIRED) => return Outcome::Unauthenticated,
        Some(_) => return Outcome::Given,
        None => {}
    }
    match (class, comer.is_listed, comer.is_peer) {
        (Access::Public, ..) | (_, true, _) => Outcome::Given,
        (_, false, true) => Outcome::Denied,
        (_, false, false) => Outcome::Unauthenticated,
    }
}

/// The stricter of the whole and the name's own.
fn of_name(comer: &Comer, token: Option<&str>, whole: Access, name: &str) -> Outcome {
    let in_general = wanted(comer, token, whole);
    if in_general != Outcome::Given {
        return in_general;
    }
    match name {
        "mx_public" => Outcome::Given,
        "mx_restricted" => wanted(comer, token, Access::Restricted),
        _ => Outcome::NotFound,
    }
}

struct Served {
    running: Running,
    plain: Running,
    comers: Vec<Comer>,
    _files: Files,
}

fn declare(running: &Running, files: &str) {
    let telemetry = running.telemetry();
    for (name, access) in NAMES.into_iter().zip([Access::Public, Access::Restricted, Access::Disabled]) {
        let declared = |kind: &str| Declaration::new(format!("{name}_{kind}{files}")).with_access(access);
        let value = format!("{SECRET}{name}");
        let told = value.clone();
        telemetry.property(declared("property"), move || PropertyValue::from(told.clone())).expect("declared");
        let event: Event<String> = telemetry.event(declared("event")).expect("declared");
        event.emit(&value);
        running.streams().by_name(&format!("{name}_event{files}")).expect("a stream").log.seal();
        let answer = async move |(): ()| Ok::<_, RpcError>(value.clone());
        telemetry
            .rpc(declared("rpc"), move |request| {
                let answer = answer.clone();
                async move { answer(request).await }
            })
            .expect("declared");
    }
}

/// Two services of one policy: one over TLS, a Unix socket and libp2p, the other over plain TCP.
async fn serve(whole: Access) -> Served {
    let files = Files::new();
    let listed = Keypair::generate_ed25519();
    let mut access = Policy::new(whole).with_tokens(Tokens::in_file(files.path("tokens")));
    access.peers = [listed.public().to_peer_id().to_string()].into();
    access.insecure_public = true; // for libp2p, where the whole is public
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let config = Config { listen, access, collect_every: std::time::Duration::from_secs(3_600), ..Config::default() };
    let socket = files.path("socket");
    let running = start(Config { tls: Some(files.server_tls()), unix: Some(socket.clone()), global: false, ..config.clone() });
    let plain = start(Config { global: false, ..config });
    declare(&running, "");
    declare(&plain, "");
    let (address, peer, control) = ways::listening().await;
    running.serve_libp2p(control).expect("it is served");
    let addr = running.local_addr().expect("it listens");
    let comer = |name, way, is_listed, is_peer| Comer { name, way, is_listed, is_peer };
    let comers = vec![
        comer("tcp", Way::Tcp(plain.local_addr().expect("it listens")), false, false),
        comer("tls", Way::tls(addr, &files, None), false, false),
        comer("tls with a certificate", Way::tls(addr, &files, Some("client")), true, false),
        comer("unix", Way::Unix(socket), true, false),
        comer("libp2p, listed", ways::dialled(listed, &address, peer).await, true, true),
        comer("libp2p, a stranger", ways::dialled(Keypair::generate_ed25519(), &address, peer).await, false, true),
    ];
    Served { running, plain, comers, _files: files }
}

fn request<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    request
}

/// What became of a request, and all that it told.
fn told<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Outcome, String) {
    match answer {
        Ok(answer) => (Outcome::Given, format!("{answer:?}")),
        Err(status) => (Outcome::of(status.code()), status.message().to_owned()),
    }
}

async fn all<T: std::fmt::Debug>(answer: Result<tonic::Response<tonic::Streaming<T>>, Status>) -> Result<Vec<T>, Status> {
    let mut stream = answer?.into_inner();
    let mut all = Vec::new();
    while let Some(item) = stream.message().await? {
        all.push(item);
    }
    Ok(all)
}

/// Every rpc, with the name that it asks for where it asks for one.
async fn by_grpc(
    comer: &Comer,
    token: Option<&str>,
    ids: &BTreeMap<&str, u32>,
) -> Vec<(String, Option<&'static str>, Outcome, String)> {
    let mut grpc = TelemetryClient::new(comer.way.channel().await.expect("it connects"));
    let mut found = Vec::new();
    let mut note = |what: String, name, (outcome, text): (Outcome, String)| found.push((what, name, outcome, text));
    note("GetSession".to_owned(), None, told(grpc.get_session(request(pb::GetSessionRequest {}, token)).await));
    note(
        "GetStreamDescriptors".to_owned(),
        None,
        told(grpc.get_stream_descriptors(request(pb::GetStreamDescriptorsRequest {}, token)).await),
    );
    note("GetCatalogue".to_owned(), None, told(grpc.get_catalogue(request(pb::GetCatalogueRequest {}, token)).await));
    note(
        "GetProperties".to_owned(),
        None,
        told(all(grpc.get_properties(request(pb::GetPropertiesRequest::default(), token)).await).await),
    );
    for name in NAMES {
        let asked = spelt(name);
        let names = vec![format!("{asked}_property")];
        let answer = all(grpc.get_properties(request(pb::GetPropertiesRequest { names }, token)).await).await;
        note("GetProperties of one".to_owned(), Some(name), told(answer));
        let call = pb::CallRequest { name: format!("{asked}_rpc"), json: String::new() };
        note("Call".to_owned(), Some(name), told(grpc.call(request(call, token)).await));
        for latest in [false, true] {
            let pull = pb::PullRequest { stream: format!("{asked}_event"), head: true, latest, ..Default::default() };
            let answer = all(grpc.pull(request(pull, token)).await).await.map(|answers| payloads(&answers));
            note(format!("Pull, latest: {latest}"), Some(name), told(answer));
        }
        if let Some(stream_id) = ids.get(name) {
            let segments = pb::GetStreamRequest { stream_id: *stream_id, sequence_number_since: 0 };
            let answer = all(grpc.get_stream(request(segments, token)).await).await;
            note(
                "GetStream".to_owned(),
                Some(name),
                told(answer.map(|segments| segments.into_iter().map(|segment| text(&segment.data)).collect::<Vec<_>>())),
            );
        }
    }
    found
}

fn payloads(answers: &[pb::PullResponse]) -> Vec<String> {
    let chunk = |answer: &pb::PullResponse| match &answer.item {
        Some(pull_response::Item::Chunk(chunk)) => Some(text(&chunk.data)),
        _ => None,
    };
    answers.iter().filter_map(chunk).collect()
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// As it is asked for: what is not there must not be told by how it is spelt.
fn spelt(name: &str) -> &str {
    if name == "mx_disabled" { "MX_disabled" } else { name }
}

/// Every path.
async fn by_http(comer: &Comer, token: Option<&str>) -> Vec<(String, Option<&'static str>, Outcome, String)> {
    let authorization = token.map(|token| format!("bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    let mut paths: Vec<(String, Option<&'static str>)> = Vec::new();
    for path in ["/metrics", "/api/session", "/api/catalogue", "/api/properties", "/api/streams"] {
        paths.push((format!("GET {path}"), None));
    }
    for name in NAMES {
        let asked = spelt(name);
        paths.push((format!("GET /api/properties/{asked}_property"), Some(name)));
        paths.push((format!("GET /api/streams/{asked}_event"), Some(name)));
        paths.push((format!("GET /api/streams/{asked}_event?latest=true"), Some(name)));
        paths.push((format!("POST /api/rpcs/{asked}_rpc"), Some(name)));
    }
    let mut found = Vec::new();
    for (path, name) in paths {
        let (status, answer) = comer.way.http(&path, &headers, "").await.expect("an answer");
        assert_eq!(status == 401, answer.to_lowercase().contains("\r\nwww-authenticate: bearer"), "{answer}");
        found.push((path, name, Outcome::of_http(status), answer));
    }
    found
}

async fn is_as_promised(whole: Access) {
    let served = serve(whole).await;
    let mut checked = 0;
    for comer in &served.comers {
        let running = if comer.name == "tcp" { &served.plain } else { &served.running };
        let id = |name: &&'static str| running.streams().by_name(&format!("{name}_event")).map(|stream| (*name, stream.id));
        let ids: BTreeMap<_, _> = NAMES.iter().filter_map(id).collect();
        for token in [None, Some(WRONG), Some(EXPIRED), Some(RIGHT)] {
            let mut found = by_grpc(comer, token, &ids).await;
            found.extend(by_http(comer, token).await);
            for (what, name, outcome, text) in found {
                let at = format!("{whole} {} {token:?} {what} {name:?}: {text}", comer.name);
                let should = match name {
                    None => wanted(comer, token, whole),
                    Some(name) => of_name(comer, token, whole, name),
                };
                // Who counts the ids of streams finds those that are listed for it.
                let in_general = wanted(comer, token, whole) == Outcome::Given;
                let is_hidden = what == "GetStream" && in_general && should != Outcome::Given;
                let should = if is_hidden { Outcome::NotFound } else { should };
                assert_eq!(outcome, should, "{at}");
                for (secret, class) in NAMES.into_iter().zip([Access::Public, Access::Restricted, Access::Disabled]) {
                    let may = wanted(comer, token, whole.max(class)) == Outcome::Given;
                    assert!(may || !text.contains(&format!("{SECRET}{secret}")), "its value leaks: {at}");
                    let is_asked_for = name == Some(secret) && what != "GetStream" && class != Access::Disabled;
                    assert!(may || is_asked_for || !text.contains(&format!("{secret}_")), "its name leaks: {at}");
                }
                let shows_values = what.contains("ropert") || name.is_some();
                assert!(outcome != Outcome::Given || !shows_values || text.contains(SECRET), "nothing is given: {at}");
                assert!(!text.contains(RIGHT) && !text.contains(EXPIRED), "a token leaks: {at}");
                checked += 1;
            }
            let (status, _) = comer.way.http("GET /healthz", &[], "").await.expect("an answer");
            assert_eq!(status, 200, "health is for all");
        }
    }
    assert_eq!(checked, 6 * 4 * (4 + 3 * 5 + 4 + 5 + 16), "all were asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_program_gives_each_what_it_may_have() {
    is_as_promised(Access::Public).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_program_gives_each_what_it_may_have() {
    is_as_promised(Access::Restricted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_program_gives_nobody_anything() {
    is_as_promised(Access::Disabled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_past_its_time_or_of_another_authority_opens_nothing() {
    let served = serve(Access::Restricted).await;
    let addr = served.running.local_addr().expect("it listens");
    for certificate in ["late", "stranger"] {
        // TLS 1.3 tells a client after its handshake.
        let answer = Way::tls(addr, &served._files, Some(certificate)).http("GET /api/session", &[], "").await;
        let error = answer.expect_err("it is not taken").to_string();
        // The other authority has the name of ours, so that it is its signature which is wrong.
        let alert = if certificate == "late" { "CertificateExpired" } else { "DecryptError" };
        assert!(error.contains(alert), "{certificate}: {error}");
    }
    let plain = Way::Tcp(addr).http("GET /api/session", &[], "").await;
    assert!(plain.is_err(), "TLS is not spoken");
}
