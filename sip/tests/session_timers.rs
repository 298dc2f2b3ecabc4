//! Session timers (RFC 4028): who refreshes, how, and the end of a session that nobody refreshes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice, invite, request, sdp};
use soft_phone_sip::{CallId, Event, Method, Transport};

/// What Bob's 200 says besides.
fn called(headers: &[(&str, &str)]) -> (Phone, CallId) {
    let (mut phone, call, invite) = Phone::calling();
    assert_eq!(invite.headers.get("Session-Expires"), Some("1800"));
    assert!(invite.headers.lists("Supported", "timer"));
    let mut all = vec![("Contact", "<sip:bob@192.0.2.4>")];
    all.extend_from_slice(headers);
    phone.answer(&invite, 200, "bob", &all, Some("answer"));
    phone.sent();
    phone.events();
    (phone, call)
}

/// Alice's 200 to an INVITE with those header lines, and what comes of it.
fn answered(lines: &str) -> (Phone, CallId, soft_phone_sip::Response) {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.receive(&invite("in-1", "z9hG4bK1", Some("offer")).replacen("Contact:", &format!("{lines}Contact:"), 1));
    assert_eq!(phone.sent(), ["180 INVITE 1"]);
    phone.events();
    let call = phone.agent.calls().next().unwrap().id();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let ok = phone.response();
    let tag = ok.to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    phone.events();
    (phone, call, ok)
}

#[test]
fn without_the_header_in_the_answer_there_is_no_end() {
    let (mut phone, _) = called(&[]);
    assert!(phone.timeline(Duration::from_secs(86_400)).is_empty());
}

#[test]
fn we_refresh_at_half_time_by_update_where_it_is_allowed() {
    let (mut phone, _) =
        called(&[("Allow", "INVITE, UPDATE"), ("Session-Expires", "90;refresher=uac"), ("Require", "timer")]);
    for seq in 2..5 {
        phone.advance(Duration::from_millis(44_999));
        assert_eq!(phone.sent(), Vec::<String>::new());
        phone.advance(Duration::from_millis(1));
        let refresh = phone.request();
        assert_eq!((refresh.method.clone(), refresh.cseq().unwrap().seq, refresh.body.len()), (Method::Update, seq, 0));
        assert_eq!(refresh.headers.get("Session-Expires"), Some("90;refresher=uac"));
        phone.answer(&refresh, 200, "bob", &[("Session-Expires", "90;refresher=uac")], None);
        assert_eq!(phone.events(), Vec::<String>::new(), "a refresh is not seen");
    }
}

#[test]
fn we_refresh_by_the_same_description_where_update_is_not_allowed() {
    let (mut phone, _) = called(&[("Session-Expires", "90;refresher=uac")]);
    phone.advance(Duration::from_secs(45));
    let refresh = phone.request();
    assert_eq!((refresh.method.clone(), refresh.body.as_slice()), (Method::Invite, b"offer".as_slice()));
    phone.answer(&refresh, 200, "bob", &[("Session-Expires", "90;refresher=uac")], Some("answer"));
    assert_eq!((phone.sent(), phone.events()), (vec!["ACK 2".to_owned()], vec![]));
    // The peer answers with something new: that is told.
    phone.advance(Duration::from_secs(45));
    let refresh = phone.request();
    phone.answer(&refresh, 200, "bob", &[("Session-Expires", "90;refresher=uac")], Some("another"));
    assert_eq!(phone.events(), ["answer"]);
}

#[test]
fn an_update_that_is_not_known_after_all_is_followed_by_a_reinvite() {
    let (mut phone, _) = called(&[("Allow", "INVITE, UPDATE"), ("Session-Expires", "90;refresher=uac")]);
    phone.advance(Duration::from_secs(45));
    let refresh = phone.request();
    phone.answer(&refresh, 501, "bob", &[], None);
    assert_eq!((phone.sent(), phone.events()), (vec!["INVITE 3".to_owned()], vec![]));
}

#[test]
fn a_session_that_the_peer_does_not_refresh_ends_a_third_before_its_time() {
    let (mut phone, _) = called(&[("Session-Expires", "90;refresher=uas")]);
    // §10: min(32 s, a third) before the end.
    assert_eq!(phone.timeline(Duration::from_secs(61)), [(60_000, "BYE 2".to_owned())]);
    assert_eq!(phone.events(), ["active>ending"]);
}

#[test]
fn the_peers_refresh_keeps_the_session() {
    let (mut phone, _, ok) = answered("Supported: timer\nSession-Expires: 90\n");
    // Table 2: the caller is asked to, and must know of it.
    assert_eq!(ok.headers.get("Session-Expires"), Some("90;refresher=uac"));
    assert!(ok.headers.lists("Require", "timer"));
    let tag = ok.to().unwrap().tag().unwrap().to_owned();
    for seq in 2..5 {
        assert!(phone.timeline(Duration::from_secs(50)).is_empty());
        let update = request(Method::Update, "in-1", &format!("z9hG4bKu{seq}"), seq, &tag, None);
        phone.receive(&update.replacen("Contact:", "Supported: timer\nSession-Expires: 90;refresher=uac\nContact:", 1));
        let kept = phone.response();
        assert_eq!((kept.status, kept.headers.get("Session-Expires")), (200, Some("90;refresher=uac")));
    }
    assert_eq!(phone.timeline(Duration::from_secs(61)), [(60_000, "BYE 1".to_owned())]);
}

#[test]
fn who_refreshes_is_said_by_the_caller_or_follows_from_what_it_knows() {
    let of = |lines: &str| {
        let (_, _, ok) = answered(lines);
        let required = ok.headers.lists("Require", "timer");
        (ok.headers.get("Session-Expires").map(str::to_owned), required)
    };
    assert_eq!(of("Supported: timer\nSession-Expires: 600;refresher=uas\n"), (Some("600;refresher=uas".into()), false));
    assert_eq!(of("Supported: timer\nSession-Expires: 600;refresher=uac\n"), (Some("600;refresher=uac".into()), true));
    // A proxy wants it, the caller does not know what it is.
    assert_eq!(of("Session-Expires: 600\n"), (Some("600;refresher=uas".into()), false));
    // We ask for it where nobody did.
    assert_eq!(of("Supported: timer\n"), (Some("1800;refresher=uac".into()), true));
    assert_eq!(of("Supported: timer\nMin-SE: 3600\n"), (Some("3600;refresher=uac".into()), true));
    assert_eq!(of(""), (None, false));
}

#[test]
fn too_short_a_session_is_refused_and_too_short_a_wish_is_mended() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let short = invite("in-1", "z9hG4bK1", Some("offer"));
    phone.receive(&short.replacen("Contact:", "Supported: timer\nSession-Expires: 50\nContact:", 1));
    let refusal = phone.response();
    assert_eq!((refusal.status, refusal.headers.get("Min-SE"), phone.events().len()), (422, Some("90"), 0));

    // RFC 4028 §12: Alice asks for less than a proxy wants, then for less than Bob wants.
    let (mut phone, call, first) = Phone::calling();
    phone.answer(&first, 422, "proxy", &[("Min-SE", "3600")], None);
    let messages = phone.messages();
    assert_eq!(messages.iter().map(phone::brief).collect::<Vec<_>>(), ["ACK 1", "INVITE 2"]);
    let soft_phone_sip::Message::Request(second) = messages[1].clone() else { panic!("no request") };
    assert_eq!(second.call_id(), first.call_id());
    assert_eq!((second.headers.get("Session-Expires"), second.headers.get("Min-SE")), (Some("3600"), Some("3600")));
    phone.answer(&second, 422, "bob", &[("Min-SE", "4000")], None);
    let messages = phone.messages();
    let soft_phone_sip::Message::Request(third) = messages[1].clone() else { panic!("no request") };
    assert_eq!((third.cseq().unwrap().seq, third.headers.get("Session-Expires")), (3, Some("4000")));
    assert_eq!(phone.events(), Vec::<String>::new(), "nobody hears of that");
    // The same wish again is no reason to go on for ever.
    phone.answer(&third, 422, "bob", &[("Min-SE", "4000")], None);
    phone.sent();
    assert!(
        matches!(phone.raw_events().last(), Some(Event::Ended { call: ended, status: Some(422), .. }) if *ended == call)
    );
}

#[test]
fn a_refresh_that_waits_for_a_connection_leaves_with_the_next() {
    let (mut phone, _) = called(&[("Allow", "UPDATE"), ("Session-Expires", "90;refresher=uac")]);
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.advance(Duration::from_secs(47));
    phone.agent.handle_connected(phone.now, phone.flow);
    phone.sent();
    phone.advance(Duration::from_secs(5));
    // The number of the one that could not leave is lost (RFC 3261 §12.2.1.1 lets it).
    assert_eq!(phone.sent(), ["UPDATE 3"]);
}
