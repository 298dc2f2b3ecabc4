//! Answers of the server itself.

use soft_phone_sip::{Request, Response};

use super::random::Random;

/// The methods that the server or the phones behind it may take.
pub(super) const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE, PUBLISH, MESSAGE";

/// A response with a fresh To tag, which everything but 100 needs (RFC 3261 §8.2.6.2).
pub(super) fn reply(random: &mut Random, request: &Request, status: u16) -> Response {
    Response::to_request(request, status, None, Some(&random.tag()))
}

/// `response` with one more header.
pub(super) fn with(mut response: Response, name: &str, value: impl Into<String>) -> Response {
    // The names are constants, the values this server's own or taken from a parsed header: neither holds a line end.
    let _ = response.headers.push(name, value);
    response
}
