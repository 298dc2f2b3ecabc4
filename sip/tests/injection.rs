//! Nothing that a user, a page or an account says can write headers or messages of its own.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

use soft_phone_sip::value::check_text;
use soft_phone_sip::{Error, Headers, Message, Method, NameAddr, Param, Request, Response, Uri, parse};

const CONTROLS: [&str; 8] = ["\r\n", "\r", "\n", "\0", "\u{7f}", "\u{85}", "\u{1b}", "\u{8}"];

fn refused<T: std::fmt::Debug + PartialEq>(result: Result<T, Error>, field: &str, text: &str) {
    assert_eq!(result, Err(Error::Injection { field: field.to_owned() }), "{text:?}");
}

#[test]
fn a_number() {
    for control in CONTROLS {
        let text = format!("600{control}X-Evil: 1");
        refused(Uri::new(Some(&text), "example.com"), "user", &text);
        refused(format!("sip:{text}@example.com").parse::<Uri>(), "URI", &text);
        refused(format!("tel:{text}").parse::<Uri>(), "URI", &text);
        refused(format!("<sip:{text}@example.com>").parse::<NameAddr>(), "address", &text);
    }
}

#[test]
fn a_host() {
    for control in CONTROLS {
        refused(Uri::new(None, &format!("example.com{control}")), "host", control);
    }
}

#[test]
fn a_display_name() {
    let uri: Uri = "sip:a@h".parse().unwrap();
    for control in CONTROLS {
        let text = format!("Alice{control}Via: evil");
        refused(NameAddr::new(Some(&text), uri.clone()), "display name", &text);
        refused(format!("\"{text}\" <sip:a@h>").parse::<NameAddr>(), "address", &text);
        // Set by hand it still cannot reach a message.
        let smuggled = NameAddr { display_name: Some(text.clone()), uri: uri.clone(), params: vec![] };
        refused(Headers::new().push("From", smuggled.to_string()), "From", &text);
    }
}

#[test]
fn a_parameter() {
    for control in CONTROLS {
        refused(Param::new("x", Some(&format!("1{control}2"))), "x", control);
        refused(Param::new(&format!("x{control}"), None), "parameter name", control);
    }
    refused(Param::new("a b", None), "parameter name", "a b");
}

#[test]
fn an_extra_header() {
    for control in CONTROLS {
        let text = format!("1{control}Via: evil");
        let mut headers = Headers::new();
        refused(headers.push("X-Note", text.clone()), "X-Note", &text);
        refused(headers.push_front("X-Note", text.clone()), "X-Note", &text);
        refused(headers.set("X-Note", text.clone()), "X-Note", &text);
        refused(headers.push(&format!("X{control}"), "1"), "header name", control);
        assert!(headers.is_empty());
    }
    for name in ["", "X:", "X Y", "X\tY", "Жук", "X\u{0}"] {
        refused(Headers::new().push(name, "1"), "header name", name);
    }
}

#[test]
fn a_reason_phrase() {
    for control in CONTROLS {
        refused(check_text("reason", &format!("No{control}")), "reason", control);
    }
    assert_eq!(check_text("reason", "Занято — перезвоните\t🦀"), Ok(()));
}

/// Public fields have no guard of their own; what is written has.
#[test]
fn fields_set_by_hand_cannot_end_a_line() {
    let mut request = Request::new(Method::Other("X\r\nVia: evil\r\n".into()), "sip:a@h".parse().unwrap());
    request.uri.host = "h SIP/2.0\r\nVia: evil".into();
    let text = String::from_utf8(request.to_bytes()).unwrap();
    assert_eq!(text.matches("\r\n").count(), 3, "{text}");

    let mut response = Response::to_request(&request, 200, Some("OK\r\nVia: evil"), Some("t\r\nVia: evil"));
    response.reason.push('\n');
    let text = String::from_utf8(response.to_bytes()).unwrap();
    assert_eq!(text, "SIP/2.0 200 OKVia: evil\r\nContent-Length: 0\r\n\r\n");
}

/// What a peer smuggles into quoted pairs is legal (RFC 4475 §3.1.1.2), but stays where it is.
#[test]
fn controls_of_a_peer_end_in_no_name_of_ours() {
    let bytes = b"OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: \"a\\\x07b\\\x00c\" <sip:f@h>;tag=1\r\n\
        To: <sip:t@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let Message::Request(request) = parse(bytes).unwrap() else { panic!("a request") };
    assert_eq!(request.from().unwrap().display_name.as_deref(), Some("abc"));
    assert_eq!(request.headers.get("From"), Some("\"a\\\u{7}b\\\0c\" <sip:f@h>;tag=1"));
}
