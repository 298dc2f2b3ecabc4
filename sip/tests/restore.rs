//! A page is loaded anew in a call: what the first agent saved, the second goes on with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice, request, sdp};
use soft_phone_sip::{Agent, Body, CallId, CallState, Direction, Error, Flow, Message, Method, Saved, Transport};

const HELD: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n";

/// Through the text that a page keeps.
fn through_text(saved: &Saved) -> Saved {
    let text = serde_json::to_string(saved).unwrap();
    assert!(!text.contains("secret"), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The phone after a reload: another seed, another connection.
fn reloaded(old: &Phone) -> Phone {
    let saved = through_text(&old.agent.save());
    let mut agent = Agent::restore(old.now, alice(Transport::Wss), [8; 32], &saved).unwrap();
    assert_eq!(agent.save(), saved);
    agent.handle_connected(old.now, Flow(9));
    Phone { agent, now: old.now, flow: Flow(9) }
}

#[test]
fn a_call_that_we_made_goes_on() {
    let (mut old, call, invite) = Phone::calling();
    let headers = [
        ("Contact", "<sip:bob@192.0.2.4>"),
        ("Record-Route", "<sip:proxy.example.com;transport=ws;lr>"),
        ("Allow", "INVITE, ACK, BYE, UPDATE"),
        ("Session-Expires", "90;refresher=uac"),
    ];
    old.answer(&invite, 200, "bob", &headers, Some("answer"));
    old.sent();
    old.agent.offer(old.now, call, sdp(HELD)).unwrap();
    let hold = old.request();
    old.answer(&hold, 200, "bob", &[("Session-Expires", "90;refresher=uac")], Some("answer"));
    old.sent();

    let mut phone = reloaded(&old);
    assert_eq!(phone.events(), ["recover"]);
    let known = phone.agent.get(call).unwrap();
    assert_eq!((known.state(), known.direction()), (CallState::Held, Direction::Outbound));
    assert_eq!((known.sip_call_id(), known.allows(&Method::Update)), (invite.call_id(), true));

    phone.agent.offer(phone.now, call, sdp("again")).unwrap();
    let again = phone.request();
    assert_eq!((again.call_id(), again.cseq().unwrap().seq), (invite.call_id(), 3));
    assert_eq!(
        (again.headers.get("From"), again.uri.to_string()),
        (hold.headers.get("From"), "sip:bob@192.0.2.4".to_owned())
    );
    assert_eq!(
        (again.headers.get("To"), again.headers.get("Route")),
        (hold.headers.get("To"), hold.headers.get("Route"))
    );
    assert_eq!(again.headers.get("Contact"), invite.headers.get("Contact"), "the same name as before");
    phone.answer(&again, 200, "bob", &[("Session-Expires", "90;refresher=uac")], Some("answer"));
    assert_eq!(
        (phone.sent(), phone.events()),
        (vec!["ACK 3".to_owned()], vec!["answer".to_owned(), "held>active".to_owned()])
    );
    // The session is refreshed as before, and ends as before.
    phone.advance(Duration::from_secs(45));
    assert_eq!(phone.sent(), ["UPDATE 4"]);
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    phone.answer(&bye, 200, "bob", &[], None);
    phone.assert_idle();
}

#[test]
fn a_call_that_came_in_goes_on() {
    let (mut old, call) = Phone::ringing();
    old.agent.answer(old.now, call, sdp("answer")).unwrap();
    let tag = old.response().to().unwrap().tag().unwrap().to_owned();
    old.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    old.events();

    let mut phone = reloaded(&old);
    assert_eq!(phone.events(), ["recover"]);
    // The other end hangs up by the dialog that it knows.
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 2, &tag, None));
    assert_eq!(phone.sent(), ["200 BYE 2"]);
    assert_eq!(phone.events(), ["active>ending", "ending>ended", "ended(remote-hangup)"]);
    // What comes next has another name.
    phone.receive(&phone::invite("in-2", "z9hG4bKin2", Some("offer")));
    assert!(phone.agent.calls().next().unwrap().id() > call);
}

#[test]
fn the_registration_goes_on_counting() {
    let mut old = Phone::new(alice(Transport::Wss));
    old.agent.register(old.now).unwrap();
    let first = old.request();
    let mut phone = reloaded(&old);
    phone.agent.register(phone.now).unwrap();
    let second = phone.request();
    assert_eq!((second.call_id(), second.cseq().unwrap().seq), (first.call_id(), 2));
    assert_eq!(second.headers.get("Contact"), first.headers.get("Contact"));
}

#[test]
fn subscriptions_are_made_anew_under_the_same_name() {
    let mut old = Phone::new(alice(Transport::Wss));
    let lamp = old.agent.subscribe(old.now, "102", "dialog", "application/dialog-info+xml").unwrap();
    let gone = old.agent.subscribe(old.now, "103", "presence", "").unwrap();
    let Message::Request(first) = old.messages().remove(0) else { panic!("no request") };
    old.agent.unsubscribe(old.now, gone).unwrap();
    let mut phone = reloaded(&old);
    let second = phone.request();
    assert_eq!(
        (second.headers.get("Event"), second.headers.get("Accept")),
        (Some("dialog"), Some("application/dialog-info+xml"))
    );
    assert_eq!(second.to().unwrap().uri, first.to().unwrap().uri);
    assert_ne!(second.call_id(), first.call_id(), "a dialog of its own");
    phone.agent.unsubscribe(phone.now, lamp).unwrap();
}

#[test]
fn a_call_of_ours_that_is_not_answered_is_not_taken_along() {
    let (old, _, _) = Phone::calling();
    assert_eq!(reloaded(&old).agent.calls().count(), 0);
}

#[test]
fn what_was_tampered_with_is_refused() {
    let (old, call, _) = Phone::in_call();
    let text = serde_json::to_string(&old.agent.save()).unwrap();
    let restore = |text: &str| {
        let saved: Saved = serde_json::from_str(text).unwrap();
        Agent::restore(old.now, alice(Transport::Wss), [8; 32], &saved).map(|agent| agent.get(CallId(call.0)).is_some())
    };
    assert_eq!(restore(&text), Ok(true));
    for (from, to) in [
        ("\"version\":2", "\"version\":1"),
        ("sip:alice@example.com\",\"sent_by", "sip:eve@example.com\",\"sent_by"),
        ("sip:bob@192.0.2.4", "sip:bob@192.0.2.4\\r\\nX: y"),
        ("\"local_seq\":1", "\"local_seq\":4294967295"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        assert!(
            matches!(restore(&text.replace(from, to)), Err(Error::Malformed { .. } | Error::Injection { .. })),
            "{to}"
        );
    }
}

#[test]
fn a_publication_goes_on_under_the_name_that_the_server_gave_it() {
    let mut old = Phone::new(alice(Transport::Wss));
    let body = || Body { content_type: "application/pidf+xml".to_owned(), bytes: b"open".to_vec() };
    let hour = Duration::from_secs(3_600);
    let kept = old.agent.publish(old.now, "presence", body(), hour).unwrap();
    let first = old.request();
    old.answer(&first, 200, "pua", &[("SIP-ETag", "dx200xyz"), ("Expires", "1800")], None);
    let open = old.agent.publish(old.now, "x-other", body(), hour).unwrap();
    old.request();
    let taken_back = old.agent.publish(old.now, "x-gone", body(), hour).unwrap();
    let third = old.request();
    old.answer(&third, 200, "pua", &[("SIP-ETag", "e3")], None);
    old.agent.unpublish(old.now, taken_back).unwrap();
    old.messages();

    let mut phone = reloaded(&old);
    let sent = phone.messages();
    let [Message::Request(refresh), Message::Request(anew)] = sent.as_slice() else { panic!("{sent:?}") };
    // RFC 3903 §4.3: a refresh has no body. What may not have arrived is published anew.
    assert_eq!((refresh.headers.get("SIP-If-Match"), refresh.body.as_slice()), (Some("dx200xyz"), b"".as_slice()));
    assert_eq!((anew.headers.get("SIP-If-Match"), anew.body.as_slice()), (None, b"open".as_slice()));
    // The server has forgotten it meanwhile: again with the body.
    phone.answer(refresh, 412, "pua", &[], None);
    let again = phone.request();
    assert_eq!((again.headers.get("SIP-If-Match"), again.body.as_slice()), (None, b"open".as_slice()));
    phone.answer(&again, 200, "pua", &[("SIP-ETag", "e4")], None);
    phone.answer(anew, 200, "pua", &[("SIP-ETag", "e5")], None);
    phone.raw_events();
    for id in [kept, open] {
        phone.agent.unpublish(phone.now, id).unwrap();
        let end = phone.request();
        assert_eq!(end.headers.get("Expires"), Some("0"));
        phone.answer(&end, 200, "pua", &[], None);
    }
    assert_eq!(phone.agent.unpublish(phone.now, taken_back), Err(Error::UnknownSubscription));
    phone.assert_idle();
    // Of an agent that did not save any.
    let text = serde_json::to_string(&phone.agent.save()).unwrap().replace(",\"publications\":[]", "");
    assert!(serde_json::from_str::<Saved>(&text).is_ok());
}

#[test]
fn a_page_that_goes_takes_along_what_stands_and_ends_the_rest() {
    let (mut old, call, invite) = Phone::calling();
    let offer = "v=0\r\na=ice-ufrag:u\r\na=ice-pwd:0123456789012345678901\r\n";
    old.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some(offer));
    old.sent();
    old.receive(&phone::invite("in-2", "z9hG4bKin2", Some("offer")));
    old.agent.subscribe(old.now, "102", "dialog", "application/dialog-info+xml").unwrap();
    old.sent();
    old.events();

    let saved = old.agent.hand_over(old.now);
    let sent = old.sent();
    assert!(sent.iter().any(|line| line.starts_with("480 INVITE")), "{sent:?}");
    assert!(!sent.iter().any(|line| line.starts_with("BYE") || line.starts_with("REGISTER")), "{sent:?}");
    let text = serde_json::to_string(&saved).unwrap();
    assert!(text.contains("ice-ufrag") && !text.contains("ice-pwd"), "{text}");
    let mut phone = Phone {
        agent: Agent::restore(old.now, alice(Transport::Wss), [8; 32], &through_text(&saved)).unwrap(),
        now: old.now,
        flow: Flow(9),
    };
    phone.agent.handle_connected(phone.now, Flow(9));
    assert_eq!((phone.events(), phone.sent()), (vec!["recover".to_owned()], Vec::<String>::new()));
    assert_eq!(phone.agent.calls().map(soft_phone_sip::Call::id).collect::<Vec<_>>(), [call]);
}
