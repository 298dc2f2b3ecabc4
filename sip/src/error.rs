//! The one error of this crate: every variant carries what the caller needs to act on it.

use std::fmt;

/// Why a command, a conversion or the building of a message was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Text meant for a message holds CR, LF, NUL or another control character: letting it through would let its
    /// author write headers or whole messages of their own (RFC 3261 §26.1; CWE-93).
    Injection {
        /// What held the text: `display name`, `uri`, a header's name, …
        field: String,
    },
    /// Text does not follow the grammar of RFC 3261 §25.1.
    Malformed {
        /// The part that was being read.
        what: &'static str,
    },
    /// A header that the operation needs is not there.
    Missing {
        /// The header's full name.
        header: &'static str,
    },
    /// A bound of this crate was passed.
    TooLong {
        /// What was bounded.
        what: &'static str,
        /// The bound: bytes of text, or elements of a list.
        limit: usize,
    },
    /// The agent knows no call of that name: never did, or not any more.
    UnknownCall,
    /// The agent knows no such transfer, or it was decided before, or is too old.
    UnknownTransfer,
    /// The agent knows no such subscription or publication: never did, or not any more.
    UnknownSubscription,
    /// What was asked for cannot follow on the state that things are in.
    WrongState {
        /// That state's name.
        state: &'static str,
    },
    /// There is no connection to send on.
    NotConnected,
    /// A header that the agent writes itself, or that would change what the message means, was given from outside.
    Reserved {
        /// The header's name.
        header: String,
    },
    /// Not a status that may stand here: outside 300 to 699 for a refusal, 101 to 199 for a provisional answer.
    Status(u16),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Injection { field } => write!(f, "control character in {field}"),
            Error::Malformed { what } => write!(f, "malformed {what}"),
            Error::Missing { header } => write!(f, "missing {header} header"),
            Error::TooLong { what, limit } => write!(f, "{what} longer than {limit}"),
            Error::UnknownCall => f.write_str("no such call"),
            Error::UnknownTransfer => f.write_str("no such transfer"),
            Error::UnknownSubscription => f.write_str("no such subscription"),
            Error::WrongState { state } => write!(f, "not possible while {state}"),
            Error::NotConnected => f.write_str("not connected"),
            Error::Reserved { header } => write!(f, "{header} cannot be set"),
            Error::Status(status) => write!(f, "status {status} does not fit here"),
        }
    }
}

impl std::error::Error for Error {}
