//! The gRPC service: each request is checked here and answered by the modules beside this one.

use std::collections::HashSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use telemetry_core::callback::Failure;
use telemetry_core::{EntryRef, Kind};
use tonic::{Request, Response, Status};

use super::access::Over;
use super::judged::Judged;
use super::leased::{self, Wanted};
use super::read::{self, Answers, Pull};
use super::{Service, answers, evaluated, rpcs};
use crate::access::{Caller, Identity};
use crate::admission::{self, Place};
use crate::pb::telemetry_server::Telemetry;
use crate::pb::{self};
use crate::stream::{METRICS, Position, Token, TokenError};

/// What properties that are answered take of memory: themselves, and as they are written, into memory that grows by doubling.
const WRITTEN: usize = 3;

pub struct Grpc(pub Arc<Service>);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Telemetry for Grpc {
    async fn get_session(&self, _: Request<pb::GetSessionRequest>) -> Answered<pb::GetSessionResponse> {
        Ok(Response::new(pb::GetSessionResponse { uuid: self.0.session.to_string() }))
    }

    type GetPropertiesStream = Answers<pb::Property>;

    async fn get_properties(&self, request: Request<pb::GetPropertiesRequest>) -> Answered<Self::GetPropertiesStream> {
        let (caller, place) = (caller(&request), place(&request)?);
        let wanted = self.properties(&caller, &request.into_inner().names)?;
        // They count as what they were the last time until it is known what they are.
        let most = WRITTEN * self.0.evaluations.bytes(&wanted);
        let mut held = admission::room(&place, most).await;
        let evaluated = self.0.evaluations.of(wanted).await.ok_or_else(|| Status::unavailable("the telemetry stops"))?;
        let (bytes, bytes_max) = (evaluated.bytes(), self.0.places.limits().held_bytes / WRITTEN);
        if bytes > bytes_max {
            let text = format!("the properties have {bytes} bytes: at most {bytes_max} are answered together, wanted some by name");
            return Err(Status::resource_exhausted(text));
        }
        match most.checked_sub(WRITTEN * bytes) {
            Some(fewer) => held.shrink(fewer),
            None => {
                drop(held); // who waits for room takes none
                held = admission::room(&place, WRITTEN * bytes).await;
            }
        }
        // They are there until the last is passed on; each is written when it is, and counts from there.
        let answers = evaluated.into_iter().map(move |(entry, value)| {
            held.shrink((WRITTEN - 1) * evaluated::bytes(&entry, &value));
            Ok(answers::property(
                &entry,
                value.and_then(|value| value.ok_or_else(|| Failure::Failed("it was not set yet".to_owned()))),
            ))
        });
        Ok(Response::new(stream::iter(answers).boxed()))
    }

    async fn get_stream_descriptors(
        &self,
        request: Request<pb::GetStreamDescriptorsRequest>,
    ) -> Answered<pb::GetStreamDescriptorsResponse> {
        let caller = caller(&request);
        let mut streams = self.0.streams.all();
        streams.retain(|stream| self.0.shows(&caller, stream.name(), self.0.declared(stream)));
        let stream_descriptors = answers::descriptors(&streams);
        Ok(Response::new(pb::GetStreamDescriptorsResponse { stream_descriptors }))
    }

    type GetStreamStream = Judged<Answers<pb::StreamSegment>>;

    async fn get_stream(&self, request: Request<pb::GetStreamRequest>) -> Answered<Self::GetStreamStream> {
        let (caller, place) = (caller(&request), place(&request)?);
        let pb::GetStreamRequest { stream_id, sequence_number_since } = request.into_inner();
        // Ids are counted from 0: to who may not have it, it is as one that is not given.
        let stream = self.0.streams.by_id(stream_id);
        let stream = stream.filter(|stream| self.0.shows(&caller, stream.name(), self.0.declared(stream)));
        let stream = stream.ok_or_else(|| Status::not_found(format!("no stream has the id {stream_id}")))?;
        let segments = read::segments(&self.0, place, Arc::clone(&stream), sequence_number_since.into())?;
        Ok(Response::new(Judged::new(segments, &self.0, caller, stream)))
    }

    type PullStream = Judged<Answers<pb::PullResponse>>;

    async fn pull(&self, request: Request<pb::PullRequest>) -> Answered<Self::PullStream> {
        let (caller, place) = (caller(&request), place(&request)?);
        let pb::PullRequest { stream: name, session, from, head, follow, latest, token, since_ns, until_ns, every_ns } =
            request.into_inner();
        let from = from.map(|from| Position { sequence: from.sequence, offset: from.offset });
        let (name, session, from) = resumed(name, (!session.is_empty()).then_some(session), from, &token)?;
        let stream = self.0.streams.by_name(&name);
        let stream = stream.ok_or_else(|| Status::not_found(format!("no stream is named \"{name}\"")))?;
        self.0.let_read(&caller, &name, &stream)?;
        if latest {
            let latest = read::latest(&self.0, place, Arc::clone(&stream))?;
            return Ok(Response::new(Judged::new(latest, &self.0, caller, stream)));
        }
        if every_ns != 0 && stream.id != 0 {
            return Err(Status::invalid_argument(format!(
                "\"{name}\" is no stream of metrics: only of these `every` leaves some out"
            )));
        }
        if follow && until_ns != 0 {
            return Err(Status::invalid_argument("wanted follow or until, not both"));
        }
        let (lives, restarted, from) = read::begin(self.0.streams.lives(&stream), session.as_deref(), from, since_ns);
        if let (None, Some(life)) = (restarted, lives.first())
            && !life.stream.log.is_boundary(from)
        {
            return Err(Status::out_of_range(format!("the position {from} is inside a message of the stream \"{name}\"")));
        }
        let pull = Pull { lives, restarted, from, head, follow, until_ns, every_ns };
        Ok(Response::new(Judged::new(read::pull(&self.0, place, pull)?, &self.0, caller, stream)))
    }

    async fn get_catalogue(&self, request: Request<pb::GetCatalogueRequest>) -> Answered<pb::GetCatalogueResponse> {
        let caller = caller(&request);
        let mut entries = self.0.registry.entries();
        entries.retain(|entry| match entry.kind() {
            // They are read together.
            Kind::Metric(_) | Kind::Collector => self.0.shows(&caller, METRICS, None),
            _ => self.0.shows(&caller, entry.name(), entry.declaration().access()),
        });
        let told = move || entries.iter().map(answers::declaration).collect::<Vec<_>>();
        let mut declarations = tokio::task::spawn_blocking(told).await.map_err(|error| Status::internal(error.to_string()))?;
        declarations.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        Ok(Response::new(pb::GetCatalogueResponse { declarations }))
    }

    type LeaseStream = futures::stream::BoxStream<'static, Result<pb::LeaseResponse, Status>>;

    async fn lease(&self, request: Request<pb::LeaseRequest>) -> Answered<Self::LeaseStream> {
        let (caller, client) = (caller(&request), place(&request)?.client.clone());
        let request = request.into_inner();
        let stream = self.0.streams.by_name(&request.name);
        let stream = stream.ok_or_else(|| Status::not_found(format!("no stream is named \"{}\"", request.name)))?;
        self.0.let_lease(&caller, &request.name, &stream)?;
        let wanted = Wanted::new(client, caller, stream, &request);
        Ok(Response::new(Box::pin(leased::hold(&self.0, wanted)?)))
    }

    async fn call(&self, request: Request<pb::CallRequest>) -> Answered<pb::CallResponse> {
        let (caller, place) = (caller(&request), place(&request)?);
        let pb::CallRequest { name, json } = request.into_inner();
        let json = rpcs::call(&self.0, &caller, &place, &name, json).await?;
        Ok(Response::new(pb::CallResponse { json }))
    }
}

/// Stream, session and position of a request: its own, or those of its token.
fn resumed(
    name: String,
    session: Option<String>,
    from: Option<Position>,
    token: &str,
) -> Result<(String, Option<String>, Option<Position>), Status> {
    if token.is_empty() {
        return Ok((name, session, from));
    }
    if session.is_some() || from.is_some() {
        return Err(Status::invalid_argument("wanted a token or a position, not both"));
    }
    let token: Token = token.parse().map_err(|error: TokenError| Status::invalid_argument(error.to_string()))?;
    if !name.is_empty() && !name.eq_ignore_ascii_case(&token.stream) {
        return Err(Status::invalid_argument(format!("the token is of the stream \"{}\", not of \"{name}\"", token.stream)));
    }
    Ok((token.stream, Some(token.session.to_string()), Some(token.at)))
}

/// Who sends a request: the check of all requests has told.
fn caller<T>(request: &Request<T>) -> Caller {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.unwrap_or_else(|| Caller::of(Identity::Anonymous))
}

/// The place of the connection of a request.
fn place<T>(request: &Request<T>) -> Result<Arc<Place>, Status> {
    let over = request.extensions().get::<Over>();
    over.map(|over| Arc::clone(&over.place)).ok_or_else(|| Status::internal("it came over no connection"))
}

impl Grpc {
    /// The declarations of these properties; all that the caller may have, sorted by name, where none is named.
    fn properties(&self, caller: &Caller, names: &[String]) -> Result<Vec<EntryRef>, Status> {
        let registry = &self.0.registry;
        if names.is_empty() {
            let mut all: Vec<_> = registry.entries().into_iter().filter(|entry| entry.kind() == Kind::Property).collect();
            all.retain(|entry| self.0.shows(caller, entry.name(), entry.declaration().access()));
            all.sort_by(|a, b| a.name().cmp(b.name()));
            return Ok(all);
        }
        let find = |name: &String| {
            let found = registry.find(name).filter(|entry| entry.kind() == Kind::Property);
            let found = found.ok_or_else(|| Status::not_found(format!("no property is named \"{name}\"")))?;
            self.0.let_have(caller, "property", name, found.name(), found.declaration().access())?;
            Ok::<_, Status>(found)
        };
        let mut found = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        found.retain(|entry| seen.insert(entry.name().to_ascii_lowercase())); // each once, however often it was named
        Ok(found)
    }
}
