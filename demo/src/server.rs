//! The embedded SIP server, without socket, clock or entropy: a registrar and a forking proxy over WebSocket.
//!
//! [`Core`] takes connections, messages and time, and gives messages, deadlines and [`Event`]s. One owner calls it: after
//! each mutation it drains `poll_transmit` and `poll_event`, then sleeps until `poll_timeout`.
//!
//! ```text
//!             ┌────────────────────────── core ──────────────────────────┐
//!  message ─► │ parse ─► transaction layer ─► authority ─► registrar     │
//!             │                                        ├─► proxy ─► flows │ ─► message
//!             │                                        └─► extension      │ ─► event (600's media)
//!             └──────────────────────────────────────────────────────────┘
//! ```

mod authority;
mod core;
mod extension;
mod flows;
mod io;
mod proxy;
mod random;
mod registrar;
mod reply;

pub use self::core::{Config, Core};
pub use self::io::{EchoId, Event};

/// The domain of every address of record. RFC 6761 §6.2 keeps `.test` out of the real name space.
pub const DOMAIN: &str = "soft-phone.test";

/// Whether a URI's host names this server: its domain, or loopback, which is where the server listens.
fn is_ours(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host.eq_ignore_ascii_case(DOMAIN)
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
