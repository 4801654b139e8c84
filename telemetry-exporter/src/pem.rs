//! Certificates and keys in files of PEM.

use std::fs;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// # Errors
/// A file that cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| wrong(path, &error))
}

/// An error of this file.
pub fn wrong(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// All certificates of a file: one at least.
///
/// # Errors
/// A file that cannot be read, or is no PEM.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    certificates_in(path, &read(path)?)
}

fn certificates_in(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| wrong(path, &error))?;
    if found.is_empty() {
        return Err(wrong(path, &"no certificate in PEM"));
    }
    Ok(found)
}

/// The authorities of a file.
///
/// # Errors
/// As [`certificates`], and what is no authority.
pub fn roots(path: &Path) -> Result<RootCertStore, String> {
    roots_in(path, &read(path)?)
}

/// The authorities of what a file has.
///
/// # Errors
/// What is no PEM, or no authority.
pub fn roots_in(path: &Path, pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(path, pem)? {
        roots.add(certificate).map_err(|error| wrong(path, &error))?;
    }
    Ok(roots)
}

/// The key of a file.
///
/// # Errors
/// A file that cannot be read, or has none.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    key_in(path, &read(path)?)
}

/// The key of what a file has.
///
/// # Errors
/// What is no PEM, or no key.
pub fn key_in(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| wrong(path, &error))
}
