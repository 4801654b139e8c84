//! The files of certificates and tokens, which are read again when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::access::Rules;
use crate::config::{Config, ServerTls};
use crate::error::StartError;
use crate::limits::RELOAD_EVERY;
use crate::own::{Reload, reloaded};
#[cfg(feature = "tls")]
use crate::transport::tls::Tls;

/// What a service knows its callers by, and shows them.
pub struct Credentials {
    rules: Arc<Rules>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<Tls>>,
    files: Vec<PathBuf>,
    seen: Mutex<Vec<Seen>>,
}

/// What tells that a file has changed: when it was written, and its size. None where it is not there.
type Seen = Option<(SystemTime, u64)>;

impl Credentials {
    /// # Errors
    /// What cannot be read, or is not as wanted.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let files = files(config);
        let seen = Mutex::new(look(&files)); // before they are read, so that no change falls in between
        let certificates = config.tls.as_ref().is_some_and(|tls| tls.client_authorities.is_some());
        let rules = Arc::new(
            Rules::new(config.access.clone(), certificates).map_err(|text| StartError::Setting(format!("access: {text}")))?,
        );
        #[cfg(feature = "tls")]
        let tls = config.tls.clone().map(Tls::open).transpose();
        #[cfg(feature = "tls")]
        let tls = tls.map_err(|text| StartError::Setting(format!("tls: {text}")))?.map(Arc::new);
        Ok(Self {
            rules,
            #[cfg(feature = "tls")]
            tls,
            files,
            seen,
        })
    }

    /// Who may have what.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// What connections begin with, if they do.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Reads all files anew.
    ///
    /// # Errors
    /// What cannot be read, or is not as wanted; what was before holds then.
    pub fn reload(&self) -> Result<(), String> {
        let read = self.rules.reload().map_err(|text| format!("access: {text}"));
        #[cfg(feature = "tls")]
        let read = match &self.tls {
            Some(tls) => read.and(tls.reload().map_err(|text| format!("tls: {text}"))),
            None => read,
        };
        reloaded(if read.is_ok() { Reload::Taken } else { Reload::Failed });
        read
    }

    /// Reads the files anew when they change, until the task is ended.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            if self.files.is_empty() {
                continue;
            }
            let credentials = Arc::clone(&self);
            let _ended_with_the_runtime = tokio::task::spawn_blocking(move || {
                let now = look(&credentials.files);
                let before = std::mem::replace(&mut *credentials.seen.lock(), now.clone());
                if before != now {
                    let _counted = credentials.reload();
                }
            })
            .await;
        }
    }
}

/// The files that a change is looked for in.
fn files(config: &Config) -> Vec<PathBuf> {
    let mut files = config.access.tokens.files().to_vec();
    if let Some(ServerTls { certificate, key, client_authorities }) = &config.tls {
        files.extend([Some(certificate), Some(key), client_authorities.as_ref()].into_iter().flatten().cloned());
    }
    files
}

fn look(files: &[PathBuf]) -> Vec<Seen> {
    let seen = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(seen).collect()
}
