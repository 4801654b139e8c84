//! Valid requests of every method, and an honest HTTP/2 client that sends any bytes as a message.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use hostile::{EVENTS, PROPERTIES, RPCS, SNAPSHOT};
use prost::Message;
use telemetry_exporter::pb;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::honest::DEADLINE;
use crate::raw::{From, attacker, closes, message};
use crate::target::{Connected, Target};

/// How a request was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this status of gRPC, and so many bytes before.
    Status(u32, usize),
    /// With an error of HTTP/2, which tells why.
    Reset(String),
}

/// A connection.
pub struct Connection {
    sends: SendRequest<Bytes>,
    task: tokio::task::JoinHandle<()>,
}

impl Connection {
    pub async fn new(to: SocketAddr, from: From) -> Result<Self, String> {
        Self::over(from.connect(to).await.map_err(|error| error.to_string())?).await
    }

    /// Over this.
    async fn over(stream: impl Connected + 'static) -> Result<Self, String> {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
        let (sends, connection) = builder.handshake(stream).await.map_err(|error| error.to_string())?;
        let task = tokio::spawn(async move {
            let _its_users_are_told = connection.await;
        });
        Ok(Self { sends, task })
    }

    /// Calls a method with these bytes as its message.
    pub async fn call(&self, method: &str, bytes: &[u8]) -> Answer {
        let body = message(bytes);
        match tokio::time::timeout(DEADLINE, self.send_with(method, &body, &[])).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Answer::Reset(error.to_string()),
            Err(_) => panic!("{method} hangs: {bytes:?}"),
        }
    }

    /// The same with this body, whatever it is, and these headers beside it.
    pub async fn send_with(&self, method: &str, body: &[u8], headers: &[(&str, &str)]) -> Result<Answer, h2::Error> {
        let mut request = http::Request::post(format!("http://127.0.0.1/telemetry.Telemetry/{method}"));
        for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")].iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let mut sends = self.sends.clone().ready().await?;
        let (response, mut sending) = sends.send_request(request.body(()).expect("valid"), false)?;
        sending.send_data(Bytes::copy_from_slice(body), true)?;
        let response = response.await?;
        let status = |headers: &http::HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
        if let Some(status) = status(response.headers()) {
            return Ok(Answer::Status(status, 0));
        }
        let mut body = response.into_body();
        let mut read = 0;
        while let Some(data) = body.data().await {
            let data = data?;
            read += data.len();
            body.flow_control().release_capacity(data.len())?;
        }
        let trailers = body.trailers().await?.unwrap_or_default();
        Ok(Answer::Status(status(&trailers).expect("a status"), read))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Every method, each with requests that are valid and end.
pub fn valid() -> Vec<(&'static str, Vec<u8>)> {
    let pull = |request: pb::PullRequest| ("Pull", request.encode_to_vec());
    let call = |name: &str, json: &str| ("Call", pb::CallRequest { name: name.to_owned(), json: json.to_owned() }.encode_to_vec());
    let position = Some(pb::Position { sequence: 30, offset: 0 });
    let names = PROPERTIES.map(str::to_owned).into();
    vec![
        ("GetSession", pb::GetSessionRequest {}.encode_to_vec()),
        ("GetProperties", pb::GetPropertiesRequest { names }.encode_to_vec()),
        ("GetStreamDescriptors", pb::GetStreamDescriptorsRequest {}.encode_to_vec()),
        ("GetCatalogue", pb::GetCatalogueRequest {}.encode_to_vec()),
        ("GetStream", pb::GetStreamRequest { stream_id: 1, sequence_number_since: u32::MAX }.encode_to_vec()),
        pull(pb::PullRequest { stream: SNAPSHOT.to_owned(), head: true, ..Default::default() }),
        pull(pb::PullRequest { stream: EVENTS.to_owned(), latest: true, ..Default::default() }),
        pull(pb::PullRequest { stream: EVENTS.to_owned(), since_ns: u64::MAX, until_ns: 1, ..Default::default() }),
        pull(pb::PullRequest {
            stream: EVENTS.to_owned(),
            from: position,
            session: "x".to_owned(),
            until_ns: 9,
            ..Default::default()
        }),
        pull(pb::PullRequest { stream: "metrics".to_owned(), latest: true, every_ns: 1_000, ..Default::default() }),
        pull(pb::PullRequest { stream: EVENTS.to_owned(), token: "t".repeat(40), ..Default::default() }),
        call(RPCS[0], "7"),
        call("no_such_rpc", "{}"),
    ]
}

/// Connections that ask and read before an attack.
const BUSY: usize = 32;

/// Reads all there is once, and then much at a time, as honest clients do: what the server takes once and keeps is taken then.
pub async fn read_all(to: &Target) {
    let connect = async |to: &Target, from| to.connect(from).await.expect("a connection");
    let connection = Connection::over(connect(to, From::address(crate::honest::HONEST)).await).await.expect("it is served");
    for stream in [EVENTS, SNAPSHOT, "metrics"] {
        let request = pb::PullRequest { stream: stream.to_owned(), head: true, ..Default::default() };
        let answer = connection.call("Pull", &request.encode_to_vec()).await;
        assert!(matches!(answer, Answer::Status(0, 1..)), "{stream}: {answer:?}");
    }
    drop(connection);
    let mut busy = JoinSet::new();
    for number in 0..BUSY {
        let to = to.clone();
        busy.spawn(async move {
            let mut scraping = connect(&to, From::address(attacker(number))).await;
            let connection = Connection::over(connect(&to, From::address(attacker(number))).await).await.expect("it is served");
            scraping.write_all(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").await.expect("sent");
            for (method, bytes) in valid() {
                connection.call(method, &bytes).await;
            }
            assert!(closes(&mut scraping, DEADLINE).await);
        });
    }
    busy.join_all().await;
}
