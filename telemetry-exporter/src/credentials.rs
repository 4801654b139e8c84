//! The files of certificates and tokens, which are read again when they change.

use std::fs::Metadata;
use std::path::PathBuf;
use std::sync::Arc;

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
    seen: Mutex<Looked>,
}

/// What was seen of the files.
#[derive(Clone, Default)]
struct Looked {
    /// When they were taken.
    taken: Vec<Seen>,
    /// When they were not, and why.
    failed: Option<(Vec<Seen>, String)>,
}

/// What tells that a file has changed. None where it is not there.
type Seen = Option<[i128; 4]>;

impl Credentials {
    /// # Errors
    /// What cannot be read, or is not as wanted.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let files = files(config);
        let taken = look(&files); // before they are read, so that no change falls in between
        let seen = Mutex::new(Looked { taken, failed: None });
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
    /// What cannot be read, or is not as wanted; all that was before holds then.
    pub fn reload(&self) -> Result<(), String> {
        let mut seen = self.seen.lock(); // one at a time, so that the last to read is the last to be taken
        let now = look(&self.files); // before they are read, so that no change falls in between
        let taken = self.read_and_take();
        match &taken {
            Ok(()) => {
                reloaded(Reload::Taken);
                *seen = Looked { taken: now, failed: None };
            }
            Err(why) => {
                let failed = Some((now, why.clone()));
                if seen.failed != failed {
                    reloaded(Reload::Failed); // once, however often it is tried
                }
                seen.failed = failed;
            }
        }
        taken
    }

    /// What tells how reading the files went: none where there are none, and then the error of the last time, which is empty where it was taken.
    pub fn watcher(self: &Arc<Self>) -> Option<impl Fn() -> String + Send + Sync + use<>> {
        let credentials = Arc::clone(self);
        (!self.files.is_empty()).then_some(move || credentials.seen.lock().failed.clone().map(|(_, why)| why).unwrap_or_default())
    }

    fn read_and_take(&self) -> Result<(), String> {
        let secrets = self.rules.read().map_err(|text| format!("access: {text}"))?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            tls.take(tls.read().map_err(|text| format!("tls: {text}"))?);
        }
        self.rules.take(secrets);
        Ok(())
    }

    /// Reads the files anew when they change, until the task is ended; again and again where they cannot be read.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            if self.files.is_empty() {
                continue;
            }
            let credentials = Arc::clone(&self);
            let _ended_with_the_runtime = tokio::task::spawn_blocking(move || {
                let mut seen = credentials.seen.lock();
                if seen.taken == look(&credentials.files) {
                    seen.failed = None; // they are as they were before that
                    return;
                }
                drop(seen);
                let _counted = credentials.reload();
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
    files.iter().map(|path| std::fs::metadata(path).ok().map(seen)).collect()
}

/// What tells that a file has changed: another takes its place, which may be as old and as long.
#[cfg(unix)]
fn seen(metadata: Metadata) -> [i128; 4] {
    use std::os::unix::fs::MetadataExt;
    let ctime_ns = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    [metadata.dev().into(), metadata.ino().into(), ctime_ns, metadata.len().into()]
}

/// What tells that a file has changed.
#[cfg(not(unix))]
fn seen(metadata: Metadata) -> [i128; 4] {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    [modified.map_or(0, |since| since.as_nanos() as i128), metadata.len().into(), 0, 0]
}
