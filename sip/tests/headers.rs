//! The header list: names, order, lists, and what goes on the wire.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

use soft_phone_sip::{Headers, Message, Method, Request, Response, parse, reason_phrase};

fn headers(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in lines {
        headers.push(name, *value).unwrap();
    }
    headers
}

fn names(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().collect()
}

#[test]
fn names_have_no_case_and_a_short_form() {
    let headers =
        headers(&[("v", "a"), ("VIA", "b"), ("call-id", "c"), ("X-foo", "d"), ("x", "1800"), ("mime-version", "1")]);
    assert_eq!(
        names(&headers),
        [
            ("Via", "a"),
            ("Via", "b"),
            ("Call-ID", "c"),
            ("X-foo", "d"),
            ("Session-Expires", "1800"),
            ("MIME-Version", "1")
        ]
    );
    for name in ["Via", "via", "V", "v"] {
        assert_eq!(headers.get(name), Some("a"), "{name}");
        assert_eq!(headers.get_all(name).collect::<Vec<_>>(), ["a", "b"], "{name}");
    }
    assert_eq!((headers.get("i"), headers.get("x-FOO"), headers.get("w")), (Some("c"), Some("d"), None));
}

/// Every variant of rsip's vocabulary but `Other` is found by its name and stands for itself.
#[test]
fn known_names_are_rsips() {
    for name in [
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Alert-Info",
        "Allow",
        "Authentication-Info",
        "Authorization",
        "CSeq",
        "Call-ID",
        "Call-Info",
        "Contact",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Length",
        "Content-Type",
        "Date",
        "Error-Info",
        "Event",
        "Expires",
        "From",
        "In-Reply-To",
        "Max-Forwards",
        "MIME-Version",
        "Min-Expires",
        "Organization",
        "Priority",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Require",
        "Record-Route",
        "Reply-To",
        "Require",
        "Retry-After",
        "Route",
        "Server",
        "Subject",
        "Subscription-State",
        "Supported",
        "Timestamp",
        "To",
        "Unsupported",
        "User-Agent",
        "Via",
        "Warning",
        "WWW-Authenticate",
    ] {
        let headers = headers(&[(&name.to_ascii_uppercase(), "x")]);
        assert_eq!(names(&headers), [(name, "x")]);
        assert!(!matches!(headers.as_rsip()[0], rsip::Header::Other(..)), "{name}");
    }
}

#[test]
fn lists_go_over_lines_and_respect_quotes() {
    let headers = headers(&[
        ("Contact", r#""a, b" <sip:x,y@h>;q=1, , sip:c@h"#),
        ("Supported", "path , outbound,"),
        ("k", "GRUU"),
        ("m", "<sip:d@h>"),
    ]);
    let list: Vec<_> = headers.get_list("Contact").collect();
    assert_eq!(list, [r#""a, b" <sip:x,y@h>;q=1"#, "sip:c@h", "<sip:d@h>"]);
    assert!(headers.lists("Supported", "PATH") && headers.lists("Supported", "gruu"));
    assert!(!headers.lists("Supported", "pat"));
}

#[test]
fn places_are_kept() {
    let mut headers = headers(&[("Via", "1"), ("To", "t"), ("Via", "2"), ("From", "f")]);
    headers.push_front("Via", "0").unwrap();
    headers.push_front("Route", "r").unwrap();
    headers.set("via", " 3 ").unwrap();
    headers.set("CSeq", "1 ACK").unwrap();
    assert_eq!(names(&headers), [("Route", "r"), ("Via", "3"), ("To", "t"), ("From", "f"), ("CSeq", "1 ACK")]);
    headers.remove("T");
    assert_eq!((headers.len(), headers.get("To")), (4, None));
}

#[test]
fn the_top_element_is_popped_from_its_line() {
    let mut headers = headers(&[("Via", ""), ("Via", "a , b"), ("Via", " c")]);
    let popped: Vec<_> = std::iter::from_fn(|| headers.pop_front("v")).collect();
    assert_eq!(popped, ["a", "b", "c"]);
    assert!(headers.is_empty());
}

#[test]
fn a_message_is_written_to_the_letter() {
    let mut request = Request::new(Method::Invite, "sip:600@pbx.example.com".parse().unwrap());
    request.headers = headers(&[("v", "SIP/2.0/WSS x.invalid;branch=z9hG4bK1"), ("Content-Length", "7"), ("X", "Ж")]);
    request.body = b"v=0\r\n".to_vec();
    assert_eq!(
        String::from_utf8(request.to_bytes()).unwrap(),
        "INVITE sip:600@pbx.example.com SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK1\r\nSession-Expires: Ж\r\n\
         Content-Length: 5\r\n\r\nv=0\r\n"
    );
}

/// RFC 3261 §8.2.6.2
#[test]
fn a_response_copies_what_it_must() {
    let text = "INVITE sip:a@h SIP/2.0\r\nVia: SIP/2.0/WS a;branch=1\r\nX: y\r\nVia: SIP/2.0/WS b\r\nFrom: <sip:f@h>;tag=1\r\n\
        To: A <sip:t@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    let Ok(Message::Request(mut request)) = parse(text.as_bytes()) else { panic!("a request") };
    let response = Response::to_request(&request, 486, None, Some("xyz"));
    assert_eq!((response.status, response.reason.as_str()), (486, "Busy Here"));
    let copied = [
        ("Via", "SIP/2.0/WS a;branch=1"),
        ("Via", "SIP/2.0/WS b"),
        ("From", "<sip:f@h>;tag=1"),
        ("To", "A <sip:t@h>;tag=xyz"),
        ("Call-ID", "c"),
        ("CSeq", "7 INVITE"),
    ];
    assert_eq!(names(&response.headers), copied);
    // A To that has a tag keeps it.
    request.headers.set("To", "<sip:t@h>;tag=old").unwrap();
    let response = Response::to_request(&request, 200, Some("Fine"), Some("xyz"));
    assert_eq!((response.to().unwrap().tag(), response.reason.as_str()), (Some("old"), "Fine"));
    assert_eq!(Response::to_request(&request, 100, None, None).to().unwrap().tag(), Some("old"));
}

#[test]
fn every_status_has_a_phrase() {
    assert_eq!([reason_phrase(200), reason_phrase(481)], ["OK", "Call/Transaction Does Not Exist"]);
    assert_eq!([reason_phrase(199), reason_phrase(298)], ["Early Dialog Terminated", "OK"]);
    assert_eq!([reason_phrase(499), reason_phrase(699)], ["Request Failure", "Global Failure"]);
}
