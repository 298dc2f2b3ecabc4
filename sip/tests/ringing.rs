//! A call rings while its connection goes, or its page: it rings on over the next one, and is answered there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice, brief, invite, request, sdp};
use soft_phone_sip::{Agent, CallState, Error, Flow, Message, Method, Saved, Transport};

/// A phone that rings, and the tag of its 180.
fn ringing() -> (Phone, soft_phone_sip::CallId, String) {
    let (mut phone, call) = Phone::ringing();
    phone.agent.ring(phone.now, call).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.events();
    (phone, call, tag)
}

/// The connection goes, and another one comes after this time.
fn reconnect(phone: &mut Phone, after: Duration) {
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.advance(after);
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
}

#[test]
fn it_rings_on_over_the_next_connection_and_is_answered_there() {
    let (mut phone, call, tag) = ringing();
    reconnect(&mut phone, Duration::from_secs(19));
    assert_eq!(phone.events(), Vec::<String>::new());
    let again = phone.response();
    assert_eq!((again.status, again.to().unwrap().tag()), (180, Some(tag.as_str())), "the dialog that it knows");
    assert_eq!(again.top_via().unwrap().branch(), Some("z9hG4bKin1"), "of the transaction that it knows");
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    assert_eq!(phone.sent(), ["200 INVITE 1"]);
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    assert_eq!(phone.events(), ["incoming>answering", "answering>active", "answered"]);
    // Who is in a conversation is not asked any more.
    phone.advance(Duration::from_secs(60));
    assert_eq!(phone.sent(), Vec::<String>::new());
}

#[test]
fn a_cancel_over_the_next_connection_is_heard() {
    let (mut phone, _, _) = ringing();
    reconnect(&mut phone, Duration::from_secs(1));
    phone.sent();
    phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKin1", 1, "", None));
    assert_eq!(phone.sent(), ["200 CANCEL 1", "487 INVITE 1"]);
    assert_eq!(phone.events(), ["incoming>ending", "ending>ended", "ended(missed)"]);
}

#[test]
fn without_another_connection_it_ends() {
    let (mut phone, call, _) = ringing();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.agent.answer(phone.now, call, sdp("answer")), Err(Error::NotConnected));
    phone.advance(Duration::from_millis(19_999));
    assert_eq!(phone.events(), Vec::<String>::new());
    phone.advance(Duration::from_millis(1));
    assert_eq!(phone.events(), ["incoming>ending", "ending>ended", "ended(network)"]);
    phone.assert_idle();
}

#[test]
fn a_caller_who_has_gone_meanwhile_is_noticed() {
    // Asterisk's words, those of anybody else; and what says nothing of the call.
    let cases = [
        (481, "Call/Transaction Does Not Exist", true),
        (500, "Unhandled by dialog usages", true),
        (500, "Server Internal Error", false),
        (200, "OK", false),
        (405, "Method Not Allowed", false),
    ];
    for (status, reason, ends) in cases {
        let (mut phone, _, tag) = ringing();
        reconnect(&mut phone, Duration::from_secs(1));
        phone.sent();
        phone.advance(Duration::from_secs(4));
        let asked = phone.request();
        assert_eq!((asked.method.as_str(), asked.call_id()), ("OPTIONS", "in-1"));
        assert_eq!(asked.from().unwrap().tag(), Some(tag.as_str()), "in the dialog");
        let mut answer = soft_phone_sip::Response::to_request(&asked, status, Some(reason), None);
        answer.headers.push("Contact", "<sip:carol@192.0.2.3>").unwrap();
        phone.receive_bytes(&answer.to_bytes());
        let told: &[&str] = if ends { &["incoming>ending", "ending>ended", "ended(missed)"] } else { &[] };
        assert_eq!(phone.events(), told, "{status} {reason}");
        assert_eq!(phone.sent().iter().any(|it| it == "487 INVITE 1"), ends, "{status} {reason}");
        // It is asked again, as long as it rings.
        phone.advance(Duration::from_secs(4));
        let asked_again = phone.messages().iter().map(brief).any(|it| it == "OPTIONS 2");
        assert_eq!(asked_again, !ends, "{status} {reason}");
        if ends {
            phone.advance(Duration::from_secs(40));
            phone.assert_idle();
        }
    }
}

#[test]
fn the_next_agent_rings_on() {
    let (mut old, call, tag) = ringing();
    let saved = old.agent.save();
    let text = serde_json::to_string(&saved).unwrap();
    let saved: Saved = serde_json::from_str(&text).unwrap();
    let restore = |saved: &Saved| Agent::restore(old.now, alice(Transport::Wss), [8; 32], saved);
    let agent = restore(&saved).unwrap();
    assert_eq!(agent.save(), saved);
    let mut phone = Phone { agent, now: old.now, flow: Flow(9) };
    let known = phone.agent.get(call).unwrap();
    assert_eq!((known.state(), known.sip_call_id()), (CallState::Incoming, "in-1"));
    assert_eq!(known.remote(), old.agent.get(call).unwrap().remote());
    assert_eq!(known.offered(), Some(&sdp("offer")));
    assert_eq!(phone.agent.answer(phone.now, call, sdp("answer")), Err(Error::NotConnected));
    phone.agent.handle_connected(phone.now, phone.flow);
    assert_eq!((phone.sent(), phone.events()), (vec!["180 INVITE 1".to_owned()], Vec::<String>::new()));
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let Some(Message::Response(answer)) = phone.messages().pop() else { panic!("no answer") };
    assert_eq!((answer.status, answer.to().unwrap().tag()), (200, Some(tag.as_str())));
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 2, &tag, None));
    assert_eq!(phone.events().last().map(String::as_str), Some("ended(remote-hangup)"));
    // What comes next has another name.
    phone.receive(&invite("in-2", "z9hG4bKin2", Some("offer")));
    assert!(phone.agent.calls().next().unwrap().id() > call);

    // For where others may look: without it. And what somebody has written there is refused.
    let bare = saved.clone().only_answered();
    assert_eq!(restore(&bare).unwrap().calls().count(), 0);
    assert!(!serde_json::to_string(&bare).unwrap().contains("z9hG4bKin1"));
    for (from, to) in
        [(tag.as_str(), "a b"), ("\"invite\":[73,", "\"invite\":[32,"), ("\"invite\":[73,", "\"invite\":[0,")]
    {
        let forged = serde_json::from_str::<Saved>(&text.replace(from, to)).unwrap();
        assert!(restore(&forged).is_err(), "{from} for {to}");
    }
    old.agent.hangup(old.now, call).unwrap();
}

#[test]
fn what_has_gone_further_than_ringing_ends_with_its_connection() {
    // A reliable answer has begun: its number is in the network.
    let mut phone = Phone::new(alice(Transport::Wss));
    let text = invite("in-1", "z9hG4bKin1", Some("offer")).replacen('\n', "\nRequire: 100rel\n", 1);
    phone.receive(&text);
    phone.events();
    assert_eq!(phone.agent.calls().count(), 1);
    let call = phone.agent.calls().next().unwrap().id();
    let _ = phone.agent.ring(phone.now, call);
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.events(), ["incoming>ending", "ending>ended", "ended(network)"]);
}

/// Who is called, and calls somebody else meanwhile: the call that rings is the older one.
#[test]
fn a_call_that_rings_longer_than_another_is_spoken_in_is_found_by_the_next_agent() {
    let (mut old, ringing, _) = ringing();
    let talking = old.dial("bob");
    let invite = old.request();
    old.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("answer"));
    assert_eq!(old.events().last().map(String::as_str), Some("answered+answer"));
    let saved = old.agent.save();
    assert!(saved.has(ringing) && saved.has(talking));
    let mut agent = Agent::restore(old.now, alice(Transport::Wss), [8; 32], &saved).unwrap();
    agent.handle_connected(old.now, Flow(9));
    let state = |call| agent.get(call).map(soft_phone_sip::Call::state);
    assert_eq!((state(ringing), state(talking)), (Some(CallState::Incoming), Some(CallState::Active)));
    assert_eq!(agent.save(), saved);
}
