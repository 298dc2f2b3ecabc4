//! The start line: a request's or a response's (RFC 3261 §7.1, §7.2).

use rsip::Scheme;

use super::{Fault, First};
use crate::scan::{decimal, trim};
use crate::uri::scan_uri;
use crate::{Method, Uri};

/// What a start line says.
pub(super) enum Start<'a> {
    Request {
        method: Method,
        uri: Uri,
    },
    Response {
        status: u16,
        reason: &'a str,
    },
    /// Not SIP at all, or nothing that could be answered.
    Noise,
}

pub(super) fn read<'a>(line: &'a str, faults: &mut First) -> Start<'a> {
    let is_version = |word: &str| word.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"));
    let line = trim(line);
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    if is_version(first) {
        return response(first, rest, faults);
    }
    // More than one space between the elements, and spaces after the last, are ignored (RFC 4475 §3.1.2.9, §3.1.2.10);
    // one inside the URI is not (§3.1.2.8).
    let Some((uri, version)) = trim(rest).rsplit_once(' ') else { return Start::Noise };
    let (Ok(method), true) = (first.parse::<Method>(), is_version(version)) else { return Start::Noise };
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        faults.note(Fault::Version);
    }
    Start::Request { method, uri: request_uri(trim(uri), faults) }
}

fn request_uri(text: &str, faults: &mut First) -> Uri {
    let fault = match scan_uri(text) {
        // RFC 3261 §19.1.1: no headers in a Request-URI.
        Ok(parts) if parts.is_sip() && parts.headers.is_some() => Fault::RequestUri,
        Ok(parts) => {
            // A telephone number can be routed (RFC 3966); of other schemes nothing is known.
            if !parts.is_sip() && !parts.scheme.eq_ignore_ascii_case("tel") {
                faults.note(Fault::Scheme);
            }
            match parts.into_uri() {
                Ok(uri) => return uri,
                Err(_) => Fault::RequestUri,
            }
        }
        Err(_) => Fault::RequestUri,
    };
    faults.note(fault);
    let host = "unreadable.invalid".to_owned();
    Uri { scheme: Scheme::Sip, user: None, password: None, host, port: None, params: vec![], headers: None }
}

fn response<'a>(version: &str, rest: &'a str, faults: &mut First) -> Start<'a> {
    // The space before an empty phrase is required; nothing is lost by not asking for it (RFC 4475 §3.1.1.13).
    let rest = trim(rest);
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        faults.note(Fault::Version);
    }
    if reason.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        faults.note(Fault::StartLine);
    }
    match decimal(status) {
        Some(status @ 100..=699) => Start::Response { status: status as u16, reason: trim(reason) },
        _ => Start::Noise,
    }
}
