//! An authority, the certificates that it signed, and tokens, in files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd};
use telemetry_exporter::ServerTls;

pub const RIGHT: &str = "right-TOKEN-0123456789-abcdefgh";
pub const EXPIRED: &str = "stale-TOKEN-0123456789-abcdefgh";
pub const WRONG: &str = "wrong-TOKEN-0123456789-abcdefgh";

/// Files of certificates, keys and tokens.
pub struct Files {
    pub folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub type Signed = (String, String);

impl Files {
    pub fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder"), authority: authority() };
        files.write("authority.pem", &files.authority.pem());
        files.put("server", &files.signed("localhost", true));
        files.put("client", &files.signed("client", true));
        files.put("late", &files.signed("client", false));
        let stranger = Self { folder: tempfile::tempdir().expect("a folder"), authority: authority() };
        files.put("stranger", &stranger.signed("client", true));
        files.write("tokens", &format!("{RIGHT} name=matrix until=2099-01-01T00:00:00Z\n{EXPIRED} until=2020-01-01T00:00:00Z\n"));
        files
    }

    /// One that the authority signed; where it is not valid its time is past.
    pub fn signed(&self, name: &str, is_valid: bool) -> Signed {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).expect("names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if !is_valid {
            (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        }
        let certificate = params.signed_by(&key, &self.authority).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }

    pub fn put(&self, name: &str, (certificate, key): &Signed) {
        self.write(&format!("{name}.pem"), certificate);
        self.write(&format!("{name}.key"), key);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a file at once, as who renews certificates does.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let (aside, path) = (self.path("aside"), self.path(name));
        std::fs::write(&aside, text).expect("written");
        own(&aside);
        std::fs::rename(&aside, &path).expect("renamed");
        path
    }

    pub fn server_tls(&self) -> ServerTls {
        ServerTls {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_authorities: Some(self.path("authority.pem")),
        }
    }
}

fn own(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("valid");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}
