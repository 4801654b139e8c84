//! What a program decides about who may have what.

use std::collections::BTreeSet;

use telemetry_core::{Access, Kind, Registry};

use super::tokens::Tokens;
use crate::stream::METRICS;

/// Who may ask for what.
///
/// `whole` is what a caller must be to ask for anything; nothing may want less. Of a stream, a property or an rpc the program may want more
/// with [`of`](Self::of), and its declaration may with `access = "…"`, where the program says nothing. Who is listed, which is a peer of
/// `peers`, who shows a token, a client certificate that the TLS settings take, and whoever is let in by the file permissions of a Unix
/// socket, may have what is restricted.
///
/// ```
/// use telemetry_exporter::{Access, Policy, Tokens};
///
/// let policy = Policy::new(Access::Public)
///     .of("metrics", Access::Public)
///     .of("*", Access::Restricted)
///     .with_tokens(Tokens::in_env("NODE_TOKEN"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who may ask for anything.
    pub whole: Access,
    /// The libp2p peers that are listed: their ids, in text.
    pub peers: BTreeSet<String>,
    /// The tokens that are taken.
    pub tokens: Tokens,
    /// Whether whoever comes over loopback is as one that is listed: every user of the machine, and every proxy on it.
    pub trust_loopback: bool,
    /// Whether this may be served to a network though not everybody on it shows who they are, or though others read it on the way.
    ///
    /// Without it TCP beyond loopback wants TLS and a `whole` that is restricted, and libp2p wants the latter.
    pub insecure_public: bool,
    /// What is wanted for single names, as [`of`](Self::of) says it.
    pub names: Vec<(String, Access)>,
}

impl Policy {
    /// This for all.
    pub fn new(whole: Access) -> Self {
        Self { whole, ..Self::default() }
    }

    /// Restricted to these libp2p peers.
    pub fn peers(peers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { peers: peers.into_iter().map(Into::into).collect(), ..Self::new(Access::Restricted) }
    }

    /// Restricted to who shows one of these tokens.
    pub fn tokens(tokens: Tokens) -> Self {
        Self::new(Access::Restricted).with_tokens(tokens)
    }

    /// Also who shows one of these tokens is listed.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// What is wanted for the stream, the property or the rpc of this name, or for all whose names begin so where a `*` is last. The longest that
    /// fits holds, whatever the declaration says. The stream of all metrics, which `/metrics` shows too, is `metrics`.
    ///
    /// A name without `*` that nothing has when the telemetry starts is an error of the start: what is declared later is named with one.
    #[must_use]
    pub fn of(mut self, name: impl Into<String>, access: Access) -> Self {
        self.names.push((name.into(), access));
        self
    }

    /// What the program wants for this name.
    pub(super) fn named(&self, name: &str) -> Option<Access> {
        let fits = |of: &str| match of.strip_suffix('*') {
            Some(begin) => name.get(..begin.len()).is_some_and(|of| of.eq_ignore_ascii_case(begin)),
            None => name.eq_ignore_ascii_case(of),
        };
        let fitting = self.names.iter().filter(|(of, _)| fits(of));
        // Of a name and how it begins, the name is longer, or it has no star.
        fitting.max_by_key(|(of, _)| (of.trim_end_matches('*').len(), !of.ends_with('*'))).map(|(_, access)| *access)
    }

    /// Whether what is wanted can be: metrics are read together, and a name that nothing has would leave open what was meant. These come later.
    ///
    /// # Errors
    /// The first name that is a metric's, or nothing's.
    pub(crate) fn judge_names(&self, registry: &Registry, later: &[&str]) -> Result<(), String> {
        for (name, _) in self.names.iter().filter(|(name, _)| !name.ends_with('*')) {
            let is_known = [METRICS].iter().chain(later).any(|known| name.eq_ignore_ascii_case(known));
            match registry.find(name).map(|entry| entry.kind()) {
                Some(Kind::Metric(_) | Kind::Collector) => {
                    return Err(format!("access of \"{name}\": metrics are read together, wanted access of \"{METRICS}\""));
                }
                None if !is_known => {
                    return Err(format!(
                        "access of \"{name}\": nothing is declared by this name, wanted that of a stream, a property or an rpc, or \"{name}*\" for one \
                         of run time"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// # Errors
    /// The first setting that cannot be, with what is wanted.
    pub(crate) fn validate(&self) -> Result<(), String> {
        for (name, access) in &self.names {
            if *access < self.whole {
                let (access, whole) = (format!("{access:?}").to_lowercase(), format!("{:?}", self.whole).to_lowercase());
                return Err(format!("access of \"{name}\": {access} is less than the whole wants, which is {whole}"));
            }
            let begin = name.strip_suffix('*').unwrap_or(name);
            if name.is_empty() || begin.contains('*') {
                return Err(format!("access of \"{name}\": wanted a name, or how names begin and one * behind it"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_holds() {
        let policy =
            Policy::new(Access::Public).of("*", Access::Disabled).of("host_*", Access::Restricted).of("host_os", Access::Public);
        let policy = policy.of("host_os*", Access::Disabled);
        assert_eq!(policy.named("HOST_os"), Some(Access::Public));
        assert_eq!(policy.named("host_osx"), Some(Access::Disabled));
        assert_eq!(policy.named("host_cpu"), Some(Access::Restricted));
        assert_eq!(policy.named("other"), Some(Access::Disabled));
        assert_eq!(Policy::default().named("other"), None);
        assert_eq!(policy.validate(), Ok(()));
        let less = Policy::new(Access::Restricted).of("host_os", Access::Public).validate();
        assert_eq!(less, Err("access of \"host_os\": public is less than the whole wants, which is restricted".to_owned()));
        for name in ["", "a*b", "**"] {
            assert!(Policy::default().of(name, Access::Public).validate().is_err(), "{name}");
        }
    }
}
