//! A client of the service: it asks, pulls and follows, keeps its place in each stream, and notices when the program restarted.

#[cfg(feature = "libp2p")]
pub mod bandwidth;
mod error;
mod connect;
#[cfg(feature = "libp2p")]
pub mod identity;
#[cfg(feature = "libp2p")]
mod libp2p;
mod place;
mod lease;
mod pull;
pub mod view;

pub use connect::Credentials;
pub use error::ClientError;
pub use lease::Lease;
#[cfg(all(feature = "libp2p", feature = "cli"))]
pub(crate) use libp2p::Peer;
pub use place::{Mark, Place, PlaceError};
pub use pull::{GapReason, Message, Pull, PullOptions, Pulled};

use std::time::Duration;

use connect::Shown;
use telemetry_core::Caller;
use tonic::transport::Endpoint;

use crate::limits::{CLIENT_FRAME_BYTES, CLIENT_STREAM_WINDOW_BYTES, CLIENT_WINDOW_BYTES, CONNECT_DEADLINE, KEEP_ALIVE};
use crate::limits::{MESSAGE_BYTES_MAX, RPC_DEADLINE, SEGMENT_BYTES_MAX};
use crate::pb::telemetry_client::TelemetryClient;
use crate::pb::{self};

/// Bytes of one answer: a segment, which one message may make larger than its size, and its framing.
const TAKEN_BYTES_MAX: usize = SEGMENT_BYTES_MAX + 2 * MESSAGE_BYTES_MAX + (64 << 10);

/// A connection to the telemetry of a program. Its clones share it: each may have a request under way.
///
/// An rpc that this program knows the declaration of is called with its types: `FIND_PEER.call(&client, &request).await`, as
/// [`Rpc::call`](telemetry_core::Rpc::call) tells.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use telemetry_exporter::client::{Client, Place, PullOptions, Pulled};
///
/// let client = Client::connect("127.0.0.1:4000").await?;
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
    grpc: TelemetryClient<Shown>,
}

impl Client {
    /// Connects to `host:port`, `http://host:port`, `https://host:port`, or `unix:` and the path of a socket.
    ///
    /// # Errors
    /// An address that is none, or where nobody answers within [`CONNECT_DEADLINE`].
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        Self::connect_with(address, &Credentials::default()).await
    }

    /// The same, showing and trusting these.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), files that cannot be read, and a token that others could read on the way.
    pub async fn connect_with(address: &str, credentials: &Credentials) -> Result<Self, ClientError> {
        let channel = connect::channel(address, credentials).await?;
        Ok(Self { grpc: grpc(credentials.shown_on(channel)) })
    }

    /// Connects over libp2p to `/ip4/…/tcp/…/p2p/ID`, as a peer with a new id, or with this one, such as of a
    /// [file](identity::load). It is a swarm of its own; a program that has one is a client by [`connect_over`](Self::connect_over).
    ///
    /// # Errors
    /// An address that is none or has no `/p2p/ID`, or where nobody of that id answers within [`CONNECT_DEADLINE`].
    #[cfg(feature = "libp2p")]
    pub async fn connect_libp2p(address: &str, keypair: Option<::libp2p::identity::Keypair>) -> Result<Self, ClientError> {
        Self::connect_libp2p_with(address, keypair, &Credentials::default()).await
    }

    /// The same, showing the token of these.
    ///
    /// # Errors
    /// As [`connect_libp2p`](Self::connect_libp2p).
    #[cfg(feature = "libp2p")]
    pub async fn connect_libp2p_with(
        address: &str,
        keypair: Option<::libp2p::identity::Keypair>,
        credentials: &Credentials,
    ) -> Result<Self, ClientError> {
        Ok(Self { grpc: grpc(credentials.shown_on(libp2p::connect(address, keypair).await?)) })
    }

    /// Connects to the telemetry of this peer on a swarm that the program has: the control is that of its
    /// [`swarm::Behaviour`](crate::swarm::Behaviour::new_control), or of its [`libp2p_stream::Behaviour`].
    ///
    /// The peer is connected, or the other behaviours of the swarm know its address. A connection to it that breaks without a word is the
    /// swarm's, and for it to close, as `libp2p`'s ping tells: this client notices that its requests are not answered, and asks for another stream.
    ///
    /// ```no_run
    /// # async fn example(telemetry: &telemetry_exporter::swarm::Behaviour, peer: libp2p::PeerId) -> Result<(), Box<dyn std::error::Error>> {
    /// use telemetry_exporter::client::{Client, bandwidth};
    /// use telemetry_exporter::limits::BANDWIDTH_BYTES;
    ///
    /// let mut control = telemetry.new_control();
    /// let client = Client::connect_over(control.clone(), peer).await?;
    /// println!("session {}", client.session().await?);
    /// match bandwidth::upload(&mut control, peer, BANDWIDTH_BYTES).await {
    ///     Ok(rates) => println!("{} bytes a second come from there", rates.client_bytes_per_s),
    ///     Err(error) if error.is_refused() => println!("tested too short a time ago"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where the peer is not to be had within [`CONNECT_DEADLINE`], or serves no telemetry.
    #[cfg(feature = "libp2p")]
    pub async fn connect_over(control: libp2p_stream::Control, peer: ::libp2p::PeerId) -> Result<Self, ClientError> {
        Ok(Self { grpc: grpc(Credentials::default().shown_on(libp2p::connect_over(control, peer).await?)) })
    }

    /// Which life of the process this is.
    ///
    /// # Errors
    /// What the server answered.
    pub async fn session(&self) -> Result<String, ClientError> {
        Ok(self.grpc.clone().get_session(pb::GetSessionRequest {}).await?.into_inner().uuid)
    }

    /// These properties, or all where none is named.
    ///
    /// # Errors
    /// NOT_FOUND with the name of one that is not declared.
    pub async fn properties(&self, names: &[String]) -> Result<Vec<pb::Property>, ClientError> {
        let mut stream = self.grpc.clone().get_properties(pb::GetPropertiesRequest { names: names.to_vec() }).await?.into_inner();
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
    pub async fn streams(&self) -> Result<Vec<pb::StreamDescriptor>, ClientError> {
        let answer = self.grpc.clone().get_stream_descriptors(pb::GetStreamDescriptorsRequest {}).await?;
        Ok(answer.into_inner().stream_descriptors)
    }

    /// All declarations of the program.
    ///
    /// # Errors
    /// What the server answered.
    pub async fn catalogue(&self) -> Result<Vec<pb::Declaration>, ClientError> {
        Ok(self.grpc.clone().get_catalogue(pb::GetCatalogueRequest {}).await?.into_inner().declarations)
    }

    /// Calls an rpc with JSON.
    ///
    /// # Errors
    /// NOT_FOUND with the name of one that is not declared, INVALID_ARGUMENT with the place in the JSON, and what the rpc answered.
    pub async fn call(&self, name: &str, json: &str) -> Result<String, ClientError> {
        let request = pb::CallRequest { name: name.to_owned(), json: json.to_owned() };
        Ok(self.grpc.clone().call(request).await?.into_inner().json)
    }

    /// Has an event that is emitted on demand emitted, or snapshots or metrics taken this often, for so long: five minutes where nothing is said.
    ///
    /// ```no_run
    /// # async fn example(client: telemetry_exporter::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use telemetry_exporter::client::PullOptions;
    ///
    /// let lease = client.lease("libp2p_network_connections", Some(Duration::from_secs(1)), None).await?;
    /// let options = PullOptions { head: true, follow: true, ..Default::default() };
    /// let mut pull = client.pull(lease.name(), &lease.place(), options).await?;
    /// # let _ = pull.next().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// NOT_FOUND for an unknown name, INVALID_ARGUMENT for what cannot be, UNAUTHENTICATED or PERMISSION_DENIED for who is not listed,
    /// RESOURCE_EXHAUSTED for one too many.
    pub async fn lease(&self, name: &str, every: Option<Duration>, lasts: Option<Duration>) -> Result<Lease, ClientError> {
        let answers = self.grpc.clone().lease(lease::request(name, every, lasts)).await?.into_inner();
        Lease::granted(answers).await
    }

    /// Pulls a stream from the place on.
    ///
    /// # Errors
    /// NOT_FOUND with the name of a stream that does not exist.
    pub async fn pull(&self, stream: &str, place: &Place, options: PullOptions) -> Result<Pull, ClientError> {
        let request = pull::request(stream, place, options);
        let answers = self.grpc.clone().pull(request).await?.into_inner();
        Ok(Pull::new(stream, answers))
    }

    /// The messages of the newest time of a stream.
    ///
    /// # Errors
    /// NOT_FOUND with the name of a stream that does not exist.
    pub async fn latest(&self, stream: &str) -> Result<Vec<Message>, ClientError> {
        let request = pb::PullRequest { stream: stream.to_owned(), latest: true, ..Default::default() };
        let mut pull = Pull::new(stream, self.grpc.clone().pull(request).await?.into_inner());
        let mut latest = Vec::new();
        while let Some(pulled) = pull.next().await? {
            if let Pulled::Messages { messages, .. } = pulled {
                latest.extend(messages);
            }
        }
        Ok(latest)
    }
}

impl Caller for Client {
    type Error = ClientError;

    async fn call(&self, name: &str, json: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        let json = String::from_utf8(json).map_err(|error| ClientError::Request(format!("it is no text: {error}")))?;
        Ok(Self::call(self, name, &json).await?.into_bytes())
    }
}

/// A connection that breaks without a word is noticed, an answer that does not begin is not waited for, and what is sent unread is bounded.
fn settings(endpoint: Endpoint) -> Endpoint {
    let endpoint = endpoint.initial_stream_window_size(CLIENT_STREAM_WINDOW_BYTES).max_frame_size(CLIENT_FRAME_BYTES);
    let endpoint = endpoint.initial_connection_window_size(CLIENT_WINDOW_BYTES);
    let endpoint = endpoint.connect_timeout(CONNECT_DEADLINE).timeout(RPC_DEADLINE + CONNECT_DEADLINE);
    endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE).keep_alive_while_idle(true)
}

fn grpc(channel: Shown) -> TelemetryClient<Shown> {
    TelemetryClient::new(channel).max_decoding_message_size(TAKEN_BYTES_MAX)
}
