//! Reading messages: what is tolerated, what is refused with which answer, and the bounds.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

use soft_phone_sip::parse::{Fault, Limits, parse_with};
use soft_phone_sip::{Message, Request, parse};

const BASE: [(&str, &str); 6] = [
    ("Via", "SIP/2.0/WSS x.invalid;branch=z9hG4bK1"),
    ("Max-Forwards", "70"),
    ("From", "<sip:a@h>;tag=1"),
    ("To", "<sip:b@h>"),
    ("Call-ID", "c1"),
    ("CSeq", "1 OPTIONS"),
];

/// A request with one header changed (`Some`), left out (`None`) or added.
fn with(name: &str, value: Option<&str>) -> String {
    let mut text = "OPTIONS sip:b@h SIP/2.0\r\n".to_owned();
    let mut done = false;
    for (known, usual) in BASE {
        let value = if known == name { value } else { Some(usual) };
        done |= known == name;
        if let Some(value) = value {
            text.push_str(&format!("{known}: {value}\r\n"));
        }
    }
    if let (false, Some(value)) = (done, value) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text + "\r\n"
}

fn started(line: &str) -> String {
    with("", None).replacen("OPTIONS sip:b@h SIP/2.0", line, 1)
}

fn read(text: &str) -> Request {
    match parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{text}\n{other:?}"),
    }
}

fn owed(text: impl AsRef<[u8]>) -> (Option<u16>, Fault) {
    let error = parse(text.as_ref()).expect_err(&String::from_utf8_lossy(text.as_ref()));
    assert_eq!(error.status.is_some(), error.request.is_some());
    (error.status, error.kind)
}

#[test]
fn odd_spacing_is_tolerated() {
    for text in [
        format!("\r\n\r\n{}", with("", None)),
        with("", None).replace("\r\n", "\n"),
        with("Via", Some("SIP/2.0/WSS x.invalid;branch=z9hG4bK1")).replace("Via: ", "v\t :\t  "),
        with("", None).replace("To: <sip:b@h>", "To:\r\n\t<sip:b@h>"),
        started("OPTIONS  sip:b@h  SIP/2.0 "),
        started("OPTIONS sip:b@h sip/2.0"),
    ] {
        let request = read(&text);
        assert_eq!(request.to_bytes(), read(&with("", None)).to_bytes(), "{text:?}");
    }
}

#[test]
fn start_lines() {
    assert_eq!(read(&started("OPTIONS tel:+1;phone-context=x SIP/2.0")).uri.host, "+1;phone-context=x");
    for (line, status, fault) in [
        ("OPTIONS sip:b@h SIP/3.0", Some(505), Fault::Version),
        ("OPTIONS mailto:b@h SIP/2.0", Some(416), Fault::Scheme),
        ("OPTIONS sip:b h SIP/2.0", Some(400), Fault::RequestUri),
        ("OPTIONS sip:b@h:99999 SIP/2.0", Some(400), Fault::RequestUri),
        ("OPTIONS sip:b@h?x=y SIP/2.0", Some(400), Fault::RequestUri),
        ("OPTIONS b@h SIP/2.0", Some(400), Fault::RequestUri),
        ("OPTIONS sip:b\u{7f}@h SIP/2.0", Some(400), Fault::RequestUri),
        ("GET / HTTP/1.1", None, Fault::StartLine),
        ("OPTIONS sip:b@h", None, Fault::StartLine),
        ("OPT(IONS sip:b@h SIP/2.0", None, Fault::StartLine),
        ("SIP/2.0 99 No", None, Fault::StartLine),
        ("SIP/2.0 700 No", None, Fault::StartLine),
        ("SIP/2.0 2OO OK", None, Fault::StartLine),
        ("SIP/1.0 200 OK", None, Fault::Version),
        ("SIP/2.0 200 O\0K", None, Fault::StartLine),
        ("x", None, Fault::StartLine),
    ] {
        assert_eq!(owed(started(line)), (status, fault), "{line}");
    }
    for noise in [&b""[..], b"\r\n\r\n", b"\0", b"\xff\xfe", b"SIP", b"\r\n \r\n"] {
        assert_eq!(owed(noise).0, None, "{noise:?}");
    }
}

#[test]
fn mandatory_headers() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let fault = Fault::Missing(BASE.iter().find(|(known, _)| *known == name).unwrap().0);
        // Without a Via there is no way back.
        let status = (name != "Via").then_some(400);
        assert_eq!(owed(with(name, None)), (status, fault), "{name}");
    }
    // RFC 3261 §16.3: a request without Max-Forwards is one with 70.
    read(&with("Max-Forwards", None));
}

#[test]
fn headers_that_cannot_be_read() {
    for (name, value) in [
        ("Via", "SIP/2.0/WSS"),
        ("Via", "SIP/3.0/WSS h"),
        ("Via", "HTTP/2.0/WSS h"),
        ("Via", "SIP/2.0/WSS h:0x1"),
        ("Via", "SIP/2.0/WSS h, "),
        ("From", ""),
        ("From", "sip:a@h>"),
        ("To", "\"b <sip:b@h>"),
        ("To", "<sip:\u{fffd}@h>"),
        ("Call-ID", ""),
        ("Call-ID", "a b"),
        ("Call-ID", "é"),
        ("CSeq", "OPTIONS"),
        ("CSeq", "-1 OPTIONS"),
        ("CSeq", "2147483648 OPTIONS"),
        ("CSeq", "1"),
        ("CSeq", "1 OPT IONS"),
        ("Max-Forwards", "256"),
        ("Max-Forwards", "-1"),
        ("Max-Forwards", "70, 70"),
        ("Content-Length", "-1"),
        ("Content-Length", "99999999999999999999"),
        ("Content-Length", "0x0"),
        ("Contact", "<sip:c@h>;;"),
        ("Contact", "*, <sip:c@h>"),
        ("Route", "<sip:p;lr"),
        ("Record-Route", ","),
        ("Content-Type", "sdp"),
        ("Event", ""),
    ] {
        let (status, fault) = owed(with(name, Some(value)));
        assert!(matches!(fault, Fault::Header(at) if at == name), "{name}: {value}: {fault:?}");
        assert_eq!(status, Some(400), "{name}: {value}");
    }
    for line in ["no colon", "Bad Name: x", ": x", "X: \u{1}", "X: a\rb", "X: \"\\\r\"", "é: x"] {
        let text = with("", None).replacen("CSeq", &format!("{line}\r\nCSeq"), 1);
        assert_eq!(owed(&text), (Some(400), Fault::Header("header line")), "{line:?}");
    }
    assert_eq!(owed(with("CSeq", Some("1 INVITE"))), (Some(400), Fault::CSeqMethod));
    read(&with("CSeq", Some("2147483647\tOPTIONS")));
    read(&with("Contact", Some("*")));
    read(&with("Date", Some("yesterday")));
    read(&with("Expires", Some("never")));
}

#[test]
fn single_headers_may_be_repeated_but_not_contradicted() {
    for (name, other) in
        [("From", "<sip:x@h>"), ("To", "<sip:x@h>"), ("Call-ID", "c2"), ("CSeq", "2 OPTIONS"), ("Max-Forwards", "69")]
    {
        let usual = BASE.iter().find(|(known, _)| *known == name).unwrap().1;
        let twice = |value: &str| with("", None).replacen("\r\n\r\n", &format!("\r\n{name}: {value}\r\n\r\n"), 1);
        read(&twice(usual));
        let (status, fault) = owed(twice(other));
        assert!(matches!(fault, Fault::Duplicate(at) if at == name), "{name}: {fault:?}");
        assert_eq!(status, Some(400));
    }
}

/// RFC 3261 §18.3
#[test]
fn the_body_is_as_long_as_it_says() {
    let body = |length: Option<&str>, body: &str| with("Content-Length", length) + body;
    assert_eq!(read(&body(None, "abc")).body, b"abc");
    assert_eq!(read(&body(Some("2"), "abc")).body, b"ab");
    assert_eq!(read(&body(Some("0"), "abc")).body, b"");
    assert_eq!(owed(body(Some("4"), "abc")), (Some(400), Fault::Truncated));
    // Without the empty line nobody knows whether headers are missing.
    assert_eq!(owed(with("", None).trim_end()), (Some(400), Fault::Truncated));
}

#[test]
fn bytes_that_are_not_utf8_matter_where_they_matter() {
    let text = |name, value: &[u8]| {
        let text = with(name, Some("@@"));
        let (before, after) = text.split_once("@@").unwrap();
        [before.as_bytes(), value, after.as_bytes()].concat()
    };
    let subject = parse(&text("Subject", b"caf\xe9")).unwrap();
    assert_eq!(subject.headers().get("Subject"), Some("caf\u{fffd}"));
    let name = parse(&text("To", b"\"\xff\" <sip:b@h>")).unwrap();
    assert_eq!(name.headers().to().unwrap().display_name.as_deref(), Some("\u{fffd}"));
    for (header, value) in
        [("To", &b"<sip:\xff@h>"[..]), ("Call-ID", b"c\xff"), ("Via", b"SIP/2.0/WSS \xff"), ("CSeq", b"1 O\xff")]
    {
        assert_eq!(owed(text(header, value)).0, Some(400), "{header}");
    }
    let body = [with("", None).as_bytes(), b"\xff\x00"].concat();
    assert_eq!(parse(&body).unwrap().body(), b"\xff\x00");
}

#[test]
fn an_ack_and_a_response_are_never_answered() {
    let ack = with("Call-ID", None).replacen("OPTIONS", "ACK", 1).replace("1 OPTIONS", "1 ACK");
    assert_eq!(owed(ack), (None, Fault::Missing("Call-ID")));
    let response = with("Call-ID", None).replacen("OPTIONS sip:b@h SIP/2.0", "SIP/2.0 200 OK", 1);
    assert_eq!(owed(response), (None, Fault::Missing("Call-ID")));
}

#[test]
fn bounds() {
    let at = |bytes: usize| {
        let text = with("", None);
        let filler = bytes - text.len();
        text + &"x".repeat(filler)
    };
    parse(at(65_536).as_bytes()).unwrap();
    assert_eq!(owed(at(65_537)), (Some(513), Fault::TooLarge));

    let lines = |count: usize| with("", None).replacen("\r\n\r\n", &("\r\nX: y".repeat(count) + "\r\n\r\n"), 1);
    parse(lines(250).as_bytes()).unwrap();
    assert_eq!(owed(lines(251)), (Some(513), Fault::TooLarge));

    let long = |bytes: usize| with("X", Some(&"y".repeat(bytes - 3)));
    parse(long(8_192).as_bytes()).unwrap();
    assert_eq!(owed(long(8_193)), (Some(513), Fault::TooLarge));
    // Folding does not get around it.
    let folded = with("X", Some(&"y\r\n ".repeat(4_097)));
    assert_eq!(owed(folded), (Some(513), Fault::TooLarge));

    let elements = |count: usize| with("Route", Some(&vec!["<sip:p;lr>"; count].join(",")));
    parse(elements(255).as_bytes()).unwrap();
    assert_eq!(owed(elements(256)), (Some(513), Fault::TooLarge));

    let tight = Limits { message: 100, ..Limits::DEFAULT };
    assert_eq!(parse_with(with("", None).as_bytes(), &tight).unwrap_err().kind, Fault::TooLarge);
}

/// Input made to be slow: each is as large as is let in, and is read in the time of a plain message of that size.
#[test]
fn work_is_linear() {
    let inputs = [
        with("X", Some(&"\"".repeat(8_000))),
        with("Contact", Some(&"<".repeat(8_000))),
        with("To", Some(&format!("\"{}", "\\\"".repeat(4_000)))),
        with("Via", Some(&",".repeat(8_000))),
        with("Route", Some(&"<a>,\"".repeat(1_600))),
        with("Subject", Some(&"(".repeat(8_000))),
        "\r\n".repeat(32_000),
        format!("OPTIONS sip:{} SIP/2.0\r\n\r\n", ";x".repeat(30_000)),
        format!("X:{}", "\r\n y".repeat(16_000)),
        "a:b\r\n".repeat(13_000),
    ];
    for input in inputs {
        let started = std::time::Instant::now();
        for _ in 0..10 {
            let _ = parse(input.as_bytes());
        }
        let each = started.elapsed() / 10;
        // Measured below 2 ms without optimisation; quadratic work would take seconds.
        assert!(each.as_millis() < 100, "{each:?} for {:?}…", &input[..60.min(input.len())]);
    }
}
