//! CANCEL from both sides, and what crosses it (RFC 3261 §9).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, request, sdp};
use soft_phone_sip::{Cause, Event, Message, Method};

#[test]
fn hanging_up_before_any_answer_waits_for_a_provisional_one() {
    let (mut phone, call, invite) = Phone::calling();
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["dialing>ending".to_owned()]));
    phone.answer(&invite, 100, "", &[], None);
    let cancel = phone.request();
    assert_eq!(cancel.method, Method::Cancel);
    assert_eq!(cancel.top_via().unwrap().branch(), invite.top_via().unwrap().branch());
    phone.answer(&cancel, 200, "bob", &[], None);
    phone.answer(&invite, 180, "bob", &[], Some("too late"));
    assert_eq!(phone.events(), Vec::<String>::new());
    phone.answer(&invite, 487, "bob", &[], None);
    assert_eq!(phone.sent(), ["ACK 1"]);
    assert_eq!(phone.events(), ["ending>ended", "ended(cancelled 487)"]);
    phone.assert_idle();
}

#[test]
fn a_refusal_that_overtakes_the_cancel_ends_the_call() {
    let (mut phone, call, invite) = Phone::calling();
    phone.agent.hangup(phone.now, call).unwrap();
    phone.answer(&invite, 486, "bob", &[], None);
    assert_eq!(phone.sent(), ["ACK 1"], "no CANCEL after a final answer");
    assert_eq!(phone.events(), ["dialing>ending", "ending>ended", "ended(cancelled 486)"]);
    phone.assert_idle();
}

#[test]
fn a_challenge_after_hanging_up_is_not_answered() {
    let (mut phone, call, invite) = Phone::calling();
    phone.agent.hangup(phone.now, call).unwrap();
    phone.answer(&invite, 401, "x", &[("WWW-Authenticate", r#"Digest realm="pbx", nonce="n""#)], None);
    assert_eq!(phone.sent(), ["ACK 1"]);
    assert_eq!(phone.events().last().unwrap(), "ended(cancelled 401)");
    phone.assert_idle();
}

#[test]
fn an_answer_that_crosses_our_cancel_is_acknowledged_and_ended() {
    for provisional in [false, true] {
        let (mut phone, call, invite) = Phone::calling();
        if provisional {
            phone.answer(&invite, 180, "bob", &[], None);
        }
        phone.agent.hangup(phone.now, call).unwrap();
        phone.sent();
        phone.events();
        phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("answer"));
        let messages = phone.messages();
        let [Message::Request(ack), Message::Request(bye)] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!((&ack.method, &bye.method), (&Method::Ack, &Method::Bye));
        assert_eq!(bye.to().unwrap().tag(), Some("bob"));
        phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("answer"));
        assert_eq!(phone.sent(), ["ACK 1"], "acknowledged again, ended once");
        assert_eq!(phone.events(), Vec::<String>::new());
        phone.answer(bye, 200, "bob", &[], None);
        assert_eq!(phone.events(), ["ending>ended", "ended(cancelled)"]);
        phone.assert_idle();
    }
}

#[test]
fn a_cancelled_call_ends_even_if_nobody_says_so() {
    let (mut phone, call, invite) = Phone::calling();
    phone.answer(&invite, 180, "bob", &[], None);
    phone.agent.hangup(phone.now, call).unwrap();
    phone.advance(Duration::from_secs(33));
    assert_eq!(phone.events()[2..], ["ringing>ending", "ending>ended", "ended(cancelled)"]);
    phone.assert_idle();
}

#[test]
fn a_caller_that_gives_up_leaves_a_missed_call() {
    let (mut phone, _) = Phone::ringing();
    phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKin1", 1, "", None));
    assert_eq!(phone.sent(), ["200 CANCEL 1", "487 INVITE 1"]);
    assert_eq!(phone.events(), ["incoming>ending", "ending>ended", "ended(missed)"]);
    phone.assert_idle();
}

#[test]
fn a_call_answered_elsewhere_is_not_missed() {
    for (reason, cause, text) in [
        ("SIP;cause=200;text=\"Call completed elsewhere\"", Cause::AnsweredElsewhere, Some("Call completed elsewhere")),
        ("Q.850;cause=16, SIP ; cause = 200", Cause::AnsweredElsewhere, None),
        ("SIP;cause=486", Cause::Missed, None),
        ("Q.850;cause=200", Cause::Missed, None),
        ("nonsense;;=;cause", Cause::Missed, None),
    ] {
        let (mut phone, call) = Phone::ringing();
        let cancel = request(Method::Cancel, "in-1", "z9hG4bKin1", 1, "", None);
        phone.receive(&cancel.replacen("Contact:", &format!("Reason: {reason}\nContact:"), 1));
        let end = Event::Ended { call, cause, status: None, reason: text.map(str::to_owned) };
        assert_eq!(phone.raw_events().last(), Some(&end), "{reason}");
    }
}

#[test]
fn a_cancel_that_crosses_our_answer_changes_nothing() {
    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKin1", 1, "", None));
    assert_eq!(phone.sent(), ["200 CANCEL 1"]);
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    assert_eq!(phone.events(), ["incoming>answering", "answering>active", "answered"]);
}

#[test]
fn both_answers_to_a_cancel_have_the_tag_of_the_ringing() {
    let (mut phone, _) = Phone::ringing();
    phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKin1", 1, "", None));
    let tags: Vec<_> =
        phone.messages().iter().map(|message| message.headers().to().unwrap().tag().unwrap().to_owned()).collect();
    assert_eq!(tags.len(), 2);
    assert_eq!(tags[0], tags[1]);
}

#[test]
fn a_cancel_of_nothing_gets_481() {
    let (mut phone, _) = Phone::ringing();
    phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKother", 1, "", None));
    assert_eq!(phone.sent(), ["481 CANCEL 1"]);
    assert_eq!(phone.events(), Vec::<String>::new());
}
