//! What `https://` endpoints are trusted by, and shown: files in PEM, or the system's authorities.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::settings::{Push, Tls};
use crate::error::StartError;

fn is_https(push: &Push) -> bool {
    push.uri().is_ok_and(|uri| uri.scheme_str() == Some("https"))
}

fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    fs::read(path).map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> StartError {
    StartError::Setting(format!("push tls: {}: {error}", path.display()))
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
        Some(path) => config.ca_certificate(Certificate::from_pem(read(path)?)),
        None => config.with_native_roots(),
    };
    if let (Some(certificate), Some(key)) = (&push.tls.client_certificate, &push.tls.client_key) {
        config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
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
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| wrong(path, &error))?;
            }
            builder()?.with_root_certificates(roots)
        }
        None => builder()?.with_native_roots().map_err(|error| StartError::Setting(format!("push tls: {error}")))?,
    };
    let (Some(certificate), Some(key)) = (&tls.client_certificate, &tls.client_key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| wrong(key, &error))?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| wrong(certificate, &error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| wrong(path, &error))?;
    if found.is_empty() {
        return Err(wrong(path, &"no certificate in PEM"));
    }
    Ok(found)
}
