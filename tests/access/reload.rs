//! Certificates and tokens that change while a service runs.

use std::time::Duration;

use telemetry_core::Event;
use telemetry_exporter::client::{Client, Credentials, Place, PullOptions, Pulled};
use telemetry_exporter::{Config, Policy, Tokens};
use tonic::Code;

use crate::credentials::{Files, RIGHT, WRONG};
use crate::support::{config, start, until};
use crate::ways::Way;

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_renewed_is_shown_and_one_that_cannot_be_read_changes_nothing() {
    let files = Files::new();
    let access = Policy::tokens(Tokens::in_file(files.path("tokens")));
    let running = start(Config { tls: Some(files.server_tls()), access, ..config() });
    let addr = running.local_addr().expect("it listens");
    let credentials = Credentials::default().with_token(RIGHT).expect("a token").with_authorities(files.path("authority.pem"));
    let address = format!("https://localhost:{}", addr.port());
    let connect = async || Client::connect_with(&address, &credentials).await;
    connect().await.expect("connected").session().await.expect("an answer");
    let before = running.local_addr();
    files.write("server.pem", "no certificate");
    files.write("tokens", WRONG); // as wanted, beside what is not
    let error = running.reload().expect_err("it is none").to_string();
    assert!(error.contains("server.pem: no certificate in PEM"), "{error}");
    let client = connect().await.expect("as before");
    client.session().await.expect("an answer");
    let why = client.properties(&["telemetry_credentials".to_owned()]).await.expect("it is listed");
    assert!(format!("{:?}", why[0].value).contains("server.pem: no certificate in PEM"), "{why:?}");
    files.write("tokens", RIGHT);
    files.put("server", &files.signed("elsewhere", true));
    // Nobody tells: the files are looked at.
    until("the new certificate", async || connect().await.err()).await;
    files.put("server", &files.signed("localhost", true));
    running.reload().expect("they are as wanted");
    let why = connect().await.expect("connected").properties(&["telemetry_credentials".to_owned()]).await.expect("an answer");
    assert_eq!(why[0].value, Some(telemetry_exporter::pb::property::Value::StringValue(String::new())));
    connect().await.expect("connected").session().await.expect("an answer");
    assert_eq!(running.local_addr(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_with_a_token_that_is_withdrawn_is_told_and_ends() {
    let files = Files::new();
    let running = start(Config { access: Policy::tokens(Tokens::in_file(files.path("tokens"))), ..config() });
    let event: Event<u32> = running.telemetry().event("access_followed").expect("declared");
    event.emit(&1);
    let address = running.local_addr().expect("it listens").to_string();
    let credentials = Credentials::default().with_token_file(files.path("tokens")).expect("the first is right");
    let client = Client::connect_with(&address, &credentials).await.expect("connected");
    let options = PullOptions { head: true, follow: true, ..PullOptions::default() };
    let mut pull = client.pull("access_followed", &Place::default(), options).await.expect("it may");
    assert!(matches!(pull.next().await.expect("an answer"), Some(Pulled::Messages { .. })));
    files.write("tokens", &format!("{WRONG}\n"));
    let error =
        tokio::time::timeout(Duration::from_secs(30), pull.next()).await.expect("in time").expect_err("it may not any more");
    assert_eq!(error.code(), Some(Code::Unauthenticated), "{error}");
    assert_eq!(client.session().await.expect_err("nor this").code(), Some(Code::Unauthenticated));
    let (status, _) = Way::Tcp(running.local_addr().expect("it listens"))
        .http("GET /api/session", &[("authorization", &format!("Bearer {WRONG}"))], "")
        .await
        .expect("an answer");
    assert_eq!(status, 200, "the new one is taken");
}
