//! Where a service may listen, and for whom.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use telemetry_core::RpcError;
use telemetry_exporter::{Access, Config, Policy, Tokens};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::credentials::Files;
use crate::support::{config, start};
use crate::ways::{self, Way};

fn refused(config: Config) -> String {
    telemetry_exporter::start(config).err().expect("it is refused").to_string()
}

#[tokio::test]
async fn an_address_that_others_reach_wants_tls_and_something_that_tells_them_apart() {
    let files = Files::new();
    let listen = Some(SocketAddr::from(([0, 0, 0, 0], 0)));
    let with = |access: Policy| Config { listen, access, global: false, ..Config::default() };
    let error = refused(with(Policy::default()));
    assert!(error.contains("wanted `tls` with a certificate and its key, and an `access` that is restricted"), "{error}");
    assert!(error.contains("access.insecure_public"), "{error}");
    let error = refused(with(Policy::new(Access::Restricted)));
    assert!(error.contains("and tokens in `access`, or authorities"), "{error}");
    let tokens = Policy::tokens(Tokens::in_file(files.path("tokens")));
    let error = refused(with(tokens.clone()));
    assert!(error.contains("wanted `tls`") && !error.contains("restricted,"), "{error}");
    let tls = Some(files.server_tls());
    drop(start(Config { tls: tls.clone(), ..with(tokens) }));
    drop(start(Config { tls, ..with(Policy::new(Access::Restricted)) })); // it takes certificates
    drop(start(with(Policy::new(Access::Disabled))));
    drop(start(with(Policy { insecure_public: true, ..Policy::default() })));
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_on_a_network_and_are_not_served_what_is_public_without_a_word() {
    let running = start(Config { access: Policy::default(), ..config() });
    let (_, _, control) = ways::listening().await;
    let error = running.serve_libp2p(control).expect_err("it is refused").to_string();
    assert!(error.contains("access.insecure_public"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_trusted_where_the_program_says_so_and_a_web_page_on_it_is_not() {
    let running = start(Config { access: Policy { trust_loopback: true, ..Policy::new(Access::Restricted) }, ..config() });
    let way = Way::Tcp(running.local_addr().expect("it listens"));
    let (status, answer) = way.http("GET /api/session", &[], "").await.expect("an answer");
    assert!(status == 200 && answer.contains(&running.session().to_string()), "{answer}");
    // The name of a page's own host leads to this machine by then: the browser sends what the page asks for.
    let asked = async |host: &str, headers: &str| {
        let mut io = way.open().await.expect("a connection");
        let text = format!("GET /api/session HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
        io.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.expect("text");
        answer
    };
    for host in ["rebound.example:4000", "rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example:4000"] {
        let answer = asked(host, "").await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("another name"), "{host}: {answer}");
    }
    let (status, answer) = way.http("GET http://rebound.example:4000/api/session", &[], "").await.expect("an answer");
    assert!(status == 403 && answer.contains("another name"), "{answer}");
    for origin in ["http://evil.example", "null", "http://localhost:4001"] {
        let answer = asked("localhost:4000", &format!("origin: {origin}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("web page of another host"), "{origin}: {answer}");
    }
    let own = asked("localhost:4000", "origin: http://localhost:4000\r\n").await;
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
    let ipv6 = way.http("GET http://[::1]:4000/api/session", &[], "").await.expect("an answer");
    assert_eq!(ipv6.0, 200, "{}", ipv6.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_calls_nothing_in_the_words_of_grpc_either() {
    let running = start(config());
    let called = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&called);
    let count = move |()| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, RpcError>(()) }
    };
    running.telemetry().rpc("reach_counted", count).expect("declared");
    let way = Way::Tcp(running.local_addr().expect("it listens"));
    // What a page may send to any host without being asked whether it may: a message of gRPC is text too.
    let message = "\0\0\0\0\u{f}\n\rreach_counted";
    for headers in [&[("content-type", "text/plain")][..], &[("content-type", "application/x-www-form-urlencoded")], &[]] {
        let (status, answer) = way.http("POST /telemetry.Telemetry/Call", headers, message).await.expect("an answer");
        assert!(status == 415 && answer.contains("application/grpc"), "{answer}");
    }
    assert_eq!(called.load(Ordering::Relaxed), 0);
    let headers = [("content-type", "application/grpc")];
    let (status, _) = way.http("POST /telemetry.Telemetry/Call", &headers, message).await.expect("an answer");
    assert_eq!((status, called.load(Ordering::Relaxed)), (200, 1), "that is what it would have done");
}

#[test]
fn what_is_wanted_of_a_metric_alone_is_an_error_that_says_so() {
    let access = Policy::default().of("telemetry_LEASES", Access::Restricted);
    let error = refused(Config { access, ..config() });
    assert_eq!(error, "access of \"telemetry_LEASES\": metrics are read together, wanted access of \"metrics\"");
}

#[test]
fn a_name_that_nothing_has_is_an_error_and_one_of_run_time_is_named_by_how_it_begins() {
    let of = |name: &str| Config { access: Policy::default().of(name, Access::Disabled), ..config() };
    let error = refused(of("reach_countd"));
    assert!(
        error.starts_with("access of \"reach_countd\": nothing is declared by this name") && error.contains("\"reach_countd*\"")
    );
    for name in ["reach_later*", "METRICS", "telemetry_push", "telemetry_disk", "*"] {
        telemetry_exporter::start(of(name)).unwrap_or_else(|error| panic!("{name}: {error}")).stop().expect("it stops");
    }
}

#[test]
fn a_key_and_tokens_that_all_may_read_and_files_that_are_none_are_errors_that_say_so() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new();
    let with = |tls| Config { tls: Some(tls), ..config() };
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(files.path("server.key"), open.clone()).expect("it is ours");
    let error = refused(with(files.server_tls()));
    assert!(error.starts_with("tls: ") && error.contains("server.key: others than its owner") && error.contains("644"), "{error}");
    let mut tls = files.server_tls();
    tls.key = files.path("client.key");
    let error = refused(with(tls.clone()));
    assert!(error.contains("server.pem"), "a key that is not its own: {error}");
    tls.certificate = files.path("tokens");
    assert!(refused(with(tls.clone())).contains("tokens: no certificate in PEM"));
    tls.certificate = files.path("none.pem");
    assert!(refused(with(tls)).contains("none.pem: "));
    std::fs::set_permissions(files.path("tokens"), open).expect("it is ours");
    let error = refused(Config { access: Policy::tokens(Tokens::in_file(files.path("tokens"))), ..config() });
    assert!(error.starts_with("access: the tokens of ") && error.contains("644: wanted 600 or 640"), "{error}");
}
