//! INFO: keypad digits both ways, packages, what is refused, and that one waits for the other (RFC 6086).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use phone::{Phone, alice, request};
use soft_phone_sip::{Body, CallId, Config, Error, Event, Flow, Method, Request, Transport};

/// A call in, answered; the phone's tag.
fn answered(config: Config, trickle: bool) -> (Phone, CallId, String) {
    let mut phone = Phone::new(config);
    let mut invite = phone::invite("in-1", "z9hG4bKin1", Some("offer"));
    if trickle {
        invite = invite.replacen("Contact:", "Supported: trickle-ice\nRecv-Info: trickle-ice\nContact:", 1);
    }
    phone.receive(&invite);
    phone.sent();
    let call = phone.agent.calls().next().unwrap().id();
    phone.agent.answer(phone.now, call, phone::sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    phone.events();
    (phone, call, tag)
}

fn info(seq: u32, tag: &str, headers: &str, content_type: &str, body: &str) -> String {
    request(Method::Info, "in-1", &format!("z9hG4bKi{seq}"), seq, tag, Some(body))
        .replacen("application/sdp", content_type, 1)
        .replacen("Contact:", &format!("{headers}Contact:"), 1)
}

/// The INFO that is under way, answered.
fn answer_one(phone: &mut Phone, status: u16) -> Request {
    let request = phone.request();
    assert_eq!(request.method, Method::Info);
    phone.answer(&request, status, "bob", &[], None);
    request
}

#[test]
fn keys_are_pressed_one_after_the_other() {
    let (mut phone, call, _) = answered(alice(Transport::Wss), false);
    for tone in ['6', '0', 'a'] {
        phone.agent.dtmf(phone.now, call, tone, 160).unwrap();
    }
    let first = answer_one(&mut phone, 200);
    assert_eq!(first.headers.get("Content-Type"), Some("application/dtmf-relay"));
    assert_eq!(first.headers.get("Info-Package"), None);
    assert_eq!(first.body, b"Signal=6\r\nDuration=160\r\n");
    assert_eq!(phone.events(), ["info-answered(Some(200))"]);
    // A refusal holds nothing up.
    assert_eq!(answer_one(&mut phone, 415).body, b"Signal=0\r\nDuration=160\r\n");
    assert_eq!(answer_one(&mut phone, 200).body, b"Signal=A\r\nDuration=160\r\n");
    assert_eq!(phone.events(), ["info-answered(Some(415))", "info-answered(Some(200))"]);
    for (tone, duration) in [('E', 100), ('!', 100), ('1', 0), ('1', 10_001)] {
        assert_eq!(phone.agent.dtmf(phone.now, call, tone, duration), Err(Error::Malformed { what: "tone" }));
    }
    assert_eq!(phone.agent.dtmf(phone.now, CallId(99), '1', 100), Err(Error::UnknownCall));
}

#[test]
fn what_a_call_had_to_say_ends_with_it() {
    let (mut phone, call, tag) = answered(alice(Transport::Wss), false);
    let mut queries = Vec::new();
    for tone in ['1', '2'] {
        queries.push(phone.agent.dtmf(phone.now, call, tone, 100).unwrap());
    }
    let first = phone.request();
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 9, &tag, None));
    let events = phone.raw_events();
    let unanswered = |query| Event::InfoAnswered { query, status: None };
    for query in queries {
        assert_eq!(events.iter().filter(|event| **event == unanswered(query)).count(), 1);
    }
    assert!(matches!(events.last(), Some(Event::Ended { .. })));
    phone.messages();
    phone.answer(&first, 200, "bob", &[], None);
    assert_eq!(phone.events(), Vec::<String>::new());
    assert_eq!(phone.agent.dtmf(phone.now, call, '3', 100), Err(Error::UnknownCall));
    phone.assert_idle();
}

#[test]
fn a_call_that_the_other_end_has_forgotten_ends() {
    let (mut phone, call, _) = answered(alice(Transport::Wss), false);
    phone.agent.dtmf(phone.now, call, '1', 100).unwrap();
    answer_one(&mut phone, 481);
    assert_eq!(phone.events(), ["info-answered(Some(481))", "active>ending"]);
    assert_eq!(phone.sent(), ["BYE 2"]);
}

#[test]
fn a_lost_connection_fails_what_ran_and_sends_what_waited() {
    let (mut phone, call, _) = answered(alice(Transport::Wss), false);
    for tone in ['1', '2'] {
        phone.agent.dtmf(phone.now, call, tone, 100).unwrap();
    }
    assert_eq!(phone.sent(), ["INFO 1"]);
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["info-answered(None)".to_owned()]));
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, Flow(2));
    let next = phone.messages().into_iter().find_map(|message| match message {
        soft_phone_sip::Message::Request(request) if request.method == Method::Info => Some(request),
        _ => None,
    });
    assert_eq!(next.unwrap().body, b"Signal=2\r\nDuration=100\r\n");
}

#[test]
fn a_challenge_takes_the_next_number_of_the_dialog() {
    let (mut phone, call, _) = answered(alice(Transport::Wss), false);
    phone.agent.dtmf(phone.now, call, '1', 100).unwrap();
    let first = phone.request();
    phone.agent.transfer(phone.now, call, "sip:carol@example.com").unwrap();
    assert_eq!(phone.sent(), ["REFER 2"]);
    let challenge = [("WWW-Authenticate", "Digest realm=\"x\", nonce=\"n\", algorithm=MD5, qop=\"auth\"")];
    phone.answer(&first, 401, "bob", &challenge, None);
    let again = phone.request();
    assert_eq!((again.cseq().unwrap().seq, again.headers.get("Authorization").is_some()), (3, true));
}

#[test]
fn digits_of_the_other_end_are_read() {
    let (mut phone, _, tag) = answered(alice(Transport::Wss), false);
    for (seq, (content_type, body, said)) in [
        ("application/dtmf-relay", "Signal=5\nDuration=160\n", "dtmf(5 160)"),
        ("application/dtmf-relay", "Signal= #\nDuration= 250\n", "dtmf(# 250)"),
        ("Application/DTMF-Relay", "signal=d", "dtmf(D 100)"),
        ("application/dtmf-relay", "Signal=10\nDuration=99999999\n", "dtmf(* 10000)"),
        ("application/dtmf", "7", "dtmf(7 100)"),
        ("application/dtmf", " 11 \n", "dtmf(# 100)"),
    ]
    .into_iter()
    .enumerate()
    {
        phone.receive(&info(seq as u32 + 2, &tag, "", content_type, body));
        assert_eq!((phone.response().status, phone.events()), (200, vec![said.to_owned()]), "{body}");
    }
    for (seq, body) in ["Duration=5", "Signal=", "Signal=12", "Signal=5\nDuration=x", "55", "é"].into_iter().enumerate()
    {
        phone.receive(&info(seq as u32 + 20, &tag, "", "application/dtmf-relay", body));
        assert_eq!((phone.response().status, phone.events()), (400, vec![]), "{body}");
    }
}

#[test]
fn unknown_packages_and_bodies_are_refused_with_what_is_known() {
    let (mut phone, _, tag) = answered(alice(Transport::Wss), false);
    phone.receive(&info(2, &tag, "Info-Package: foo\n", "application/foo", "x"));
    let refusal = phone.response();
    assert_eq!((refusal.status, refusal.reason.as_str()), (469, "Bad Info Package"));
    assert_eq!(refusal.headers.get("Recv-Info"), Some(""));
    phone.receive(&info(3, &tag, "Info-Package: trickle-ice\n", "application/trickle-ice-sdpfrag", "x"));
    assert_eq!(phone.response().status, 469);
    phone.receive(&info(4, &tag, "", "application/foo", "x"));
    let refusal = phone.response();
    assert_eq!(refusal.status, 415);
    assert!(refusal.headers.lists("Accept", "application/dtmf-relay"));
    phone.receive(&request(Method::Info, "in-1", "z9hG4bKempty", 5, &tag, None));
    phone.receive(&info(6, &tag, "", "application/media_control+xml", "<x/>"));
    assert_eq!(phone.sent(), ["200 INFO 5", "200 INFO 6"]);
    assert_eq!(phone.events(), ["info(- <x/>)"]);
    // Outside a dialog there is nothing to inform about.
    phone.receive(&info(7, "", "", "application/dtmf", "5"));
    assert_eq!(phone.sent(), ["481 INFO 7"]);
}

#[test]
fn candidates_go_both_ways_when_both_ends_trickle() {
    let mut config = alice(Transport::Wss);
    config.trickle = true;
    let (mut phone, call, tag) = answered(config.clone(), true);
    assert!(phone.agent.get(call).unwrap().trickle());
    phone.receive(&info(2, &tag, "Info-Package: trickle-ice\n", "application/trickle-ice-sdpfrag", "a=end"));
    assert_eq!(
        (phone.sent(), phone.events()),
        (vec!["200 INFO 2".to_owned()], vec!["info(trickle-ice a=end)".to_owned()])
    );
    let body = Body { content_type: "application/trickle-ice-sdpfrag".to_owned(), bytes: b"a=mid:0".to_vec() };
    phone.agent.info(phone.now, call, body.clone(), Some("trickle-ice")).unwrap();
    let sent = answer_one(&mut phone, 200);
    assert_eq!(sent.headers.get("Info-Package"), Some("trickle-ice"));
    assert_eq!(sent.headers.get("Content-Disposition"), Some("Info-Package"));
    assert_eq!(sent.headers.get("Content-Type"), Some("application/trickle-ice-sdpfrag"));
    let bad = phone.agent.info(phone.now, call, body.clone(), Some("a b"));
    assert_eq!(bad, Err(Error::Injection { field: "package".to_owned() }));

    // Our own call: in the early dialog already, and the numbers go on in the later one.
    let mut phone = Phone::new(config);
    let call = phone.dial("600");
    let invite = phone.request();
    assert_eq!(invite.headers.get("Recv-Info"), Some("trickle-ice"));
    assert!(invite.headers.lists("Supported", "trickle-ice"));
    let early = phone.agent.info(phone.now, call, body.clone(), Some("trickle-ice"));
    assert_eq!(early, Err(Error::WrongState { state: "dialing" }));
    phone.answer(&invite, 183, "bob", &[("Contact", "<sip:bob@192.0.2.4>"), ("Recv-Info", "trickle-ice")], Some("a"));
    assert!(phone.agent.get(call).unwrap().trickle());
    phone.agent.info(phone.now, call, body, Some("trickle-ice")).unwrap();
    let sent = answer_one(&mut phone, 200);
    assert_eq!((sent.cseq().unwrap().seq, sent.uri.to_string().as_str()), (2, "sip:bob@192.0.2.4"));
    let ours = invite.from().unwrap().tag().unwrap().to_owned();
    let theirs = request(Method::Info, invite.call_id(), "z9hG4bKe", 1, &ours, Some("a=end"))
        .replacen("application/sdp", "application/trickle-ice-sdpfrag", 1)
        .replacen("Contact:", "Info-Package: trickle-ice\nContact:", 1);
    phone.receive(&theirs);
    assert_eq!(phone.sent(), ["200 INFO 1"]);
    let numbered = |seq: u32, branch: &str| {
        let cseq = format!("CSeq: {seq} INFO");
        theirs.replacen("z9hG4bKe", branch, 1).replacen("CSeq: 1 INFO", &cseq, 1)
    };
    phone.receive(&numbered(9, "z9hG4bKe9"));
    phone.receive(&numbered(8, "z9hG4bKe8"));
    assert_eq!(phone.sent(), ["200 INFO 9", "500 INFO 8"]);
    phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("a"));
    assert_eq!(phone.sent(), ["ACK 1"]);
    phone.receive(&numbered(7, "z9hG4bKe7"));
    assert_eq!(phone.sent(), ["500 INFO 7"]);
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.sent(), ["BYE 3"]);
}

#[test]
fn every_phone_of_a_fork_gets_the_candidates() {
    let (mut phone, call, invite) = Phone::calling();
    for tag in ["desk", "mobile"] {
        let contact = format!("<sip:{tag}@192.0.2.4>");
        phone.answer(&invite, 183, tag, &[("Contact", &contact), ("Recv-Info", "Trickle-ICE, foo;x=y")], Some("a"));
    }
    phone.events();
    assert_eq!(phone.agent.get(call).map(|call| (call.takes("foo"), call.takes("bar"))), Some((true, false)));
    let unknown = phone.agent.info(phone.now, call, phone::sdp("x"), Some("bar"));
    assert_eq!(unknown, Err(Error::Missing { header: "Recv-Info" }));
    let body = Body { content_type: "application/trickle-ice-sdpfrag".to_owned(), bytes: b"a=mid:0".to_vec() };
    for _ in 0..2 {
        phone.agent.info(phone.now, call, body.clone(), Some("trickle-ice")).unwrap();
    }
    let sent = |phone: &mut Phone| -> Vec<(String, Request)> {
        let requests = phone.messages().into_iter().map(|message| match message {
            soft_phone_sip::Message::Request(request) => request,
            soft_phone_sip::Message::Response(_) => panic!(),
        });
        requests
            .map(|request| {
                (
                    format!("{} {}", request.uri, phone::brief(&soft_phone_sip::Message::Request(request.clone()))),
                    request,
                )
            })
            .collect()
    };
    let first = sent(&mut phone);
    let lines: Vec<&str> = first.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["sip:desk@192.0.2.4 INFO 2", "sip:mobile@192.0.2.4 INFO 2"]);
    phone.answer(&first[1].1, 200, "mobile", &[], None);
    assert_eq!((sent(&mut phone).len(), phone.events()), (0, vec![]));
    phone.answer(&first[0].1, 200, "desk", &[], None);
    assert_eq!(phone.events(), ["info-answered(Some(200))"]);
    let second = sent(&mut phone);
    assert_eq!(second[1].0, "sip:mobile@192.0.2.4 INFO 3");
    for (_, request) in &second {
        phone.answer(request, 200, request.to().unwrap().tag().unwrap(), &[], None);
    }
    phone.events();
    phone.answer(&invite, 200, "mobile", &[("Contact", "<sip:mobile@192.0.2.4>")], Some("a"));
    phone.sent();
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.sent(), ["BYE 4"]);
}
