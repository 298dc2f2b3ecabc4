//! An INVITE that a proxy sent to several phones: many early dialogs, one call (RFC 3261 §12.1, §13.2.2.4).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use phone::{Phone, sdp};
use soft_phone_sip::{CallState, Event, Message, Method};

const DESK: &[(&str, &str)] = &[("Contact", "<sip:desk@192.0.2.4>"), ("Record-Route", "<sip:p1.example.com;lr>")];
const MOBILE: &[(&str, &str)] = &[("Contact", "<sip:mobile@192.0.2.5>"), ("Record-Route", "<sip:p2.example.com;lr>")];

#[test]
fn each_phone_that_rings_has_its_own_early_session() {
    let (mut phone, call, invite) = Phone::calling();
    phone.answer(&invite, 180, "desk", DESK, None);
    phone.answer(&invite, 183, "mobile", MOBILE, Some("early"));
    phone.answer(&invite, 180, "desk", DESK, None);
    phone.answer(&invite, 200, "mobile", MOBILE, Some("answer"));
    assert_eq!(phone.sent(), ["ACK 1"]);
    let events = phone.raw_events();
    let short: Vec<_> = events.iter().map(phone::brief_event).collect();
    assert_eq!(
        short[..6],
        [
            "dialing>ringing",
            "progress(180, fork 0)",
            "ringing>early",
            "progress(183+answer, fork 1)",
            "progress(180, fork 0)",
            "early>active",
        ]
    );
    assert_eq!(events.last(), Some(&Event::Answered { call, answer: Some(sdp("answer")), fork: 1 }));
}

#[test]
fn the_second_answer_is_acknowledged_and_ended_in_its_own_dialog() {
    let (mut phone, call, invite) = Phone::calling();
    phone.answer(&invite, 180, "desk", DESK, None);
    phone.answer(&invite, 180, "mobile", MOBILE, None);
    phone.answer(&invite, 200, "desk", DESK, Some("answer"));
    let ack_desk = phone.request();
    phone.events();

    phone.answer(&invite, 200, "mobile", MOBILE, Some("other answer"));
    let messages = phone.messages();
    let [Message::Request(ack), Message::Request(bye)] = messages.as_slice() else { panic!("{messages:?}") };
    for (request, method, seq) in [(ack, Method::Ack, "1 ACK"), (bye, Method::Bye, "2 BYE")] {
        assert_eq!((&request.method, request.headers.get("CSeq")), (&method, Some(seq)));
        assert_eq!(request.to().unwrap().tag(), Some("mobile"));
        assert_eq!(request.uri.to_string(), "sip:mobile@192.0.2.5");
        assert_eq!(request.headers.get("Route"), Some("<sip:p2.example.com;lr>"));
    }
    assert_eq!(phone.events(), Vec::<String>::new(), "the call does not notice");
    assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active);

    // Both repeat their answers: each gets its own ACK again, and no second BYE.
    phone.answer(&invite, 200, "mobile", MOBILE, Some("other answer"));
    assert_eq!(phone.request(), *ack);
    phone.answer(&invite, 200, "desk", DESK, Some("answer"));
    assert_eq!(phone.request(), ack_desk);
    phone.answer(bye, 200, "mobile", &[], None);

    // The live call is hung up in its own dialog.
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    assert_eq!((bye.to().unwrap().tag(), bye.uri.to_string().as_str()), (Some("desk"), "sip:desk@192.0.2.4"));
    phone.answer(&bye, 200, "desk", &[], None);
    assert_eq!(phone.events().last().unwrap(), "ended(local-hangup)");
    phone.assert_idle();
}

#[test]
fn an_answer_after_the_call_is_over_is_still_ended() {
    let (mut phone, call, invite) = Phone::calling();
    phone.answer(&invite, 200, "desk", DESK, Some("answer"));
    phone.sent();
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    phone.answer(&bye, 200, "desk", &[], None);
    assert_eq!(phone.agent.calls().count(), 0);
    phone.events();
    phone.answer(&invite, 200, "mobile", MOBILE, Some("answer"));
    assert_eq!(phone.sent(), ["ACK 1", "BYE 2"]);
    phone.answer(&invite, 200, "desk", DESK, Some("answer"));
    assert_eq!(phone.sent(), ["ACK 1"]);
    assert_eq!(phone.events(), Vec::<String>::new());
    phone.assert_idle();
}

#[test]
fn a_proxy_that_forks_without_end_is_not_followed() {
    let (mut phone, _, invite) = Phone::calling();
    for n in 0..100 {
        phone.answer(&invite, 180, &format!("phone{n}"), DESK, None);
    }
    assert_eq!(phone.events().len(), 17, "one move and sixteen forks");
    for n in 0..200 {
        phone.answer(&invite, 200, &format!("phone{n}"), DESK, Some("answer"));
    }
    assert_eq!(phone.agent.calls().count(), 1);
    assert!(phone.agent.live()[3] <= 64 + 200);
}

#[test]
fn the_answer_that_comes_again_ends_no_call_however_many_were_made_since() {
    let (mut phone, call, invite) = Phone::in_call();
    for _ in 0..100 {
        let other = phone.dial("601");
        let invite = phone.request();
        phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("answer"));
        phone.agent.hangup(phone.now, other).unwrap();
        let bye = phone.messages().into_iter().find_map(|message| match message {
            Message::Request(request) if request.method == Method::Bye => Some(request),
            _ => None,
        });
        phone.answer(&bye.unwrap(), 200, "bob", &[], None);
        phone.events();
    }
    phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("answer"));
    assert_eq!(phone.sent(), ["ACK 1"]);
    assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active);
}
