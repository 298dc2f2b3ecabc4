//! Redirection (RFC 3261 §8.1.3.4): a caller that is sent elsewhere, and being sent elsewhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice, invite, request, sdp};
use soft_phone_sip::{CallId, CallOptions, Error, Message, Method, Request, Transport};

fn following(redirects: u8, target: &str) -> (Phone, CallId, Request) {
    let mut phone = Phone::new(alice(Transport::Wss));
    let options = CallOptions { redirects, ..CallOptions::default() };
    let call = phone.agent.call(phone.now, target, sdp("offer"), options).unwrap();
    let invite = phone.request();
    (phone, call, invite)
}

/// The ACK of a refusal and the INVITE behind it.
fn next(phone: &mut Phone) -> Request {
    let messages = phone.messages();
    let [Message::Request(ack), Message::Request(invite)] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((&ack.method, &invite.method), (&Method::Ack, &Method::Invite));
    invite.clone()
}

#[test]
fn an_incoming_call_is_sent_elsewhere() {
    let (mut phone, call) = Phone::ringing();
    assert!(matches!(phone.agent.redirect(phone.now, call, "http://x"), Err(Error::Malformed { .. })));
    phone.agent.redirect(phone.now, call, "200").unwrap();
    let moved = phone.response();
    assert_eq!((moved.status, moved.headers.get("Contact")), (302, Some("<sip:200@example.com>")));
    assert_eq!(phone.events(), ["incoming>ending", "ending>ended", "ended(redirected 302)"]);
    assert_eq!(phone.agent.redirect(phone.now, call, "200"), Err(Error::UnknownCall));
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKin1", 1, moved.to().unwrap().tag().unwrap(), None));
    phone.assert_idle();
}

#[test]
fn without_leave_nobody_sends_us_anywhere() {
    let (mut phone, _, invite) = following(0, "600");
    phone.answer(&invite, 302, "x", &[("Contact", "<sip:601@example.com>")], None);
    assert_eq!(phone.sent(), ["ACK 1"]);
    assert_eq!(phone.events(), ["dialing>ending", "ending>ended", "ended(redirected 302)"]);
}

#[test]
fn the_contacts_are_tried_one_after_the_other_the_best_first() {
    let (mut phone, call, invite) = following(5, "600");
    let contacts = "<sip:low@example.com>;q=0.25, <sip:best@example.com?Subject=evil&Route=x>;q=1.0, \
                    <sip:also@example.com;method=BYE>;q=0.9, <tel:+123>, <sip:600@EXAMPLE.com>;q=0.99";
    phone.answer(&invite, 180, "first", &[("Contact", "<sip:x@192.0.2.4>")], None);
    phone.answer(&invite, 302, "first", &[("Contact", contacts)], None);
    let best = next(&mut phone);
    // To, From and Call-ID stay, the number and the branch are new, nobody else writes our headers.
    assert_eq!(best.uri.to_string(), "sip:best@example.com");
    assert_eq!(best.headers.get("CSeq"), Some("2 INVITE"));
    for name in ["From", "To", "Call-ID"] {
        assert_eq!(best.headers.get(name), invite.headers.get(name), "{name}");
    }
    assert_eq!(
        (best.headers.get("Subject"), best.headers.get("Route"), best.body.as_slice()),
        (None, None, &b"offer"[..])
    );
    assert_ne!(best.top_via().unwrap().branch(), invite.top_via().unwrap().branch());

    phone.answer(&best, 486, "b", &[], None);
    let also = next(&mut phone);
    assert_eq!((also.uri.to_string(), also.headers.get("CSeq")), ("sip:also@example.com".to_owned(), Some("3 INVITE")));
    // That one redirects too: what was tried is not tried again, what is new takes its place by its quality.
    let more = "<sip:BEST@example.com>;q=0.1, <sip:best@example.com>, <sip:mid@example.com>;q=0.5";
    phone.answer(&also, 301, "c", &[("Contact", more)], None);
    let mid = next(&mut phone);
    assert_eq!(mid.uri.to_string(), "sip:mid@example.com");
    assert_eq!(
        phone.events(),
        [
            "dialing>ringing",
            "progress(180, fork 0)",
            "redirected(sip:best@example.com)",
            "redirected(sip:also@example.com)",
            "redirected(sip:mid@example.com)",
        ]
    );
    phone.answer(&mid, 200, "m", &[("Contact", "<sip:mid@192.0.2.9>")], Some("answer"));
    let ack = phone.request();
    assert_eq!((ack.headers.get("CSeq"), ack.uri.to_string()), (Some("4 ACK"), "sip:mid@192.0.2.9".to_owned()));
    assert_eq!(phone.events(), ["ringing>active", "answered+answer"]);
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    assert_eq!(bye.headers.get("CSeq"), Some("5 BYE"));
    phone.answer(&bye, 200, "m", &[], None);
    phone.assert_idle();
}

#[test]
fn a_circle_ends() {
    let (mut phone, _, mut invite) = following(3, "600");
    for round in 0..3 {
        let contact = format!("<sip:r{round}@example.com>");
        phone.answer(&invite, 302, "x", &[("Contact", &contact), ("Contact", "<sip:600@example.com>")], None);
        invite = next(&mut phone);
    }
    phone.answer(&invite, 302, "x", &[("Contact", "<sip:r9@example.com>")], None);
    assert_eq!(phone.sent(), ["ACK 4"]);
    assert_eq!(phone.events().last().unwrap(), "ended(redirected 302)");
    phone.assert_idle();
}

#[test]
fn what_is_no_call_elsewhere_is_not_followed() {
    for (status, contact) in [
        (305, "<sip:proxy@example.net>"),
        (380, "<sip:other@example.net>"),
        (302, "<sip:600@example.com>"),
        (302, "<http://example.com/>"),
        (302, "<tel:+1>"),
    ] {
        let (mut phone, _, invite) = following(5, "600");
        phone.answer(&invite, status, "x", &[("Contact", contact)], None);
        assert_eq!(phone.sent(), ["ACK 1"], "{status} {contact}");
        assert_eq!(phone.events().last().unwrap(), &format!("ended(redirected {status})"));
    }
    // A secure call stays secure (§8.1.3.4).
    let (mut phone, _, invite) = following(5, "sips:600@example.com");
    phone.answer(&invite, 302, "x", &[("Contact", "<sip:a@example.com>, <sips:b@example.com>;q=0.1")], None);
    assert_eq!(next(&mut phone).uri.to_string(), "sips:b@example.com");
}

#[test]
fn a_refusal_for_all_a_cancel_and_a_lost_connection_end_it() {
    let contacts = &[("Contact", "<sip:a@example.com>, <sip:b@example.com>")];
    let (mut phone, _, invite) = following(5, "600");
    phone.answer(&invite, 300, "x", contacts, None);
    let second = next(&mut phone);
    phone.answer(&second, 603, "x", &[], None);
    assert_eq!(phone.sent(), ["ACK 2"]);
    assert_eq!(phone.events().last().unwrap(), "ended(declined 603)");
    phone.assert_idle();

    let (mut phone, call, invite) = following(5, "600");
    phone.answer(&invite, 100, "x", &[], None);
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.sent(), ["CANCEL 1"]);
    phone.answer(&invite, 302, "x", contacts, None);
    assert_eq!(phone.sent(), ["ACK 1"], "whoever hung up calls nobody");
    assert_eq!(phone.events().last().unwrap(), "ended(cancelled 302)");

    // Silence is a refusal like any other: the next one (§8.1.3.4); the last one's is the end.
    let (mut phone, _, invite) = following(5, "600");
    phone.answer(&invite, 300, "x", contacts, None);
    next(&mut phone);
    phone.advance(Duration::from_secs(32));
    assert_eq!(phone.request().uri.to_string(), "sip:b@example.com");
    phone.advance(Duration::from_secs(32));
    assert_eq!(phone.events().last().unwrap(), "ended(network)");
    phone.assert_idle();

    let (mut phone, _, invite) = following(5, "600");
    phone.answer(&invite, 300, "x", contacts, None);
    next(&mut phone);
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.events().last().unwrap(), "ended(network)");
    phone.assert_idle();
}

#[test]
fn our_own_request_that_comes_back_is_a_loop() {
    let (mut phone, _, ours) = Phone::calling();
    let via = ours.headers.get("Via").unwrap();
    // By our own Via below the proxy's, and, where somebody hid that, by the exchange that runs.
    let back =
        invite("other", "z9hG4bKp1", Some("offer")).replacen("Max-Forwards", &format!("Via: {via}\nMax-Forwards"), 1);
    phone.receive(&back);
    assert_eq!(phone.sent(), ["482 INVITE 1"]);
    let from = ours.headers.get("From").unwrap();
    let back = invite(ours.call_id(), "z9hG4bKp2", Some("offer")).replacen(
        "From: \"Bob\" <sip:bob@example.com>;tag=bob",
        &format!("From: {from}"),
        1,
    );
    phone.receive(&back);
    assert_eq!((phone.sent(), phone.events()), (vec!["482 INVITE 1".to_owned()], vec![]));
    // The last hop: for us it is none too many (§8.2 says nothing of Max-Forwards).
    phone.receive(&invite("in-9", "z9hG4bKp3", Some("offer")).replacen("Max-Forwards: 69", "Max-Forwards: 0", 1));
    assert_eq!((phone.sent(), phone.events()), (vec!["180 INVITE 1".to_owned()], vec!["incoming+offer".to_owned()]));
}
