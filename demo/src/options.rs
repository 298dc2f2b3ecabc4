//! What the demo is started with, and who may use its server.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use rand::Rng;
use rand::distr::Alphanumeric;

/// The port that is tried first.
pub const DEFAULT_PORT: u16 = 8080;

/// Length of the demo's generated passwords: 24 letters and digits, 142 bits.
const PASSWORD_LENGTH: usize = 24;

/// How the demo is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; a loopback address, port 0 for any free one.
    pub listen: SocketAddr,
    /// The folder that `cargo xtask build` wrote, served under `/soft-phone/`.
    pub dist: PathBuf,
    /// More static files, served under `/test/` (the browser tests' pages).
    pub extra: Option<PathBuf>,
    /// Who may register.
    pub users: Vec<User>,
}

impl Default for Options {
    /// `127.0.0.1:8080`, `component/dist`, and [`User::demo`] with fresh passwords.
    fn default() -> Self {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            dist: PathBuf::from("component/dist"),
            extra: None,
            users: User::demo(),
        }
    }
}

/// A user of the embedded server.
#[derive(Clone)]
pub struct User {
    /// The account's name, as in `/account/alice`; may be dialled too.
    pub name: String,
    /// The extension, which is the user part of the address of record and the digest's user name: `1001`.
    pub number: String,
    /// The digest's password.
    pub password: String,
    /// What a called phone shows.
    pub display_name: String,
}

impl User {
    /// A user with a random password, for this start only.
    pub fn new(name: &str, number: &str, display_name: &str) -> User {
        let password = rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect();
        User { name: name.into(), number: number.into(), password, display_name: display_name.into() }
    }

    /// Alice (1001), Bob (1002) and Carol (1003), with random passwords.
    pub fn demo() -> Vec<User> {
        vec![User::new("alice", "1001", "Alice"), User::new("bob", "1002", "Bob"), User::new("carol", "1003", "Carol")]
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_at_each_start_and_are_not_printed() {
        let (first, second) = (User::demo(), User::demo());
        assert_eq!(first[0].password.len(), PASSWORD_LENGTH);
        assert_ne!(first[0].password, second[0].password);
        assert_ne!(first[0].password, first[1].password);
        assert_eq!(format!("{:?}", first[0]), r#"User { name: "alice", number: "1001", .. }"#);
    }
}
