//! The messages of RFC 4475 and RFC 5118 and the verdict that each RFC's text gives.
//!
//! The tables here judge the parser, fault by fault. What a whole user agent owes (415 for a body that nobody reads, 420
//! for an extension that nobody has) is in `tests/data/verdicts.tsv`, with what the RFC's text asks for in a few words;
//! `cargo xtask peers` shows what other phones make of the same messages beside it.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

#[path = "common/judge.rs"]
mod judge;

use std::path::PathBuf;

use soft_phone_sip::parse::Fault;
use soft_phone_sip::{Message, Method, ParseError, Request, parse};

/// What is due for a message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    /// It is read.
    Read,
    /// It is answered with this status, for this fault.
    Owes(u16, Fault),
    /// It is dropped for this fault.
    Drop(Fault),
}

use Verdict::{Drop, Owes, Read};

/// File, section, verdict.
const RFC_4475: &[(&str, &str, Verdict)] = &[
    ("wsinv", "3.1.1.1", Read),
    ("intmeth", "3.1.1.2", Read),
    ("esc01", "3.1.1.3", Read),
    ("escnull", "3.1.1.4", Read),
    ("esc02", "3.1.1.5", Read),
    ("lwsdisp", "3.1.1.6", Read),
    ("longreq", "3.1.1.7", Read),
    ("dblreq", "3.1.1.8", Read),
    ("semiuri", "3.1.1.9", Read),
    ("transports", "3.1.1.10", Read),
    ("mpart01", "3.1.1.11", Read),
    ("unreason", "3.1.1.12", Read),
    ("noreason", "3.1.1.13", Read),
    ("badinv01", "3.1.2.1", Owes(400, Fault::Header("Via"))),
    ("clerr", "3.1.2.2", Owes(400, Fault::Truncated)),
    ("ncl", "3.1.2.3", Owes(400, Fault::Header("Content-Length"))),
    ("scalar02", "3.1.2.4", Owes(400, Fault::Header("CSeq"))),
    ("scalarlg", "3.1.2.5", Drop(Fault::Header("CSeq"))),
    ("quotbal", "3.1.2.6", Owes(400, Fault::Header("To"))),
    ("ltgtruri", "3.1.2.7", Owes(400, Fault::RequestUri)),
    ("lwsruri", "3.1.2.8", Owes(400, Fault::RequestUri)),
    // The next two may be refused; a liberal reader ignores the spaces.
    ("lwsstart", "3.1.2.9", Read),
    ("trws", "3.1.2.10", Read),
    ("escruri", "3.1.2.11", Owes(400, Fault::RequestUri)),
    // To be refused only where the date matters.
    ("baddate", "3.1.2.12", Read),
    ("regbadct", "3.1.2.13", Owes(400, Fault::Header("Contact"))),
    // The next two may be refused; a liberal reader ignores the spaces and infers the quotes.
    ("badaspec", "3.1.2.14", Read),
    ("baddn", "3.1.2.15", Read),
    ("badvers", "3.1.2.16", Owes(505, Fault::Version)),
    ("mismatch01", "3.1.2.17", Owes(400, Fault::CSeqMethod)),
    ("mismatch02", "3.1.2.18", Owes(501, Fault::CSeqMethod)),
    ("bigcode", "3.1.2.19", Drop(Fault::StartLine)),
    ("badbranch", "3.2.1", Read),
    ("insuf", "3.3.1", Owes(400, Fault::Missing("From"))),
    ("unkscm", "3.3.2", Owes(416, Fault::Scheme)),
    ("novelsc", "3.3.3", Owes(416, Fault::Scheme)),
    ("unksm2", "3.3.4", Read),
    ("bext01", "3.3.5", Read),
    ("invut", "3.3.6", Read),
    ("regaut01", "3.3.7", Read),
    ("multi01", "3.3.8", Owes(400, Fault::Duplicate("CSeq"))),
    ("mcl01", "3.3.9", Owes(400, Fault::Duplicate("Content-Length"))),
    ("bcast", "3.3.10", Read),
    ("zeromf", "3.3.11", Read),
    ("cparam01", "3.3.12", Read),
    ("cparam02", "3.3.13", Read),
    ("regescrt", "3.3.14", Read),
    ("sdp01", "3.3.15", Read),
    ("inv2543", "3.4.1", Read),
];

const RFC_5118: &[(&str, &str, Verdict)] = &[
    ("ipv6-good", "4.1", Read),
    ("ipv6-bad", "4.2", Owes(400, Fault::RequestUri)),
    // An address of one more group than was meant, but an address.
    ("port-ambiguous", "4.3", Read),
    ("port-unambiguous", "4.4", Read),
    ("via-received-param-with-delim", "4.5", Read),
    ("via-received-param-no-delim", "4.5", Read),
    ("ipv6-in-sdp", "4.6", Read),
    ("mult-ip-in-header", "4.7", Read),
    ("mult-ip-in-sdp", "4.8", Read),
    ("ipv4-mapped-ipv6", "4.9", Read),
    // Three colons are what RFC 3261's grammar let through by mistake; they are to be tolerated.
    ("ipv6-bug-abnf-3-colons", "4.10", Read),
    ("ipv6-correct-abnf-2-colons", "4.10", Read),
];

fn bytes(rfc: &str, name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data", rfc, &format!("{name}.dat")].iter().collect();
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn request(name: &str) -> Request {
    match parse(&bytes("rfc4475", name)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn verdict(bytes: &[u8]) -> Verdict {
    match parse(bytes) {
        Ok(_) => Read,
        Err(ParseError { kind, status: Some(status), request: Some(_) }) => Owes(status, kind),
        Err(ParseError { kind, status: None, request: None }) => Drop(kind),
        Err(error) => panic!("a status without a request: {error:?}"),
    }
}

fn all(rfc: &str, table: &[(&str, &str, Verdict)]) {
    for (name, section, wanted) in table {
        let bytes = bytes(rfc, name);
        assert_eq!(verdict(&bytes), *wanted, "{rfc} §{section} {name}");
        if let Ok(message) = parse(&bytes) {
            let written = message.to_bytes();
            let again = parse(&written).unwrap_or_else(|error| panic!("{name} written again: {error}"));
            assert_eq!(again.to_bytes(), written, "{name}");
            assert_eq!(again.body(), message.body(), "{name}");
        }
    }
    let files = std::fs::read_dir([env!("CARGO_MANIFEST_DIR"), "tests/data", rfc].iter().collect::<PathBuf>());
    assert_eq!(files.unwrap().count(), table.len(), "a file of {rfc} without a verdict");
}

#[test]
fn every_message_of_rfc_4475_gets_its_verdict() {
    all("rfc4475", RFC_4475);
}

#[test]
fn every_message_of_rfc_5118_gets_its_verdict() {
    all("rfc5118", RFC_5118);
}

/// `cargo test -p soft-phone-sip --test torture -- --nocapture owes` prints the table.
#[test]
fn the_user_agent_owes_what_the_rfcs_say() {
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for row in include_str!("data/verdicts.tsv").lines() {
        let &[rfc, name, section, verdict, status, asked] = row.split('\t').collect::<Vec<_>>().as_slice() else {
            panic!("not a row: {row}")
        };
        rows += 1;
        let bytes = bytes(rfc, name);
        let judged = judge::judge(&bytes).unwrap();
        let ours = format!("{:?}", judged.verdict).to_lowercase();
        let ours = (ours.as_str(), judged.status.map_or("-".to_owned(), |status| status.to_string()));
        println!("{rfc} {section:<9} {name:<30} {:<7} {:<4} RFC: {asked}", ours.0, ours.1);
        if ours != (verdict, status.to_owned()) {
            wrong.push(format!("{name}: {ours:?}, not {verdict} {status}: {:?}", judged.reason));
        }
        let kind = if bytes.starts_with(b"SIP/") { "response" } else { "request" };
        assert_eq!(judged.kind, Some(kind), "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(rows, RFC_4475.len() + RFC_5118.len());
}

#[test]
fn an_invite_is_answered_by_what_its_sender_takes() {
    let sdp01 = String::from_utf8(bytes("rfc4475", "sdp01")).unwrap();
    let line = sdp01.lines().find(|line| line.starts_with("Accept")).unwrap();
    for (accept, status) in [
        ("Accept: */*", None),
        ("Accept: text/html, APPLICATION/sdp;level=1", None),
        ("Accept: text/html\r\nAccept: application/*", None),
        ("Accept: text/html", Some(406)),
        ("Accept:", Some(406)),
        ("Accept: application/sdpx", Some(406)),
        ("Subject: none", None),
    ] {
        let judged = judge::judge(sdp01.replace(line, accept).as_bytes()).unwrap();
        assert_eq!(judged.status, status, "{accept}");
    }
}

#[test]
fn a_signature_in_a_body_stays_as_it_is() {
    let message = request("mpart01");
    assert_eq!((message.method, message.body.len()), (Method::Message, 553));
    assert!(message.body.windows(2).any(|pair| pair == b"\x95\0"), "a NUL is nothing special");
    assert!(message.body.ends_with(b"\r\n--7a9cbec02ceef655--\r\n"));
}

#[test]
fn the_short_tortuous_invite_is_understood() {
    let request = request("wsinv");
    assert_eq!(request.method, Method::Invite);
    assert_eq!(request.uri.to_string(), "sip:vivekg@chair-dnrc.example.com;unknownparam");
    let to = request.to().unwrap();
    assert_eq!((to.uri.to_string().as_str(), to.tag()), ("sip:vivekg@chair-dnrc.example.com", Some("1918181833n")));
    let from = request.from().unwrap();
    assert_eq!((from.display_name.as_deref(), from.tag()), (Some(r#"J Rosenberg \""#), Some("98asjd8")));
    let cseq = request.cseq().unwrap();
    assert_eq!((cseq.seq, cseq.method), (9, Method::Invite));
    let vias: Vec<_> = request.vias().iter().map(|via| via.to_string()).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ]
    );
    let contact = &request.contacts()[0];
    assert_eq!(contact.display_name.as_deref(), Some(r#"Quoted string """#));
    assert_eq!(contact.param("newparam"), Some(Some("newvalue")));
    assert_eq!(contact.param("secondparam"), Some(None));
    assert_eq!(contact.param("q"), Some(Some("0.33")));
    assert_eq!(request.routes("Route")[0].uri.param("unknown-no-value"), Some(None));
    assert_eq!(request.headers.get("Subject"), Some(""));
    assert_eq!(request.headers.get("newfangledheader"), Some("newfangled value continued newfangled value"));
    assert_eq!(request.headers.get("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    assert_eq!(request.headers.get("Max-Forwards"), Some("0068"));
    assert_eq!(request.body.len(), 150);
}

#[test]
fn the_wide_range_of_characters_is_understood() {
    let request = request("intmeth");
    assert_eq!(request.method, Method::Other("!interesting-Method0123456789_*+`.%indeed'~".into()));
    assert_eq!(request.uri.user.as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(request.uri.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(request.uri.host, "example.com");
    assert_eq!(request.to().unwrap().display_name.as_deref(), Some("BEL: NUL: DEL:"));
    let from = request.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.param("fromParam''~+*_!.-%"), Some(Some("\"работающий\"")));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(request.headers.get("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電"));
}

#[test]
fn escapes_mean_what_they_mean_and_no_more() {
    assert_eq!(request("esc01").uri.user_text().unwrap(), "sips:user@example.com");
    assert_eq!(request("escnull").to().unwrap().uri.user_text().unwrap(), "null-\0-null");
    let odd = request("esc02");
    assert_eq!(odd.method, Method::Other("RE%47IST%45R".into()));
    assert_eq!(odd.contacts().len(), 2, "C%6Fntact is no Contact");
    let semicolon = request("semiuri");
    assert_eq!(semicolon.uri.user_text().unwrap(), "user;par=u@example.net");
    assert!(semicolon.uri.params.is_empty());
    assert_eq!(request("cparam01").contacts()[0].param("unknownparam"), Some(None));
    assert_eq!(request("cparam02").contacts()[0].uri.param("unknownparam"), Some(None));
}

#[test]
fn what_follows_a_datagram_is_noise() {
    let register = request("dblreq");
    assert_eq!((register.method, register.body.len()), (Method::Register, 0));
}

#[test]
fn reasons_are_read_whatever_they_hold() {
    let reason = |name| match parse(&bytes("rfc4475", name)) {
        Ok(Message::Response(response)) => (response.status, response.reason),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(reason("unreason"), (200, "= 2**3 * 5**2 но сто девяносто девять - простое".to_owned()));
    assert_eq!(reason("noreason"), (100, String::new()));
}

#[test]
fn an_answer_needs_no_more_than_came() {
    let error = parse(&bytes("rfc4475", "insuf")).unwrap_err();
    let request = error.request.unwrap();
    assert_eq!(request.headers.get("Via"), Some("SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf"));
    let answer = soft_phone_sip::Response::to_request(&request, 400, None, Some("t"));
    assert_eq!(
        String::from_utf8(answer.to_bytes()).unwrap(),
        "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\r\nCSeq: 193942 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    );
}
