//! What people look at, in JSON over HTTP: the requests of the gRPC service with other words, and by its rules.
//!
//! Not here: what an answer says in JSON (`json`).

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures::{Stream, StreamExt, TryStreamExt, future, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::{Code, Request, Status};

use super::Service;
use super::access::{Over, refuse};
use super::grpc::Grpc;
use crate::access::Caller;
use crate::admission::{Amount, Place};
use crate::json::{self, Line, moment};
use crate::limits::KEEP_ALIVE;
use crate::pb::telemetry_server::Telemetry;
use crate::pb::{self, pull_response};
use crate::stream::{FRAME_HEAD_BYTES, Position, Token, frames};

/// What an answer may be instead.
struct Refused(Code, String);

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self(status.code(), status.message().to_owned())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refuse(false, self.0, self.1)
    }
}

type Answer<T> = Result<T, Refused>;

/// All paths.
pub fn routes(service: Arc<Service>) -> Router {
    let routes = Router::new()
        .route("/api/session", get(session))
        .route("/api/catalogue", get(catalogue))
        .route("/api/properties", get(properties))
        .route("/api/properties/{*name}", get(property))
        .route("/api/streams", get(streams))
        .route("/api/streams/{*name}", get(messages))
        .route("/api/rpcs/{*name}", post(call));
    routes.with_state(service)
}

/// A request of the gRPC service, of who asks by HTTP.
fn asked<T>(asking: Asking, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(asking.0.0);
    request.extensions_mut().insert(asking.1.0);
    request
}

/// Who asks, and over what.
type Asking = (Extension<Caller>, Extension<Over>);

async fn session(State(service): State<Arc<Service>>) -> Json<Value> {
    Json(json!({ "session": service.session.to_string() }))
}

async fn catalogue(State(service): State<Arc<Service>>, asking: Asking) -> Answer<Json<Value>> {
    let answer = Grpc(service).get_catalogue(asked(asking, pb::GetCatalogueRequest {})).await?;
    Ok(Json(answer.into_inner().declarations.iter().map(json::declaration).collect()))
}

async fn streams(State(service): State<Arc<Service>>, asking: Asking) -> Answer<Json<Value>> {
    let answer = Grpc(service).get_stream_descriptors(asked(asking, pb::GetStreamDescriptorsRequest {})).await?;
    Ok(Json(answer.into_inner().stream_descriptors.into_iter().map(json::stream).collect()))
}

async fn evaluated(service: Arc<Service>, asking: Asking, names: Vec<String>) -> Answer<Vec<Value>> {
    let answer = Grpc(service).get_properties(asked(asking, pb::GetPropertiesRequest { names })).await?;
    let properties: Vec<_> = answer.into_inner().try_collect().await?;
    Ok(properties.iter().map(json::property).collect())
}

async fn properties(State(service): State<Arc<Service>>, asking: Asking) -> Answer<Json<Vec<Value>>> {
    Ok(Json(evaluated(service, asking, Vec::new()).await?))
}

async fn property(State(service): State<Arc<Service>>, asking: Asking, Path(name): Path<String>) -> Answer<Json<Option<Value>>> {
    Ok(Json(evaluated(service, asking, vec![name]).await?.pop()))
}

/// A call has the word that it is JSON: a page that was led here can send other words to any host, and this one not.
async fn call(
    State(service): State<Arc<Service>>,
    asking: Asking,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let text = "wanted content-type: application/json".to_owned();
        return Ok((StatusCode::UNSUPPORTED_MEDIA_TYPE, text + "\n").into_response());
    }
    let bytes_max = service.places.limits().request_bytes;
    let request = match axum::body::to_bytes(body, bytes_max).await {
        Ok(request) => request,
        Err(error) => {
            let status = Status::from_error(error.into_inner());
            if status.code() == Code::DeadlineExceeded {
                return Ok((StatusCode::REQUEST_TIMEOUT, status.message().to_owned() + "\n").into_response());
            }
            let text = format!("wanted a request of at most {bytes_max} bytes\n");
            return Ok((StatusCode::PAYLOAD_TOO_LARGE, text).into_response());
        }
    };
    let request =
        String::from_utf8(request.into()).map_err(|_| Refused(Code::InvalidArgument, "the request is no text".to_owned()))?;
    let answer = Grpc(service).call(asked(asking, pb::CallRequest { name, json: request })).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer.into_inner().json).into_response())
}

/// What is wanted of a stream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// From then on.
    since: Option<String>,
    /// Before then.
    until: Option<String>,
    /// Of each step of so long the last.
    every: Option<String>,
    /// From where an earlier request ended.
    token: Option<String>,
    /// The newest alone.
    #[serde(default)]
    latest: bool,
    /// Also what comes.
    #[serde(default)]
    follow: bool,
}

impl Wanted {
    fn request(self, name: String, last: Option<String>) -> Answer<pb::PullRequest> {
        let wrong = |key: &str, why: String| Refused(Code::InvalidArgument, format!("{key}: {why}"));
        let moment = |key, text: Option<String>| text.map_or(Ok(0), |text| moment(&text).map_err(|why| wrong(key, why)));
        let every_ns = match self.every.map(|text| humantime::parse_duration(&text)) {
            None => 0,
            Some(every) => every.map_err(|_| wrong("every", "wanted a time such as 10s".to_owned()))?.as_nanos(),
        };
        Ok(pb::PullRequest {
            stream: name,
            head: true,
            follow: self.follow,
            latest: self.latest && last.is_none(), // a browser that comes again wants what follows
            token: last.or(self.token).unwrap_or_default(),
            since_ns: moment("since", self.since)?,
            until_ns: moment("until", self.until)?,
            every_ns: u64::try_from(every_ns).unwrap_or(u64::MAX),
            ..Default::default()
        })
    }
}

async fn messages(
    State(service): State<Arc<Service>>,
    asking: Asking,
    Path(name): Path<String>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Answer<Response> {
    let Query(wanted) = wanted.map_err(|rejection| Refused(Code::InvalidArgument, rejection.body_text()))?;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let as_events = wanted.follow || text(header::ACCEPT).is_some_and(|accept| accept.starts_with("text/event-stream"));
    let last = text(header::HeaderName::from_static("last-event-id")).filter(|last| !last.is_empty()).map(ToOwned::to_owned);
    let request = wanted.request(name, last)?;
    let place = Arc::clone(&asking.1.0.place);
    let answers = Grpc(service).pull(asked(asking, request)).await?.into_inner();
    let items = answers.map(move |answer| items(answer?, &place)).map_ok(stream::iter).try_flatten();
    Ok(if as_events { events(items).into_response() } else { array(items) })
}

/// One message, or one gap, in JSON; and the token with which what follows is asked for.
struct Item {
    is_gap: bool,
    json: String,
    token: String,
}

/// What an answer has, each made when it is asked for.
type Items = Box<dyn Iterator<Item = Result<Item, Status>> + Send>;

fn items(answer: pb::PullResponse, place: &Arc<Place>) -> Result<Items, Status> {
    let stream =
        |token: &str| token.parse::<Token>().map(|token| token.stream).map_err(|error| Status::internal(error.to_string()));
    match answer.item {
        Some(pull_response::Item::Gap(gap)) => {
            let reason = match gap.reason() {
                pb::GapReason::Expired => "expired",
                pb::GapReason::Dropped => "dropped",
                pb::GapReason::Restarted => "restarted",
                pb::GapReason::Lost => "lost",
                pb::GapReason::Unspecified => "",
            };
            let places = (position(gap.from), position(gap.to));
            let json = json::gap(&stream(&gap.token)?, &gap.session, places, gap.messages_before, reason);
            Ok(Box::new(std::iter::once(Ok(Item { is_gap: true, json: json.to_string(), token: gap.token }))))
        }
        Some(pull_response::Item::Chunk(chunk)) => Ok(Box::new(Messages {
            stream: stream(&chunk.token)?,
            from: position(chunk.from),
            next: position(chunk.next),
            begins: chunk.at.into_iter().map(|at| position(Some(at))).collect::<Vec<_>>().into_iter(),
            session: chunk.session,
            read: 0,
            _held: Amount::new(chunk.data.len(), Arc::clone(place)),
            data: chunk.data,
        })),
        None => Ok(Box::new(std::iter::empty())),
    }
}

fn position(position: Option<pb::Position>) -> Position {
    let pb::Position { sequence, offset } = position.unwrap_or_default();
    Position { sequence, offset }
}

/// The messages of a chunk, which counts as held until they are made.
struct Messages {
    stream: String,
    session: String,
    from: Position,
    next: Position,
    /// Where those begin that are not made yet, where that does not follow from the data.
    begins: std::vec::IntoIter<Position>,
    data: Bytes,
    /// Bytes of the data that are made.
    read: usize,
    _held: Amount,
}

impl Messages {
    /// Where the next message begins.
    fn at(&self) -> Position {
        if self.read == self.data.len() {
            return self.next;
        }
        let follows = Position { offset: self.from.offset + self.read as u64, ..self.from };
        self.begins.as_slice().first().copied().unwrap_or(follows)
    }
}

impl Iterator for Messages {
    type Item = Result<Item, Status>;

    fn next(&mut self) -> Option<Self::Item> {
        let data = self.data.slice(self.read..);
        let frame = frames(&data).next()?.ok()?;
        let at = self.at();
        self.read += FRAME_HEAD_BYTES + frame.payload.len();
        self.begins.next();
        let line = Line::new(&self.stream, Some((&self.session, at)), frame.time_ns, frame.payload);
        let json = line.and_then(|line| serde_json::to_string(&line).map_err(|error| error.to_string()));
        let session = self.session.parse().unwrap_or_default();
        let token = Token { session, stream: self.stream.clone(), at: self.at() }.to_string();
        Some(json.map(|json| Item { is_gap: false, json, token }).map_err(Status::internal))
    }
}

/// A list of all: what fails in the middle ends the connection, so that half a list is none.
fn array(items: impl Stream<Item = Result<Item, Status>> + Send + 'static) -> Response {
    let lines = items.enumerate().map(|(index, item)| {
        let begin = if index == 0 { "[" } else { ",\n" };
        item.map(|item| (index, format!("{begin}{}", item.json)))
    });
    let written = lines.map_ok(|(_, line)| Bytes::from(line));
    // Whether there was none is known at the end.
    let whole = stream::unfold((Box::pin(written), false, false), |(mut lines, any, ended)| async move {
        if ended {
            return None;
        }
        match lines.next().await {
            Some(line) => Some((line, (lines, true, false))),
            None => Some((Ok(Bytes::from_static(if any { b"]\n" } else { b"[]\n" })), (lines, any, true))),
        }
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(whole)).into_response()
}

/// Server-sent events (HTML, section 9.2): a browser that lost its connection asks for what follows the last by its id.
fn events(items: impl Stream<Item = Result<Item, Status>> + Send + 'static) -> impl IntoResponse {
    // What follows an error is not told: who comes again asks for it.
    let items = items.scan(false, |failed, item| {
        let told = !std::mem::replace(failed, item.is_err());
        future::ready(told.then_some(item))
    });
    let event = |item: Result<Item, Status>| {
        let event = match item {
            Ok(Item { is_gap: true, json, token }) => Event::default().event("gap").id(token).data(json),
            Ok(Item { is_gap: false, json, token }) => Event::default().id(token).data(json),
            Err(status) => Event::default().event("error").data(json!({ "error": status.message() }).to_string()),
        };
        future::ready(Ok::<_, Infallible>(event))
    };
    Sse::new(items.then(event)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
