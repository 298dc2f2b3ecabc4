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

/// Length of the passwords that somebody types: 71 bits, with five wrong ones at once and one more each 20 seconds.
const TYPED_LENGTH: usize = 12;

/// How the demo is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; a loopback address, port 0 for any free one.
    pub listen: SocketAddr,
    /// The folder that `cargo xtask build` wrote, served under `/soft-phone/`.
    pub dist: PathBuf,
    /// More static files, served under `/test/` (the browser tests' pages).
    pub extra: Option<PathBuf>,
    /// Who may register, and has an account that every page of this site may ask for.
    pub users: Vec<User>,
    /// Who works with the CRM.
    pub agents: Vec<Agent>,
    /// Where the CRM keeps contacts and calls; in memory, until the demo ends, without it.
    pub database: Option<PathBuf>,
}

impl Default for Options {
    /// `127.0.0.1:8080`, `component/dist`, [`User::demo`] and [`Agent::demo`] with fresh passwords.
    fn default() -> Self {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            dist: PathBuf::from("component/dist"),
            extra: None,
            users: User::demo(),
            agents: Agent::demo(),
            database: None,
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
        let password = password(PASSWORD_LENGTH);
        User { name: name.into(), number: number.into(), password, display_name: display_name.into() }
    }

    /// Alice (1001), Bob (1002) and Carol (1003), with random passwords.
    pub fn demo() -> Vec<User> {
        vec![User::new("alice", "1001", "Alice"), User::new("bob", "1002", "Bob"), User::new("carol", "1003", "Carol")]
    }
}

/// A random password of letters and digits.
fn password(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

/// Somebody who works with the CRM, and signs in to it by the user's name.
#[derive(Clone)]
pub struct Agent {
    /// The name, and the SIP account, which is no other than this agent's.
    pub user: User,
    /// What the agent types to sign in.
    pub password: String,
    /// Whether there is a SIP account for the phone.
    pub has_phone: bool,
}

impl Agent {
    /// An agent with random passwords, for this start only.
    pub fn new(name: &str, number: &str, display_name: &str, has_phone: bool) -> Agent {
        Agent { user: User::new(name, number, display_name), password: password(TYPED_LENGTH), has_phone }
    }

    /// Dora (1011) and Egon (1012), and Frida, who has no phone.
    pub fn demo() -> Vec<Agent> {
        vec![
            Agent::new("dora", "1011", "Dora", true),
            Agent::new("egon", "1012", "Egon", true),
            Agent::new("frida", "1013", "Frida", false),
        ]
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("user", &self.user).field("has_phone", &self.has_phone).finish_non_exhaustive()
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
        let agents = Agent::demo();
        assert_ne!(agents[0].password, agents[1].password);
        let printed = format!("{:?}", agents[0]);
        assert!(!printed.contains(&agents[0].password) && !printed.contains(&agents[0].user.password), "{printed}");
    }
}
