//! The policy of a running service: its tokens as they are by now, and whether a caller may have something.

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::{HeaderMap, header};
use parking_lot::RwLock;
use telemetry_core::Access;
use tonic::Code;

use super::identity::{Caller, Credential, Identity};
use super::policy::Policy;
use super::tokens::Secrets;
use crate::own::{Allowance, Refusal};

/// Who may have what.
pub struct Rules {
    policy: Policy,
    secrets: RwLock<Arc<Secrets>>,
    /// Whether clients may show certificates.
    certificates: bool,
}

/// Why a caller may not have something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What it is counted as.
    pub cause: Refusal,
    /// UNAUTHENTICATED where a credential would help, and otherwise PERMISSION_DENIED.
    pub code: Code,
    /// For who asked.
    pub text: String,
}

impl Rules {
    /// # Errors
    /// A setting that cannot be, or tokens that cannot be read.
    pub fn new(policy: Policy, certificates: bool) -> Result<Self, String> {
        policy.validate()?;
        let secrets = RwLock::new(Arc::new(policy.tokens.read()?));
        Ok(Self { policy, secrets, certificates })
    }

    /// The settings.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether anybody could show a credential over TCP.
    pub fn takes_credentials(&self) -> bool {
        self.certificates || !self.secrets.read().is_empty()
    }

    /// The tokens as they stand by now.
    ///
    /// # Errors
    /// Tokens that cannot be read.
    pub fn read(&self) -> Result<Secrets, String> {
        self.policy.tokens.read()
    }

    /// These tokens are taken from now on.
    pub fn take(&self, secrets: Secrets) {
        *self.secrets.write() = Arc::new(secrets);
    }

    /// Who sends a request with these headers.
    pub fn caller(&self, identity: Identity, headers: &HeaderMap) -> Caller {
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        let credential = match (shown.next(), shown.next()) {
            (None, _) => Credential::None,
            (Some(value), None) => match bearer(value.as_bytes()) {
                Some(token) => self.secrets.read().judge(token, SystemTime::now()),
                None => Credential::Wrong,
            },
            (Some(_), Some(_)) => Credential::Wrong,
        };
        Caller { identity, credential }
    }

    /// The same caller by now: its token may have been withdrawn, or be past its time.
    pub fn again(&self, caller: &Caller) -> Caller {
        let credential = match &caller.credential {
            Credential::Token(secret) => self.secrets.read().judge_again(secret, SystemTime::now()),
            other => other.clone(),
        };
        Caller { identity: caller.identity.clone(), credential }
    }

    /// By what a caller is listed; none where it is not.
    pub fn listed(&self, caller: &Caller) -> Option<Allowance> {
        match (&caller.credential, &caller.identity) {
            (Credential::Wrong | Credential::Expired(_), _) => None,
            (Credential::Token(_), _) => Some(Allowance::Token),
            (Credential::None, Identity::Local) => Some(Allowance::Local),
            (Credential::None, Identity::Certificate) => Some(Allowance::Certificate),
            (Credential::None, Identity::Peer(peer)) => self.policy.peers.contains(peer).then_some(Allowance::Peer),
            (Credential::None, Identity::Anonymous) => None,
        }
    }

    /// Whether a caller may ask for anything, and by what.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, caller: &Caller) -> Result<Allowance, Denied> {
        self.judge(caller, self.policy.whole, || "the telemetry of this program".to_owned())
    }

    /// What is wanted for what has this name.
    pub fn wanted(&self, name: &str, declared: Option<Access>) -> Access {
        self.policy.whole.max(self.policy.named(name).or(declared).unwrap_or_default())
    }

    /// Whether a caller may have what has this name, and by what.
    ///
    /// # Errors
    /// Why not.
    pub fn may(&self, caller: &Caller, kind: &str, name: &str, declared: Option<Access>) -> Result<Allowance, Denied> {
        self.judge(caller, self.wanted(name, declared), || format!("the {kind} \"{name}\""))
    }

    /// Whether a caller may have what wants this, and by what.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, caller: &Caller, wanted: Access, what: impl FnOnce() -> String) -> Result<Allowance, Denied> {
        let denied = |cause, code, text| Err(Denied { cause, code, text });
        if wanted == Access::Disabled {
            return denied(Refusal::Disabled, Code::PermissionDenied, format!("{} is disabled", what()));
        }
        // What is shown must hold, also where nothing need be: who shows it believes to be known.
        match caller.credential {
            Credential::Wrong => {
                let text = "the token is none that is taken: wanted authorization: Bearer TOKEN".to_owned();
                return denied(Refusal::WrongToken, Code::Unauthenticated, text);
            }
            Credential::Expired(until) => {
                let text = format!("the token was taken until {}", humantime::format_rfc3339_seconds(until));
                return denied(Refusal::ExpiredToken, Code::Unauthenticated, text);
            }
            Credential::None | Credential::Token(_) => {}
        }
        if let Some(by) = self.listed(caller) {
            return Ok(by);
        }
        if wanted == Access::Public {
            return Ok(Allowance::Public);
        }
        match &caller.identity {
            Identity::Peer(peer) => {
                let text = format!("{} is restricted: the peer {peer} is not on the list of those that may", what());
                denied(Refusal::NotListed, Code::PermissionDenied, text)
            }
            _ if self.takes_credentials() => {
                let text = format!(
                    "{} is restricted: wanted authorization: Bearer TOKEN, or a client certificate where these are taken",
                    what()
                );
                denied(Refusal::NoCredential, Code::Unauthenticated, text)
            }
            _ => {
                let text = format!(
                    "{} is restricted to a list: this connection does not say who asks, and the program takes neither tokens nor certificates",
                    what()
                );
                denied(Refusal::NotListed, Code::PermissionDenied, text)
            }
        }
    }
}

/// The token of an `authorization` header; the word before it is without case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "q83vEjRWeJq83vEjRWeJqw";

    fn rules(policy: Policy) -> Rules {
        Rules::new(policy, false).expect("it can be")
    }

    fn restricted_with_a_token() -> (tempfile::TempDir, Rules) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        std::fs::write(&path, TOKEN).expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
        }
        let policy = Policy { peers: ["a".to_owned()].into(), ..Policy::tokens(super::super::Tokens::in_file(path)) };
        (folder, rules(policy))
    }

    fn shown(rules: &Rules, identity: Identity, text: &str) -> Caller {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, text.parse().expect("a header"))]);
        rules.caller(identity, &headers)
    }

    #[test]
    fn who_is_listed_passes_a_restriction_and_nobody_passes_disabled() {
        let (_folder, rules) = restricted_with_a_token();
        let peer = |name: &str| Caller::of(Identity::Peer(name.to_owned()));
        assert_eq!(rules.admit(&peer("a")), Ok(Allowance::Peer));
        assert!(
            rules.admit(&peer("b")).is_err_and(|denied| denied.code == Code::PermissionDenied && denied.text.contains("peer b"))
        );
        assert!(rules.admit(&Caller::of(Identity::Anonymous)).is_err_and(|denied| denied.cause == Refusal::NoCredential));
        assert_eq!(rules.admit(&Caller::of(Identity::Local)), Ok(Allowance::Local));
        assert_eq!(rules.admit(&Caller::of(Identity::Certificate)), Ok(Allowance::Certificate));
        assert_eq!(rules.admit(&shown(&rules, Identity::Anonymous, &format!("bEARER {TOKEN}"))), Ok(Allowance::Token));
        assert_eq!(rules.admit(&shown(&rules, Identity::Peer("b".to_owned()), &format!("Bearer  {TOKEN} "))), Ok(Allowance::Token));
        for wrong in [&format!("Bearer {TOKEN}x"), "Bearer", TOKEN, "Basic cTgzdg==", ""] {
            let denied = rules.admit(&shown(&rules, Identity::Peer("a".to_owned()), wrong)).expect_err(wrong);
            assert_eq!((denied.cause, denied.code), (Refusal::WrongToken, Code::Unauthenticated), "{wrong}");
        }
        let disabled = self::rules(Policy { peers: ["a".to_owned()].into(), ..Policy::new(Access::Disabled) });
        assert!(disabled.admit(&peer("a")).is_err_and(|denied| denied.cause == Refusal::Disabled));
    }

    #[test]
    fn a_declaration_wants_what_it_says_the_program_what_it_says_instead_and_never_less_than_the_whole() {
        let policy = Policy::new(Access::Public).of("open", Access::Public).of("shut", Access::Disabled);
        let anonymous = Caller::of(Identity::Anonymous);
        let public = rules(policy.clone());
        assert_eq!(public.may(&anonymous, "stream", "other", None), Ok(Allowance::Public));
        assert!(
            public
                .may(&anonymous, "rpc", "secret", Some(Access::Restricted))
                .is_err_and(|denied| denied.text.contains("the rpc \"secret\""))
        );
        assert_eq!(public.may(&anonymous, "rpc", "open", Some(Access::Restricted)), Ok(Allowance::Public));
        assert!(public.may(&Caller::of(Identity::Local), "rpc", "shut", None).is_err());
        let restricted = rules(Policy::new(Access::Restricted));
        assert!(restricted.may(&anonymous, "rpc", "open", None).is_err_and(|denied| denied.code == Code::PermissionDenied));
    }

    #[test]
    fn a_token_that_is_withdrawn_is_noticed_and_a_file_that_cannot_be_read_changes_nothing() {
        let (folder, rules) = restricted_with_a_token();
        let caller = shown(&rules, Identity::Anonymous, &format!("Bearer {TOKEN}"));
        let path = folder.path().join("tokens");
        std::fs::write(&path, "short").expect("written");
        rules.read().err().expect("it is no token");
        assert_eq!(rules.admit(&rules.again(&caller)), Ok(Allowance::Token));
        std::fs::write(&path, "").expect("written");
        rules.take(rules.read().expect("no tokens are none"));
        assert!(rules.admit(&rules.again(&caller)).is_err_and(|denied| denied.cause == Refusal::WrongToken));
    }
}
