//! The SIP server and real user agents over a fake network, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod bad_input;
mod calls;
mod network;
mod registration;
