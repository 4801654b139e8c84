//! What `https://` endpoints are trusted by, and shown: files in PEM, or the system's authorities.

use std::sync::Arc;

use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::settings::{Push, Tls};
use crate::error::StartError;
use crate::pem;

fn is_https(push: &Push) -> bool {
    push.uri().is_ok_and(|uri| uri.scheme_str() == Some("https"))
}

fn wrong(text: String) -> StartError {
    StartError::Setting(format!("push tls: {text}"))
}

/// The endpoint with TLS, where its URL wants it.
///
/// # Errors
/// A file that cannot be read or is no PEM.
pub fn grpc(endpoint: Endpoint, push: &Push) -> Result<Endpoint, StartError> {
    if !is_https(push) {
        return Ok(endpoint);
    }
    client(&push.tls)?; // tonic says less about what is wrong with a file
    let mut config = ClientTlsConfig::new();
    config = match &push.tls.certificate {
        Some(path) => config.ca_certificate(Certificate::from_pem(pem::read(path).map_err(wrong)?)),
        None => config.with_native_roots(),
    };
    if let (Some(certificate), Some(key)) = (&push.tls.client_certificate, &push.tls.client_key) {
        config = config.identity(Identity::from_pem(pem::read(certificate).map_err(wrong)?, pem::read(key).map_err(wrong)?));
    }
    endpoint.tls_config(config).map_err(|error| StartError::Setting(format!("push tls: {error}")))
}

/// The connector, with TLS for URLs that want it.
///
/// # Errors
/// A file that cannot be read or is no PEM.
pub fn http(mut connector: HttpConnector, push: &Push) -> Result<HttpsConnector<HttpConnector>, StartError> {
    connector.enforce_http(false);
    let tls = if is_https(push) { &push.tls } else { &Tls::default() };
    let config =
        if is_https(push) { client(tls)? } else { builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth() };
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(connector))
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, StartError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.map_err(|error| StartError::Setting(format!("push tls: {error}")))
}

fn client(tls: &Tls) -> Result<ClientConfig, StartError> {
    let builder = match &tls.certificate {
        Some(path) => builder()?.with_root_certificates(pem::roots(path).map_err(wrong)?),
        None => builder()?.with_native_roots().map_err(|error| StartError::Setting(format!("push tls: {error}")))?,
    };
    let (Some(certificate), Some(key)) = (&tls.client_certificate, &tls.client_key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = pem::certificates(certificate).map_err(wrong)?;
    let secret = pem::key(key).map_err(wrong)?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| wrong(pem::wrong(certificate, &error)))
}
