//! The whole demo over real sockets: HTTP, SIP over WebSocket, and the echo's media.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod abuse;
mod calls;
mod crm;
mod echo;
mod http;
mod peer;
mod phone;
mod site;
