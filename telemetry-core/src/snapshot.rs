//! Snapshots: dumps of state, taken at an interval and stored as JSON.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::meta::code;
use crate::metric::{Of, Part, part};

/// A dump of state that the owner of the state provides.
///
/// The provider runs on a thread of the telemetry's, never on two at once. Without one nothing is taken and nothing fails.
///
/// ```
/// use telemetry_core::{Snapshot, snapshot};
///
/// /// The open connections.
/// #[snapshot(name = "doc_connections", every = "30s")]
/// static CONNECTIONS: Snapshot<Vec<String>>;
///
/// let provider = CONNECTIONS.provide(|| vec!["127.0.0.1:80".to_owned()]);
/// drop(provider); // from here on the snapshot is not taken any more
/// ```
pub struct Snapshot<T> {
    provider: Mutex<Option<Arc<dyn Fn() -> T + Send + Sync>>>,
}

/// The JSON of a snapshot taken now.
pub trait SnapshotSource: Send + Sync {
    /// None where nobody provides the state.
    ///
    /// # Errors
    /// The state does not serialise.
    fn capture(&self) -> Option<Result<Vec<u8>, String>>;
}

/// Withdraws a provider when it is dropped.
#[must_use = "the provider is withdrawn when this is dropped"]
pub struct Provider<T: 'static> {
    snapshot: &'static Snapshot<T>,
    provider: Arc<dyn Fn() -> T + Send + Sync>,
}

impl<T> Snapshot<T> {
    /// A snapshot that nobody provides yet.
    #[allow(clippy::new_without_default)] // only a macro makes a useful one
    pub const fn new() -> Self {
        Self { provider: Mutex::new(None) }
    }

    /// Sets what is called for the state; the provider before it is replaced.
    pub fn provide(&'static self, state: impl Fn() -> T + Send + Sync + 'static) -> Provider<T> {
        let provider: Arc<dyn Fn() -> T + Send + Sync> = Arc::new(state);
        let replaced = self.provider.lock().replace(Arc::clone(&provider));
        drop(replaced); // outside the lock: it is the user's
        Provider { snapshot: self, provider }
    }
}

impl<T: 'static> Drop for Provider<T> {
    fn drop(&mut self) {
        let mut current = self.snapshot.provider.lock();
        let own = current.as_ref().is_some_and(|provider| Arc::ptr_eq(provider, &self.provider));
        let withdrawn = if own { current.take() } else { None };
        drop(current);
        drop(withdrawn);
    }
}

impl<T: Serialize> SnapshotSource for Snapshot<T> {
    fn capture(&self) -> Option<Result<Vec<u8>, String>> {
        let provider = self.provider.lock().clone()?;
        Some(to_json(&provider()))
    }
}

/// A type that `#[snapshot]` may stand on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a snapshot",
    note = "wanted `Snapshot<T>`, where `T` derives `serde::Serialize`, or a function that returns such a `T`"
)]
pub trait SnapshotType {
    /// What the type tells.
    type Part: Part;
}

impl<T: Serialize + 'static> SnapshotType for Snapshot<T> {
    type Part = Of<Self, (), { code::SNAPSHOT }>;
}

/// What a function that is a snapshot may return.
pub trait Captured {
    /// What the type tells.
    type Part: Part;
}

impl<T: Serialize + 'static> Captured for T {
    type Part = Of<SnapshotFn<T>, (), { code::SNAPSHOT }>;
}

part!(<T> static Snapshot<T>, (), code::SNAPSHOT, Snapshot::new(), T);
part!(<T> fn SnapshotFn<T>, code::SNAPSHOT, T);

/// A snapshot made by a function.
#[doc(hidden)]
pub struct SnapshotFn<T>(fn() -> T);

impl<T> SnapshotFn<T> {
    pub const fn new(state: fn() -> T) -> Self {
        Self(state)
    }
}

impl<T: Serialize> SnapshotSource for SnapshotFn<T> {
    fn capture(&self) -> Option<Result<Vec<u8>, String>> {
        Some(to_json(&(self.0)()))
    }
}

/// A snapshot that was declared at run time.
pub(crate) struct RuntimeSnapshot<F>(pub F);

impl<T: Serialize, F: Fn() -> T + Send + Sync> SnapshotSource for RuntimeSnapshot<F> {
    fn capture(&self) -> Option<Result<Vec<u8>, String>> {
        Some(to_json(&(self.0)()))
    }
}

fn to_json<T: Serialize>(state: &T) -> Result<Vec<u8>, String> {
    serde_json::to_vec(state).map_err(|error| format!("the state does not serialise: {error}"))
}
