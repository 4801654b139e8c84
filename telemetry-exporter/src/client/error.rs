//! Why a client got no answer.

use std::fmt;

use tonic::{Code, Status};

/// Why a client got no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// It is no address: the text, and why not.
    Address(String, String),
    /// A token, a certificate or an authority that cannot be read: which, and why not.
    Credentials(String),
    /// Nobody answers there: the address, and how the attempt ended.
    Connect(String, String),
    /// The request is none, and was not sent: why.
    Request(String),
    /// The server refused or failed.
    Status(Box<Status>),
    /// The server sent what the protocol does not allow.
    Protocol(String),
}

impl ClientError {
    /// Whether the name that was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    /// Whether the request was not as wanted.
    pub fn is_invalid_argument(&self) -> bool {
        self.code() == Some(Code::InvalidArgument)
    }

    /// Whether the connection is gone or was not made, so that trying again later makes sense.
    pub fn is_disconnected(&self) -> bool {
        match self {
            Self::Connect(..) => true,
            // A connection that breaks under a request is Unknown or Internal with a transport error beneath.
            Self::Status(status) => status.code() == Code::Unavailable || std::error::Error::source(&**status).is_some(),
            _ => false,
        }
    }

    /// The gRPC code, where the server answered.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Status(status) => Some(status.code()),
            _ => None,
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// An error with its causes: tonic's own text is "transport error" alone.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The code as gRPC's documents spell it.
fn spelt(code: Code) -> String {
    let mut out = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_uppercase());
    }
    out
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, why) => write!(f, "\"{address}\" is no address: {why}"),
            Self::Credentials(why) => write!(f, "the credentials: {why}"),
            Self::Connect(address, why) => write!(f, "cannot connect to {address}: {why}"),
            Self::Request(why) => write!(f, "the request is not as wanted: {why}"),
            Self::Status(status) => {
                write!(f, "{}: {}", spelt(status.code()), status.message())?;
                // Of a connection that broke, what is beneath tells more.
                let beneath = std::error::Error::source(&**status).map(chain).unwrap_or_default();
                let more = beneath.strip_prefix(status.message()).unwrap_or(&beneath).trim_start_matches(": ");
                if more.is_empty() { Ok(()) } else { write!(f, ": {more}") }
            }
            Self::Protocol(why) => write!(f, "the server broke the protocol: {why}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Status(status) => Some(&**status),
            _ => None,
        }
    }
}
