//! Typed calls: a client calls an rpc through the declaration that the server serves.

use serde::{Deserialize, Serialize};
use telemetry_core::{CallError, Rpc, RpcError, rpc};
use telemetry_exporter::client::ClientError;

use crate::support::{client, config, start};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wanted {
    peer: String,
    at_most: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    addresses: Vec<String>,
}

/// Finds a peer.
#[rpc(name = "calls_find_peer")]
static FIND_PEER: Rpc<Wanted, Found>;

const NAME: &str = concat!("calls_", "by_const");

/// Has a name that the compiler makes, and an initialiser.
#[rpc(name = NAME)]
static BY_CONST: Rpc<(), u32> = Rpc::new();

/// Adds.
#[rpc(name = "calls_add")]
fn add((a, b): (u32, u32)) -> Result<u32, RpcError> {
    Ok(a + b)
}

static UNDECLARED: Rpc<(), ()> = Rpc::new();

fn find(Wanted { peer, at_most }: Wanted) -> Result<Found, RpcError> {
    match peer.as_str() {
        "a" => Ok(Found { addresses: ["/ip4/1.2.3.4", "/ip4/5.6.7.8"].into_iter().take(at_most).map(str::to_owned).collect() }),
        other => Err(RpcError::not_found(format!("no peer knows {other}"))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_is_called_with_its_types_through_its_declaration() {
    let running = start(config());
    let _serving = (FIND_PEER.serve(|wanted| async move { find(wanted) }), BY_CONST.serve(|()| async { Ok(7) }));
    let client = client(&running).await;
    let wanted = |peer: &str| Wanted { peer: peer.to_owned(), at_most: 1 };
    let found = FIND_PEER.call(&client, &wanted("a")).await.expect("it is known");
    assert_eq!(found, Found { addresses: vec!["/ip4/1.2.3.4".to_owned()] });
    assert_eq!(BY_CONST.call(&client, &()).await.expect("it is served"), 7);
    assert_eq!(telemetry_core::call::<_, u32, _>(&client, "calls_add", &(2, 3)).await.expect("a function serves it"), 5);

    let both = (wanted("a"), wanted("a"));
    let (first, second) = tokio::join!(FIND_PEER.call(&client, &both.0), FIND_PEER.call(&client, &both.1));
    assert_eq!(first.expect("at the same time"), second.expect("over one connection"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_call_that_fails_says_where() {
    let running = start(config());
    running.telemetry().rpc("calls_other", |()| async { Ok("seven") }).expect("declared");
    let client = client(&running).await;
    let error = telemetry_core::call::<_, u32, _>(&client, "calls_other", &()).await.expect_err("it is text");
    assert_eq!(error.to_string(), r#"the answer is not as wanted: invalid type: string "seven", expected u32 at line 1 column 7"#);
    let error = telemetry_core::call::<_, u32, _>(&client, "calls_other", "x").await.expect_err("it takes nothing");
    assert!(matches!(&error, CallError::Caller(error) if error.is_invalid_argument()), "{error}");
    let error = telemetry_core::call::<_, u32, _>(&client, "calls_nope", &()).await.expect_err("there is none");
    assert!(matches!(&error, CallError::Caller(error) if error.is_not_found()), "{error}");
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<ClientError>());
    assert!(source.is_some_and(ClientError::is_not_found), "{error:?}");
    assert!(matches!(UNDECLARED.call(&client, &()).await, Err(CallError::Undeclared)));
}
