//! A client of the service: it asks, pulls and follows, keeps its place in each stream, and notices when the program restarted.

mod error;
#[cfg(feature = "libp2p")]
mod libp2p;
mod place;
mod pull;
pub mod view;

pub use error::ClientError;
pub use place::{Mark, Place, PlaceError};
pub use pull::{GapReason, Message, Pull, PullOptions, Pulled};

use tonic::transport::{Channel, Endpoint};

use crate::limits::{CLIENT_FRAME_BYTES, CLIENT_STREAM_WINDOW_BYTES, CLIENT_WINDOW_BYTES, CONNECT_DEADLINE, KEEP_ALIVE};
use crate::limits::{MESSAGE_BYTES_MAX, RPC_DEADLINE, SEGMENT_BYTES_MAX};
use crate::pb::telemetry_client::TelemetryClient;
use crate::pb::{self};

/// Bytes of one answer: a segment, which one message may make larger than its size, and its framing.
const TAKEN_BYTES_MAX: usize = SEGMENT_BYTES_MAX + 2 * MESSAGE_BYTES_MAX + (64 << 10);

/// A connection to the telemetry of a program. Its clones share it: each may have a request under way.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use telemetry_exporter::client::{Client, Place, PullOptions, Pulled};
///
/// let mut client = Client::connect("127.0.0.1:4000").await?;
/// let mut place = Place::load("place.json")?;
/// let mut pull = client.pull("metrics", &place, PullOptions { head: true, ..Default::default() }).await?;
/// while let Some(pulled) = pull.next().await? {
///     if let Pulled::Messages { messages, .. } = &pulled {
///         println!("{} messages", messages.len());
///     }
///     pulled.keep(&mut place);
///     place.save("place.json")?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    grpc: TelemetryClient<Channel>,
    /// What must live as long as the connection: the swarm of one over libp2p.
    #[cfg(feature = "libp2p")]
    _swarm: Option<std::sync::Arc<libp2p::Driver>>,
}

impl Client {
    /// Connects over TCP to `host:port`.
    ///
    /// # Errors
    /// An address that is none, or where nobody answers within [`CONNECT_DEADLINE`].
    pub async fn connect(host: &str) -> Result<Self, ClientError> {
        let address = |error: tonic::transport::Error| ClientError::Address(host.to_owned(), error.to_string());
        let host = host.strip_prefix("http://").unwrap_or(host).trim_end_matches('/');
        let endpoint = Endpoint::from_shared(format!("http://{host}")).map_err(address)?;
        let channel = settings(endpoint).connect().await;
        let channel = channel.map_err(|error| ClientError::Connect(host.to_owned(), chain(&error)))?;
        Ok(Self {
            grpc: grpc(channel),
            #[cfg(feature = "libp2p")]
            _swarm: None,
        })
    }

    /// Connects over libp2p to `/ip4/…/tcp/…/p2p/ID`, as a peer with a new id, or with this one.
    ///
    /// # Errors
    /// An address that is none or has no `/p2p/ID`, or where nobody of that id answers within [`CONNECT_DEADLINE`].
    #[cfg(feature = "libp2p")]
    pub async fn connect_libp2p(address: &str, keypair: Option<::libp2p::identity::Keypair>) -> Result<Self, ClientError> {
        let (channel, swarm) = libp2p::connect(address, keypair).await?;
        Ok(Self { grpc: grpc(channel), _swarm: Some(swarm.into()) })
    }

    /// Which life of the process this is.
    ///
    /// # Errors
    /// What the server answered.
    pub async fn session(&mut self) -> Result<String, ClientError> {
        Ok(self.grpc.get_session(pb::GetSessionRequest {}).await?.into_inner().uuid)
    }

    /// These properties, or all where none is named.
    ///
    /// # Errors
    /// NOT_FOUND with the name of one that is not declared.
    pub async fn properties(&mut self, names: &[String]) -> Result<Vec<pb::Property>, ClientError> {
        let mut stream = self.grpc.get_properties(pb::GetPropertiesRequest { names: names.to_vec() }).await?.into_inner();
        let mut properties = Vec::new();
        while let Some(property) = stream.message().await? {
            properties.push(property);
        }
        Ok(properties)
    }

    /// The streams that can be read.
    ///
    /// # Errors
    /// What the server answered.
    pub async fn streams(&mut self) -> Result<Vec<pb::StreamDescriptor>, ClientError> {
        let answer = self.grpc.get_stream_descriptors(pb::GetStreamDescriptorsRequest {}).await?;
        Ok(answer.into_inner().stream_descriptors)
    }

    /// All declarations of the program.
    ///
    /// # Errors
    /// What the server answered.
    pub async fn catalogue(&mut self) -> Result<Vec<pb::Declaration>, ClientError> {
        Ok(self.grpc.get_catalogue(pb::GetCatalogueRequest {}).await?.into_inner().declarations)
    }

    /// Calls an rpc with JSON.
    ///
    /// # Errors
    /// NOT_FOUND with the name of one that is not declared, INVALID_ARGUMENT with the place in the JSON, and what the rpc answered.
    pub async fn call(&mut self, name: &str, json: &str) -> Result<String, ClientError> {
        let request = pb::CallRequest { name: name.to_owned(), json: json.to_owned() };
        Ok(self.grpc.call(request).await?.into_inner().json)
    }

    /// Pulls a stream from the place on.
    ///
    /// # Errors
    /// NOT_FOUND with the name of a stream that does not exist.
    pub async fn pull(&mut self, stream: &str, place: &Place, options: PullOptions) -> Result<Pull, ClientError> {
        let request = pull::request(stream, place, options);
        let answers = self.grpc.pull(request).await?.into_inner();
        Ok(Pull::new(stream, answers))
    }

    /// The messages of the newest time of a stream.
    ///
    /// # Errors
    /// NOT_FOUND with the name of a stream that does not exist.
    pub async fn latest(&mut self, stream: &str) -> Result<Vec<Message>, ClientError> {
        let request = pb::PullRequest { stream: stream.to_owned(), latest: true, ..Default::default() };
        let mut pull = Pull::new(stream, self.grpc.pull(request).await?.into_inner());
        let mut latest = Vec::new();
        while let Some(pulled) = pull.next().await? {
            if let Pulled::Messages { messages, .. } = pulled {
                latest.extend(messages);
            }
        }
        Ok(latest)
    }
}

/// A connection that breaks without a word is noticed, an answer that does not begin is not waited for, and what is sent unread is bounded.
fn settings(endpoint: Endpoint) -> Endpoint {
    let endpoint = endpoint.initial_stream_window_size(CLIENT_STREAM_WINDOW_BYTES).max_frame_size(CLIENT_FRAME_BYTES);
    let endpoint = endpoint.initial_connection_window_size(CLIENT_WINDOW_BYTES);
    let endpoint = endpoint.connect_timeout(CONNECT_DEADLINE).timeout(RPC_DEADLINE + CONNECT_DEADLINE);
    endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE).keep_alive_while_idle(true)
}

fn grpc(channel: Channel) -> TelemetryClient<Channel> {
    TelemetryClient::new(channel).max_decoding_message_size(TAKEN_BYTES_MAX)
}

/// An error with its causes: tonic's own text is "transport error" alone.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
