//! Calls out and in: what is sent, what is reported, why they end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice, brief_event, end_of, invite, request, sdp};
use soft_phone_sip::{Body, CallId, CallOptions, CallState, Cause, Direction, Error, Event, Flow, Method, Transport};

fn local_tag(phone: &Phone, invite: &soft_phone_sip::Request) -> String {
    assert_eq!(phone.agent.calls().count(), 1);
    invite.from().unwrap().tag().unwrap().to_owned()
}

#[test]
fn an_invite_says_who_calls_whom_and_how_to_answer() {
    let (phone, call, invite) = Phone::calling();
    assert_eq!(invite.uri.to_string(), "sip:600@example.com");
    assert_eq!(invite.headers.get("To"), Some("<sip:600@example.com>"));
    let from = invite.from().unwrap();
    assert_eq!((from.display_name.as_deref(), from.uri.to_string().as_str()), (Some("Alice"), "sip:alice@example.com"));
    assert_eq!(from.tag().map(str::len), Some(20));
    assert_eq!(invite.headers.get("CSeq"), Some("1 INVITE"));
    assert_eq!(invite.headers.get("Max-Forwards"), Some("70"));
    for method in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "INFO", "NOTIFY", "REFER"] {
        assert!(invite.headers.lists("Allow", method), "{method}");
    }
    assert_eq!((invite.content_type(), invite.body.as_slice()), (Some("application/sdp"), b"offer".as_slice()));
    // RFC 7118 §5.
    let via = invite.top_via().unwrap();
    assert_eq!((via.transport.as_str(), via.host.ends_with(".invalid")), ("WSS", true));
    let contact = &invite.contacts()[0].uri;
    assert_eq!((contact.user.as_deref(), &contact.host), (Some("alice"), &via.host));
    assert_eq!(contact.param("transport"), Some(Some("ws")));
    let call = phone.agent.get(call).unwrap();
    assert_eq!((call.direction(), call.state()), (Direction::Outbound, CallState::Dialing));
    assert_eq!(call.sip_call_id(), invite.call_id());
    assert_eq!(call.remote().uri.to_string(), "sip:600@example.com");
}

#[test]
fn whatever_a_user_types_becomes_an_address_or_an_error() {
    let mut phone = Phone::new(alice(Transport::Wss));
    for (typed, uri) in [
        ("600", "sip:600@example.com"),
        (" 600 ", "sip:600@example.com"),
        ("+7 916", "sip:+7%20916@example.com"),
        ("*98#", "sip:*98%23@example.com"),
        ("bob@example.org", "sip:bob@example.org"),
        ("bob@example.org:5070", "sip:bob@example.org:5070"),
        ("sip:bob@example.org;transport=tcp", "sip:bob@example.org;transport=tcp"),
        ("SIPS:bob@example.org", "sips:bob@example.org"),
        ("tel:+7-916-123(45)67;ext=1", "sip:+79161234567@example.com;user=phone"),
        ("\"Bob\" <sip:bob@example.org>;tag=x", "sip:bob@example.org"),
        // RFC 3261 §19.1.5: a link may not write our headers, nor choose our method.
        ("sip:bob@example.org;method=BYE?Replaces=x", "sip:bob@example.org"),
    ] {
        phone.dial(typed);
        let invite = phone.request();
        assert_eq!(invite.uri.to_string(), uri, "{typed}");
        assert!(invite.headers.get("Replaces").is_none());
    }
    for typed in
        ["", "  ", "http://example.com", "<mailto:bob@example.org>", "tel:", "sip:", "bob@", "<sip:x", "ftp:a@b"]
    {
        let refused = phone.agent.call(phone.now, typed, sdp("x"), CallOptions::default());
        assert!(matches!(refused, Err(Error::Malformed { .. })), "{typed}: {refused:?}");
    }
    let refused = phone.agent.call(phone.now, &"6".repeat(1_025), sdp("x"), CallOptions::default());
    assert_eq!(refused, Err(Error::TooLong { what: "target", limit: 1_024 }));
    assert_eq!(phone.sent(), Vec::<String>::new());
}

#[test]
fn nothing_a_caller_passes_in_can_write_a_header() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let evil = "600\r\nX-Evil: 1";
    let refused = phone.agent.call(phone.now, evil, sdp("x"), CallOptions::default());
    assert_eq!(refused, Err(Error::Injection { field: "target".to_owned() }));
    let with = |name: &str, value: &str| CallOptions {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..CallOptions::default()
    };
    for (name, value) in [("X-A", "1\r\nX-Evil: 1"), ("X-A\r\nX-Evil", "1"), ("X-A", "1\0"), ("", "1"), ("X A", "1")] {
        let refused = phone.agent.call(phone.now, "600", sdp("x"), with(name, value));
        assert!(matches!(refused, Err(Error::Injection { .. })), "{name:?}: {refused:?}");
    }
    for name in ["Via", "via", "v", "From", "Contact", "m", "Route", "Content-Length", "l", "Authorization", "Require"]
    {
        let refused = phone.agent.call(phone.now, "600", sdp("x"), with(name, "1"));
        assert_eq!(refused, Err(Error::Reserved { header: name.to_owned() }));
    }
    let body = Body { content_type: "application/sdp\r\nX-Evil: 1".to_owned(), bytes: vec![] };
    assert!(matches!(phone.agent.call(phone.now, "600", body, CallOptions::default()), Err(Error::Injection { .. })));
    assert_eq!((phone.sent(), phone.agent.live()), (vec![], [0, 0, 0, 0]), "nothing was begun");

    phone.agent.call(phone.now, "600", sdp("x"), with("X-Campaign", "spring")).unwrap();
    assert_eq!(phone.request().headers.get("X-Campaign"), Some("spring"));

    for damage in ["a\r\nX-Evil: 1", "a\0"] {
        let mut config = alice(Transport::Wss);
        config.display_name = Some(damage.to_owned());
        assert!(soft_phone_sip::Agent::new(config, [0; 32]).is_err());
        let mut config = alice(Transport::Wss);
        config.user_agent = damage.to_owned();
        assert!(soft_phone_sip::Agent::new(config, [0; 32]).is_err());
        let mut config = alice(Transport::Wss);
        config.sent_by = Some(damage.to_owned());
        assert!(soft_phone_sip::Agent::new(config, [0; 32]).is_err());
        let mut config = alice(Transport::Wss);
        config.instance_id = Some(format!("urn:uuid:{damage}"));
        assert!(soft_phone_sip::Agent::new(config, [0; 32]).is_err());
    }
}

#[test]
fn a_call_goes_from_dialing_to_active_and_is_hung_up_by_us() {
    let (mut phone, call, invite) = Phone::calling();
    phone.answer(&invite, 100, "", &[], None);
    phone.answer(&invite, 180, "bob", &[], None);
    phone.answer(&invite, 183, "bob", &[], Some("early"));
    phone.answer(&invite, 180, "bob", &[], None);
    assert_eq!(
        phone.events(),
        [
            "dialing>ringing",
            "progress(180, fork 0)",
            "ringing>early",
            "progress(183+answer, fork 0)",
            "progress(180, fork 0)"
        ]
    );
    phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4;x=y>")], Some("answer"));
    assert_eq!(phone.events(), ["early>active", "answered+answer"]);
    let ack = phone.request();
    assert_eq!((ack.method.as_str(), ack.uri.to_string().as_str()), ("ACK", "sip:bob@192.0.2.4;x=y"));
    assert_eq!((ack.headers.get("CSeq"), ack.to().unwrap().tag()), (Some("1 ACK"), Some("bob")));
    assert_ne!(ack.top_via().unwrap().branch(), invite.top_via().unwrap().branch());

    // The ACK was lost: the same one again.
    phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4;x=y>")], Some("answer"));
    assert_eq!(phone.request(), ack);

    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.events(), ["active>ending"]);
    let bye = phone.request();
    assert_eq!((bye.headers.get("CSeq"), bye.uri.to_string().as_str()), (Some("2 BYE"), "sip:bob@192.0.2.4;x=y"));
    assert_eq!(phone.agent.hangup(phone.now, call), Err(Error::WrongState { state: "ending" }));
    phone.answer(&bye, 200, "bob", &[], None);
    assert_eq!(phone.events(), ["ending>ended", "ended(local-hangup)"]);
    assert_eq!(phone.agent.hangup(phone.now, call), Err(Error::UnknownCall));
    phone.assert_idle();
}

#[test]
fn a_refusal_says_why() {
    for (status, cause) in [
        (302, Cause::Redirected),
        (403, Cause::Declined),
        (404, Cause::NotFound),
        (408, Cause::NoAnswer),
        (480, Cause::Unavailable),
        (486, Cause::Busy),
        (488, Cause::MediaFailed),
        (500, Cause::Failed),
        (603, Cause::Declined),
    ] {
        let (mut phone, call, invite) = Phone::calling();
        phone.answer(&invite, status, "bob", &[], None);
        assert_eq!(phone.sent(), ["ACK 1"]);
        let events = phone.raw_events();
        let reason = Some(soft_phone_sip::reason_phrase(status).to_owned());
        assert_eq!(events.last(), Some(&Event::Ended { call, cause, status: Some(status), reason }));
        assert_eq!(events.iter().map(brief_event).collect::<Vec<_>>()[..2], ["dialing>ending", "ending>ended"]);
        phone.assert_idle();
    }
}

#[test]
fn a_challenge_is_answered_once() {
    let (mut phone, _, first) = Phone::calling();
    let challenge = r#"Digest realm="pbx", nonce="n1", qop="auth", algorithm=SHA-256"#;
    phone.answer(&first, 401, "x", &[("WWW-Authenticate", challenge)], None);
    let messages = phone.messages();
    let [_, soft_phone_sip::Message::Request(second)] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((second.call_id(), second.from().unwrap()), (first.call_id(), first.from().unwrap()));
    assert_eq!((second.headers.get("CSeq"), second.body.as_slice()), (Some("2 INVITE"), b"offer".as_slice()));
    assert!(second.headers.get("Authorization").unwrap().contains("nc=00000001"));
    assert_eq!(second.to().unwrap().tag(), None);
    phone.answer(second, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("answer"));
    let ack = phone.request();
    // RFC 3261 §22.1.
    assert_eq!(ack.headers.get("Authorization"), second.headers.get("Authorization"));
    assert_eq!(ack.headers.get("CSeq"), Some("2 ACK"));
    let call = phone.agent.calls().next().unwrap().id();
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    assert_eq!(bye.headers.get("CSeq"), Some("3 BYE"));
    assert!(bye.headers.get("Authorization").unwrap().contains("nc=00000002"), "the nonce is used again");
    phone.answer(&bye, 200, "bob", &[], None);

    let (mut phone, _, first) = Phone::calling();
    phone.answer(&first, 407, "x", &[("Proxy-Authenticate", challenge)], None);
    let second = phone.messages().pop().unwrap();
    assert!(second.headers().get("Proxy-Authorization").is_some());
    let soft_phone_sip::Message::Request(second) = second else { panic!("no request") };
    phone.answer(&second, 407, "x", &[("Proxy-Authenticate", challenge)], None);
    assert_eq!(phone.sent(), ["ACK 2"]);
    assert_eq!(end_of(&phone.raw_events()), Some((Cause::Unauthorized, Some(407))));
    phone.assert_idle();
}

#[test]
fn a_challenged_bye_goes_out_again() {
    let (mut phone, call, _) = Phone::in_call();
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    phone.answer(&bye, 407, "bob", &[("Proxy-Authenticate", r#"Digest realm="pbx", nonce="n1""#)], None);
    let again = phone.request();
    assert_eq!(again.headers.get("CSeq"), Some("3 BYE"));
    assert!(again.headers.get("Proxy-Authorization").is_some());
    phone.answer(&again, 200, "bob", &[], None);
    assert_eq!(phone.events(), ["active>ending", "ending>ended", "ended(local-hangup)"]);
    phone.assert_idle();
}

#[test]
fn nobody_answers_for_three_minutes() {
    let (mut phone, _, invite) = Phone::calling();
    phone.answer(&invite, 180, "bob", &[], None);
    phone.events();
    assert_eq!(phone.timeline(Duration::from_secs(181)), [(180_000, "CANCEL 1".to_owned())]);
    phone.answer(&invite, 487, "bob", &[], None);
    assert_eq!(phone.events(), ["ringing>ending", "ending>ended", "ended(no-answer 487)"]);
    phone.assert_idle();
}

#[test]
fn an_answered_call_lasts_as_long_as_it_lasts() {
    let (mut phone, call, _) = Phone::in_call();
    assert_eq!((phone.timeline(Duration::from_secs(86_400)), phone.events()), (vec![], vec![]));
    assert_eq!(phone.agent.get(call).map(|call| call.state()), Some(CallState::Active));
}

#[test]
fn a_silent_server_and_a_lost_connection_are_network_failures() {
    let (mut phone, _, _) = Phone::calling();
    phone.advance(Duration::from_secs(33));
    assert_eq!(phone.events(), ["dialing>ending", "ending>ended", "ended(network)"]);
    phone.assert_idle();

    let (mut phone, _, invite) = Phone::calling();
    phone.answer(&invite, 180, "bob", &[], None);
    phone.events();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.events(), ["ringing>ending", "ending>ended", "ended(network)"]);
    let refused = phone.agent.call(phone.now, "600", sdp("x"), CallOptions::default());
    assert_eq!(refused, Err(Error::NotConnected));
    phone.assert_idle();
}

#[test]
fn an_established_call_outlives_its_connection_and_its_bye_waits_for_the_next() {
    let (mut phone, call, _) = Phone::in_call();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active);
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["active>ending".to_owned()]));
    assert_eq!(phone.agent.hangup(phone.now, call), Err(Error::WrongState { state: "ending" }));
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    let bye = phone.request();
    phone.answer(&bye, 200, "bob", &[], None);
    assert_eq!(phone.events(), ["ending>ended", "ended(local-hangup)"]);
    phone.assert_idle();

    let (mut phone, call, _) = Phone::in_call();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.agent.hangup(phone.now, call).unwrap();
    phone.advance(Duration::from_secs(32));
    assert_eq!(phone.events(), ["active>ending", "ending>ended", "ended(local-hangup)"]);
    phone.assert_idle();
}

#[test]
fn an_incoming_call_is_answered_and_hung_up_by_the_caller() {
    let (mut phone, call) = Phone::ringing();
    let seen = phone.agent.get(call).unwrap();
    assert_eq!((seen.direction(), seen.state(), seen.sip_call_id()), (Direction::Inbound, CallState::Incoming, "in-1"));
    assert_eq!(
        (seen.remote().display_name.as_deref(), seen.remote().uri.to_string().as_str()),
        (Some("Bob"), "sip:bob@example.com")
    );
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let ok = phone.response();
    assert_eq!((ok.status, ok.body.as_slice()), (200, b"answer".as_slice()));
    assert_eq!(ok.headers.get("Record-Route"), Some("<sip:proxy.example.com;transport=ws;lr>"));
    assert!(ok.contacts()[0].uri.host.ends_with(".invalid"));
    let tag = ok.to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    assert_eq!(phone.events(), ["incoming>answering", "answering>active", "answered"]);
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 2, &tag, None));
    assert_eq!(phone.sent(), ["200 BYE 2"]);
    assert_eq!(phone.events(), ["active>ending", "ending>ended", "ended(remote-hangup)"]);
    phone.assert_idle();
}

#[test]
fn our_bye_takes_the_recorded_route() {
    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.4");
    assert_eq!(bye.headers.get("Route"), Some("<sip:proxy.example.com;transport=ws;lr>"));
    assert_eq!((bye.from().unwrap().tag(), bye.to().unwrap().tag()), (Some(tag.as_str()), Some("bob")));
    phone.answer(&bye, 481, "", &[], None);
    assert_eq!(phone.events().last().unwrap(), "ended(local-hangup)");
    phone.assert_idle();
}

#[test]
fn an_answer_is_repeated_until_its_ack_and_given_up_with_a_bye() {
    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    phone.sent();
    // RFC 3261 §13.3.1.4: T1, doubled up to T2, for 64·T1, on reliable transports too.
    let times = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut expected: Vec<_> = times.map(|at| (at, "200 INVITE 1".to_owned())).into();
    expected.push((32_000, "BYE 1".to_owned()));
    assert_eq!(phone.timeline(Duration::from_secs(40)), expected);
    assert_eq!(phone.events(), ["incoming>answering", "answering>ending"]);
    phone.advance(Duration::from_secs(32));
    assert_eq!(phone.events(), ["ending>ended", "ended(network)"]);
    phone.assert_idle();
}

#[test]
fn hanging_up_an_answer_waits_for_its_ack() {
    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.sent(), Vec::<String>::new());
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    let bye = phone.request();
    phone.answer(&bye, 200, "bob", &[], None);
    assert_eq!(phone.events(), ["incoming>answering", "answering>ending", "ending>ended", "ended(local-hangup)"]);
    phone.assert_idle();
}

#[test]
fn an_incoming_call_is_refused() {
    let (mut phone, call) = Phone::ringing();
    assert_eq!(phone.agent.reject(phone.now, call, 200, None), Err(Error::Status(200)));
    let injected = phone.agent.reject(phone.now, call, 486, Some("Busy\r\nX: 1"));
    assert_eq!(injected, Err(Error::Injection { field: "reason".to_owned() }));
    phone.agent.reject(phone.now, call, 486, Some("In a meeting")).unwrap();
    let refusal = phone.response();
    assert_eq!((refusal.status, refusal.reason.as_str()), (486, "In a meeting"));
    assert_eq!(phone.events(), ["incoming>ending", "ending>ended", "ended(declined 486)"]);
    phone.assert_idle();

    let (mut phone, call) = Phone::ringing();
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.sent(), ["486 INVITE 1"]);
    phone.assert_idle();
}

#[test]
fn a_call_without_an_offer_gets_ours_and_answers_it_in_the_ack() {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.receive(&invite("in-1", "z9hG4bKin1", None));
    assert_eq!(phone.events(), ["incoming"]);
    let call = phone.agent.calls().next().unwrap().id();
    phone.sent();
    phone.agent.answer(phone.now, call, sdp("our offer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, Some("their answer")));
    let events = phone.raw_events();
    assert_eq!(events.last(), Some(&Event::Answered { call, answer: Some(sdp("their answer")), fork: 0 }));
}

#[test]
fn ringing_can_be_left_to_the_driver() {
    let mut config = alice(Transport::Wss);
    config.auto_ring = false;
    let mut phone = Phone::new(config);
    phone.receive(&invite("in-1", "z9hG4bKin1", Some("offer")));
    assert_eq!(phone.timeline(Duration::from_secs(1)), [(200, "100 INVITE 1".to_owned())]);
    let call = phone.agent.calls().next().unwrap().id();
    phone.agent.ring(phone.now, call).unwrap();
    let ringing = phone.response();
    assert_eq!((ringing.status, ringing.to().unwrap().tag().is_some()), (180, true));
    assert_eq!(phone.agent.ring(phone.now, CallId(999)), Err(Error::UnknownCall));
}

#[test]
fn the_network_knows_better_who_calls() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let asserted = "P-Asserted-Identity: \"Bob B.\" <sip:+7916@example.com>\nContact:";
    phone.receive(&invite("in-1", "z9hG4bKin1", None).replacen("Contact:", asserted, 1));
    let remote = phone.agent.calls().next().unwrap().remote();
    assert_eq!(
        (remote.display_name.as_deref(), remote.uri.to_string().as_str()),
        (Some("Bob B."), "sip:+7916@example.com")
    );
    let (mut phone, call, invite) = Phone::calling();
    phone.answer(&invite, 180, "bob", &[("P-Asserted-Identity", "\"Reception\" <sip:601@example.com>")], None);
    assert_eq!(phone.agent.get(call).unwrap().remote().display_name.as_deref(), Some("Reception"));
}

#[test]
fn options_go_both_ways() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let query = phone.agent.options(phone.now, "600").unwrap();
    let options = phone.request();
    assert_eq!((options.method.as_str(), options.uri.to_string().as_str()), ("OPTIONS", "sip:600@example.com"));
    phone.answer(&options, 200, "x", &[("Allow", "INVITE, ACK"), ("Allow", "UPDATE")], None);
    let allow = ["INVITE", "ACK", "UPDATE"].map(str::to_owned).into();
    assert_eq!(phone.raw_events(), [Event::Options { query, status: Some(200), allow }]);
    let query = phone.agent.options(phone.now, "600").unwrap();
    phone.sent();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.raw_events(), [Event::Options { query, status: None, allow: vec![] }]);

    let (mut phone, _, invite) = Phone::in_call();
    phone.receive(&request(Method::Options, "q-1", "z9hG4bKq", 1, "", None));
    let answer = phone.response();
    assert_eq!((answer.status, answer.headers.get("Accept")), (200, Some("application/sdp")));
    assert_eq!(answer.headers.get("Allow"), invite.headers.get("Allow"));
    let (call_id, tag) = (invite.call_id().to_owned(), local_tag(&phone, &invite));
    phone.receive(&request(Method::Options, &call_id, "z9hG4bKq2", 9, &tag, None));
    assert_eq!(phone.sent(), ["200 OPTIONS 9"]);
    assert_eq!(phone.events(), Vec::<String>::new());
}

#[test]
fn byes_that_cross_are_both_answered() {
    let (mut phone, call, invite) = Phone::in_call();
    let tag = local_tag(&phone, &invite);
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    phone.receive(&request(Method::Bye, invite.call_id(), "z9hG4bKbye", 1, &tag, None));
    assert_eq!(phone.sent(), ["200 BYE 1"]);
    assert_eq!(phone.events(), ["active>ending", "ending>ended", "ended(local-hangup)"]);
    phone.answer(&bye, 481, "bob", &[], None);
    assert_eq!(phone.events(), Vec::<String>::new());
    phone.assert_idle();
}

#[test]
fn there_is_a_last_call_that_is_taken() {
    let mut phone = Phone::new(alice(Transport::Wss));
    for n in 0..32 {
        phone.receive(&invite(&format!("in-{n}"), &format!("z9hG4bK{n}"), Some("offer")));
    }
    phone.sent();
    phone.receive(&invite("in-99", "z9hG4bK99", Some("offer")));
    assert_eq!(phone.sent(), ["486 INVITE 1"]);
    let refused = phone.agent.call(phone.now, "600", sdp("x"), CallOptions::default());
    assert_eq!(refused, Err(Error::TooLong { what: "calls", limit: 32 }));
    assert_eq!(phone.agent.calls().count(), 32);
}

#[test]
fn shutdown_says_good_bye_to_everybody_at_once() {
    let (mut phone, _, _) = Phone::in_call();
    phone.agent.register(phone.now).unwrap();
    let register = phone.request();
    phone.answer(&register, 200, "r", &[("Expires", "600")], None);
    phone.dial("601");
    let ringing = phone.request();
    phone.answer(&ringing, 180, "x", &[], None);
    phone.receive(&invite("in-1", "z9hG4bKin1", Some("offer")));
    phone.receive(&invite("in-2", "z9hG4bKin2", Some("offer")));
    let answered = phone.agent.calls().find(|call| call.sip_call_id() == "in-2").unwrap().id();
    phone.agent.answer(phone.now, answered, sdp("answer")).unwrap();
    phone.sent();
    phone.agent.shutdown(phone.now);
    assert_eq!(phone.sent(), ["BYE 2", "CANCEL 1", "480 INVITE 1", "BYE 1", "REGISTER 2"]);
}

/// RFC 3261 §18.2.1, RFC 3581 §4: the address that a request came from goes into its top Via, and nowhere else.
#[test]
fn an_answer_says_where_the_request_came_from() {
    let via = |text: &str, source: &str| {
        let mut phone = Phone::new(alice(Transport::Udp));
        let ask = request(Method::Options, "o-1", "z9hG4bKo", 1, "", None);
        let ask = ask.replace("Via: SIP/2.0/WSS proxy.example.com;branch=z9hG4bKo", &format!("Via: {text}"));
        phone.agent.handle_input_from(
            phone.now,
            phone.flow,
            source.parse().unwrap(),
            ask.replace('\n', "\r\n").as_bytes(),
        );
        let answer = phone.response();
        answer.headers.get_list("Via").map(str::to_owned).collect::<Vec<_>>()
    };
    let source = "192.0.2.7:9988";
    for (sent, answered) in [
        ("SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKo", "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKo"),
        (
            "SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKo",
            "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKo;received=192.0.2.7",
        ),
        (
            "SIP/2.0/UDP 192.0.2.7:4540;rport;branch=z9hG4bKo",
            "SIP/2.0/UDP 192.0.2.7:4540;rport=9988;branch=z9hG4bKo;received=192.0.2.7",
        ),
        (
            "SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bKo;received=203.0.113.1",
            "SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bKo;received=192.0.2.7",
        ),
    ] {
        assert_eq!(via(sent, source), [answered]);
    }
    let two = via("SIP/2.0/UDP a.example.com;branch=z9hG4bKo, SIP/2.0/UDP b.example.com;branch=z9hG4bKp", source);
    let first = "SIP/2.0/UDP a.example.com;branch=z9hG4bKo;received=192.0.2.7";
    assert_eq!(two, [first, "SIP/2.0/UDP b.example.com;branch=z9hG4bKp"]);
    let six = via("SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bKo", "[2001:db8::9]:5060");
    assert_eq!(six, ["SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bKo"]);
}
