//! What the headers of a message must be for anything else to make sense of it (RFC 3261 §8.1.1, §20).

use rsip::Header;
use rsip::headers::UntypedHeader;

use super::{Fault, First, Limits};
use crate::Method;
use crate::header::Headers;
use crate::scan::{Pieces, decimal};
use crate::uri::check_name_addr;
use crate::value::{check_via, split_cseq};

/// Headers that stand once, with the value that was seen first.
#[derive(Default)]
struct Once<'a> {
    from: Option<&'a str>,
    to: Option<&'a str>,
    call_id: Option<&'a str>,
    cseq: Option<&'a str>,
    max_forwards: Option<&'a str>,
    content_length: Option<&'a str>,
    content_type: Option<&'a str>,
    expires: Option<&'a str>,
    event: Option<&'a str>,
}

/// Notes every fault of the headers; returns `Content-Length`. `method` is the request's, `None` for a response.
pub(super) fn headers(headers: &Headers, method: Option<&Method>, limits: &Limits, faults: &mut First) -> Option<u64> {
    let mut seen = Once::default();
    let mut via = false;
    let mut elements = 0;
    let mut length = None;
    for header in headers.as_rsip() {
        match header {
            Header::Via(value) => {
                via |= list("Via", value.value(), &mut elements, faults, |element| check_via(element).is_ok());
            }
            Header::Route(value) => {
                list("Route", value.value(), &mut elements, faults, is_address);
            }
            Header::RecordRoute(value) => {
                list("Record-Route", value.value(), &mut elements, faults, is_address);
            }
            // RFC 3261 §10.2.2: the asterisk stands for every binding.
            Header::Contact(value) if value.value() != "*" => {
                list("Contact", value.value(), &mut elements, faults, is_address);
            }
            Header::From(value) => once("From", &mut seen.from, value.value(), faults, is_address),
            Header::To(value) => once("To", &mut seen.to, value.value(), faults, is_address),
            Header::CallId(value) => once("Call-ID", &mut seen.call_id, value.value(), faults, is_call_id),
            Header::CSeq(value) => once("CSeq", &mut seen.cseq, value.value(), faults, |text| {
                split_cseq(text).is_ok_and(|(_, method)| method.parse::<Method>().is_ok())
            }),
            Header::MaxForwards(value) => {
                let legal = |text: &str| decimal(text).is_some_and(|hops| hops <= 255);
                once("Max-Forwards", &mut seen.max_forwards, value.value(), faults, legal);
            }
            Header::ContentLength(value) => {
                once("Content-Length", &mut seen.content_length, value.value(), faults, |text| {
                    length = decimal(text);
                    length.is_some()
                });
            }
            Header::ContentType(value) => {
                once("Content-Type", &mut seen.content_type, value.value(), faults, |text| text.contains('/'));
            }
            // A bad expiry means the default to its reader (RFC 4475 §3.1.2.4): only two that differ are a fault.
            Header::Expires(value) => once("Expires", &mut seen.expires, value.value(), faults, |_| true),
            Header::Event(value) => once("Event", &mut seen.event, value.value(), faults, |text| !text.is_empty()),
            _ => {}
        }
    }
    if elements > limits.elements {
        faults.note(Fault::TooLarge);
    }
    let present = [
        ("Via", via),
        ("From", seen.from.is_some()),
        ("To", seen.to.is_some()),
        ("Call-ID", seen.call_id.is_some()),
        ("CSeq", seen.cseq.is_some()),
    ];
    for (name, _) in present.into_iter().filter(|(_, present)| !present) {
        faults.note(Fault::Missing(name));
    }
    // RFC 3261 §8.1.1.5
    if let (Some(method), Some(Ok((_, said)))) = (method, seen.cseq.map(split_cseq))
        && method.as_str() != said
    {
        faults.note(Fault::CSeqMethod);
    }
    length
}

/// A header that stands once. A second one with the same value does no harm; with another one, who is right cannot be
/// known (RFC 4475 §3.3.8, §3.3.9).
fn once<'a>(
    name: &'static str,
    place: &mut Option<&'a str>,
    value: &'a str,
    faults: &mut First,
    legal: impl FnOnce(&str) -> bool,
) {
    match *place {
        Some(first) if first != value => faults.note(Fault::Duplicate(name)),
        Some(_) => {}
        None => {
            *place = Some(value);
            if !legal(value) {
                faults.note(Fault::Header(name));
            }
        }
    }
}

/// A list header: every element must be legal, and none empty. Whether there was one.
fn list(
    name: &'static str,
    value: &str,
    elements: &mut usize,
    faults: &mut First,
    legal: impl Fn(&str) -> bool,
) -> bool {
    let before = *elements;
    for piece in Pieces::new(value, b',') {
        *elements += 1;
        if !legal(piece) {
            faults.note(Fault::Header(name));
        }
    }
    *elements > before
}

fn is_address(text: &str) -> bool {
    check_name_addr(text).is_ok()
}

/// RFC 3261 §25.1 `callid`: printable ASCII without spaces, near enough.
fn is_call_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
