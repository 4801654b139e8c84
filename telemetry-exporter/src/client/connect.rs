//! How a client reaches a program over TCP, TLS or a Unix socket, and what it shows there.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::error::{ClientError, chain};
use super::settings;

/// What the addresses of Unix sockets begin with.
const UNIX: &str = "unix:";

/// What a client shows to a service, and whom it trusts.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use telemetry_exporter::client::{Client, Credentials};
///
/// let credentials = Credentials::default().with_token_file("/etc/operator/token")?.with_authorities("/etc/operator/authority.pem");
/// let client = Client::connect_with("https://node.example:4000", &credentials).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Credentials {
    token: Option<AsciiMetadataValue>,
    authorities: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    insecure: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, authorities, certificate, insecure } = self;
        let mut told = f.debug_struct("Credentials");
        told.field("token", &token.as_ref().map(|_| "…")).field("authorities", authorities);
        told.field("certificate", certificate).field("insecure", insecure).finish()
    }
}

impl Credentials {
    /// Shows this token with each request.
    ///
    /// # Errors
    /// What no header may have.
    pub fn with_token(mut self, token: &str) -> Result<Self, ClientError> {
        let wrong = |_| ClientError::Credentials("the token has what is no letter, digit or sign of ASCII".to_owned());
        let mut value: AsciiMetadataValue = format!("Bearer {}", token.trim()).parse().map_err(wrong)?;
        value.set_sensitive(true);
        self.token = Some(value);
        Ok(self)
    }

    /// Shows the first token of this file: what stands first in the first line that is not empty and does not begin with `#`.
    ///
    /// # Errors
    /// A file that cannot be read, or has none.
    pub fn with_token_file(self, path: impl AsRef<Path>) -> Result<Self, ClientError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| wrong(path, &error))?;
        let mut words = text.lines().filter_map(|line| line.split_whitespace().next());
        let token = words.find(|word| !word.starts_with('#')).ok_or_else(|| wrong(path, &"there is no token"))?;
        self.with_token(token)
    }

    /// Trusts these authorities, a file in PEM, in place of the system's.
    #[must_use]
    pub fn with_authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(path.into());
        self
    }

    /// Shows this certificate, whose key is that: files in PEM.
    #[must_use]
    pub fn with_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Shows the token also where whoever is on the way can read it: over TCP without TLS to another machine.
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// The requests of this channel, with the token.
    pub(super) fn shown_on(&self, channel: Channel) -> Shown {
        InterceptedService::new(channel, Bearer(self.token.clone()))
    }
}

/// A channel whose requests show a token, where there is one.
pub type Shown = InterceptedService<Channel, Bearer>;

/// Adds the token.
#[derive(Clone)]
pub struct Bearer(Option<AsciiMetadataValue>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

fn wrong(path: &Path, error: &dyn fmt::Display) -> ClientError {
    ClientError::Credentials(format!("{}: {error}", path.display()))
}

/// Connects to `host:port`, `http://…`, `https://…` or `unix:…`.
pub async fn channel(address: &str, credentials: &Credentials) -> Result<Channel, ClientError> {
    let failed = |error: tonic::transport::Error| ClientError::Connect(address.to_owned(), chain(&error));
    if let Some(path) = address.strip_prefix(UNIX) {
        return unix(address, path).await;
    }
    let no_address = |why: String| ClientError::Address(address.to_owned(), why);
    let is_https = address.starts_with("https://");
    let url = if is_https || address.starts_with("http://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(url.trim_end_matches('/').to_owned()).map_err(|error| no_address(error.to_string()))?;
    let host = endpoint.uri().host().unwrap_or_default().trim_matches(['[', ']']);
    let is_near = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if credentials.token.is_some() && !is_https && !is_near && !credentials.insecure {
        let why =
            "a token would be sent where whoever is on the way can read it: wanted https://, or to be told that this is wanted";
        return Err(no_address(why.to_owned()));
    }
    let endpoint = if is_https { tls(endpoint, credentials)? } else { endpoint };
    settings(endpoint).connect().await.map_err(|error| match failed(error) {
        // What `openssl req -x509` makes, unless it is told otherwise.
        ClientError::Connect(address, why) if why.contains("CaUsedAsEndEntity") => {
            let helps = "; the server shows the certificate of an authority: wanted one with basicConstraints CA:FALSE";
            ClientError::Connect(address, why + helps)
        }
        error => error,
    })
}

#[cfg(feature = "tls")]
fn tls(endpoint: Endpoint, credentials: &Credentials) -> Result<Endpoint, ClientError> {
    use crate::pem;
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};
    let wrong = ClientError::Credentials;
    let mut config = ClientTlsConfig::new();
    config = match &credentials.authorities {
        Some(path) => {
            pem::roots(path).map_err(wrong)?; // tonic says less about what is wrong with a file
            config.ca_certificate(Certificate::from_pem(pem::read(path).map_err(wrong)?))
        }
        None => config.with_native_roots(),
    };
    if let Some((certificate, key)) = &credentials.certificate {
        pem::certificates(certificate).and(pem::key(key).map(drop)).map_err(wrong)?;
        config = config.identity(Identity::from_pem(pem::read(certificate).map_err(wrong)?, pem::read(key).map_err(wrong)?));
    }
    endpoint.tls_config(config).map_err(|error| wrong(chain(&error)))
}

#[cfg(not(feature = "tls"))]
fn tls(endpoint: Endpoint, _: &Credentials) -> Result<Endpoint, ClientError> {
    let why = "wanted the feature `tls` of telemetry-exporter for https://".to_owned();
    Err(ClientError::Address(endpoint.uri().to_string(), why))
}

#[cfg(unix)]
async fn unix(address: &str, path: &str) -> Result<Channel, ClientError> {
    use hyper_util::rt::TokioIo;
    use tonic::transport::Uri;
    let path = PathBuf::from(path);
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { std::io::Result::Ok(TokioIo::new(tokio::net::UnixStream::connect(path).await?)) }
    });
    let channel = settings(Endpoint::from_static("http://localhost")).connect_with_connector(connector).await;
    channel.map_err(|error| ClientError::Connect(address.to_owned(), chain(&error)))
}

#[cfg(not(unix))]
async fn unix(address: &str, _: &str) -> Result<Channel, ClientError> {
    Err(ClientError::Address(address.to_owned(), "this system has no Unix sockets".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_goes_to_no_other_machine_in_the_clear_and_into_no_text() {
        let credentials = Credentials::default().with_token("q83vEjRWeJq83vEjRWeJqw").expect("a token");
        let error = channel("192.0.2.1:4000", &credentials).await.expect_err("it would be read").to_string();
        assert!(error.contains("wanted https://"), "{error}");
        assert!(!format!("{credentials:?} {:?}", credentials.token).contains("q83v"));
        assert!(Credentials::default().with_token("two\nlines").is_err());
    }
}
