//! Why the demo could not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What [`start`](crate::start) and the command line refuse.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The folder of built files holds no `soft-phone.js`.
    NotBuilt {
        /// The folder that was looked into.
        dist: PathBuf,
    },
    /// The address is not a loopback address: the demo hands out its users' passwords, so it serves nobody else.
    NotLoopback {
        /// The address that was asked for.
        listen: SocketAddr,
    },
    /// The address could not be bound.
    Listen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A user's name, number or password cannot stand in a SIP message.
    User {
        /// The user's name.
        name: String,
        /// What is wrong with it.
        source: soft_phone_sip::Error,
    },
    /// The CRM's database cannot be opened or written.
    Database(rusqlite::Error),
}

impl Error {
    /// True when another program already listens on the address.
    pub fn is_address_in_use(&self) -> bool {
        matches!(self, Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotBuilt { dist } => {
                write!(f, "{} holds no soft-phone.js: run `cargo xtask build`", dist.display())
            }
            Error::NotLoopback { listen } => write!(f, "{listen} is not a loopback address"),
            Error::Listen { listen, source } => write!(f, "cannot listen on {listen}: {source}"),
            Error::User { name, source } => write!(f, "user {name}: {source}"),
            Error::Database(source) => write!(f, "the database: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Listen { source, .. } => Some(source),
            Error::User { source, .. } => Some(source),
            Error::Database(source) => Some(source),
            Error::NotBuilt { .. } | Error::NotLoopback { .. } => None,
        }
    }
}
