//! Offers before a call is answered, by UPDATE of both ends after a 183 that was acknowledged (RFC 3311 §5, RFC 6337 §3.1),
//! message for message, and over a network that loses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/party.rs"]
mod party;
#[path = "common/phone.rs"]
mod phone;

use party::{Party, sdp};
use phone::{Phone, alice, invite, request};
use soft_phone_sip::{
    Body, CallId, CallOptions, CallState, Error, Event, Message, Method, Request, Response, Transport,
};

const ALICE: usize = 0;
const BOB: usize = 1;

/// Alice has called Bob, and hears his early media: a reliable 183 with the answer, acknowledged.
fn early(loss: u64, seed: u64) -> (Party, CallId, CallId) {
    let mut party = Party::with(2, loss, seed, |config| config.auto_ring = false);
    let now = party.now;
    let options = CallOptions::default();
    let alice = party.agents[ALICE].call(now, "sip:bob@example.com", sdp(1, "sendrecv"), options).unwrap();
    party.until(BOB, |event| matches!(event, Event::Incoming { .. }));
    let bob = party.last_call(BOB);
    party.agents[BOB].progress(party.now, bob, 183, Some(sdp(1, "sendrecv"))).unwrap();
    party.until(ALICE, |event| matches!(event, Event::Progress { status: 183, .. }));
    (party, alice, bob)
}

/// The direction of the description of an event that has one.
fn direction(body: &Body) -> String {
    let text = String::from_utf8(body.bytes.clone()).unwrap();
    text.lines().rev().find_map(|line| line.strip_prefix("a=")).unwrap().to_owned()
}

fn offered(events: &[Event]) -> String {
    let of = |event: &Event| match event {
        Event::Offer { offer, .. } => offer.as_ref().map(direction),
        _ => None,
    };
    events.iter().find_map(of).unwrap()
}

fn answered(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| match event {
        Event::Answer { answer, .. } => Some(direction(answer)),
        _ => None,
    })
}

/// Bob answers; both are in the call and hang up again.
fn answer_and_end(party: &mut Party, alice: CallId, bob: CallId) -> Vec<String> {
    party.agents[BOB].answer(party.now, bob, sdp(9, "sendrecv")).unwrap();
    party.until(BOB, |event| matches!(event, Event::Answered { .. }));
    let states = [party.state(ALICE, alice), party.state(BOB, bob)];
    assert_eq!(states, [Some(CallState::Active); 2]);
    let flow = std::mem::take(&mut party.log);
    party.agents[ALICE].hangup(party.now, alice).unwrap();
    party.assert_idle();
    flow
}

#[test]
fn the_called_end_offers() {
    let (mut party, alice, bob) = early(0, 1);
    party.log.clear();
    // The 183 is not acknowledged yet: the offer waits for that.
    party.agents[BOB].offer(party.now, bob, sdp(2, "recvonly")).unwrap();
    let events = party.until(ALICE, |event| matches!(event, Event::Offer { .. }));
    assert_eq!(offered(&events), "recvonly");
    let update = party.request("UPDATE");
    assert!(update.headers.get("Contact").is_some() && update.to().unwrap().tag().is_some());
    party.agents[ALICE].accept_offer(party.now, alice, sdp(2, "sendonly")).unwrap();
    let events = party.until(BOB, |event| matches!(event, Event::Answer { .. }));
    assert_eq!(answered(&events).as_deref(), Some("sendonly"));
    let expected = ["bob > alice: 200 PRACK", "bob > alice: UPDATE", "alice > bob: 200 UPDATE"];
    assert_eq!(party.flow(), expected);
    // The 200 to the INVITE has no description: the answer was in the 183 (RFC 3261 §13.2.1).
    let flow = answer_and_end(&mut party, alice, bob);
    assert_eq!(flow, ["bob > alice: 200 INVITE", "alice > bob: ACK"]);
    let accepted = party.messages.iter().find_map(|message| match message {
        Message::Response(response) if response.cseq().unwrap().method == Method::Invite => Some(response.clone()),
        _ => None,
    });
    assert_eq!(accepted.unwrap().body, b"");
}

#[test]
fn the_calling_end_offers() {
    let (mut party, alice, bob) = early(0, 1);
    party.run(100);
    party.events(BOB);
    party.log.clear();
    party.agents[ALICE].offer(party.now, alice, sdp(2, "sendonly")).unwrap();
    let events = party.until(BOB, |event| matches!(event, Event::Offer { .. }));
    assert_eq!(offered(&events), "sendonly");
    // The call is not answered by that.
    assert_eq!(party.state(BOB, bob), Some(CallState::Incoming));
    party.agents[BOB].accept_offer(party.now, bob, sdp(2, "recvonly")).unwrap();
    let events = party.until(ALICE, |event| matches!(event, Event::Answer { .. }));
    assert_eq!(answered(&events).as_deref(), Some("recvonly"));
    assert_eq!(party.flow(), ["alice > bob: UPDATE", "bob > alice: 200 UPDATE"]);
    // Alice holds Bob from the first moment on.
    party.agents[BOB].answer(party.now, bob, sdp(9, "sendrecv")).unwrap();
    let events = party.until(BOB, |event| matches!(event, Event::RemoteHold { .. }));
    assert!(events.iter().any(|event| matches!(event, Event::RemoteHold { held: true, .. })));
    assert_eq!(party.state(ALICE, alice), Some(CallState::Held));
    party.agents[BOB].hangup(party.now, bob).unwrap();
    party.assert_idle();
}

#[test]
fn a_200_waits_for_the_answer_to_an_offer() {
    // Bob picks up while Alice's offer waits for him.
    let (mut party, alice, bob) = early(0, 1);
    party.run(100);
    party.agents[ALICE].offer(party.now, alice, sdp(2, "sendrecv")).unwrap();
    party.until(BOB, |event| matches!(event, Event::Offer { .. }));
    party.log.clear();
    party.agents[BOB].answer(party.now, bob, sdp(2, "sendrecv")).unwrap();
    party.run(100);
    assert_eq!((party.log.len(), party.state(BOB, bob)), (0, Some(CallState::Answering)));
    party.agents[BOB].accept_offer(party.now, bob, sdp(2, "sendrecv")).unwrap();
    let expected = ["bob > alice: 200 UPDATE", "bob > alice: 200 INVITE", "alice > bob: ACK"];
    assert_eq!(party.flow(), expected);
    assert_eq!([party.state(ALICE, alice), party.state(BOB, bob)], [Some(CallState::Active); 2]);

    // And while his own waits for Alice.
    let (mut party, alice, bob) = early(0, 2);
    party.run(100);
    party.agents[BOB].offer(party.now, bob, sdp(2, "sendrecv")).unwrap();
    party.until(ALICE, |event| matches!(event, Event::Offer { .. }));
    party.log.clear();
    party.agents[BOB].answer(party.now, bob, sdp(2, "sendrecv")).unwrap();
    party.run(100);
    assert_eq!(party.log.len(), 0);
    party.agents[ALICE].reject_offer(party.now, alice, 488).unwrap();
    let expected = ["alice > bob: 488 UPDATE", "bob > alice: 200 INVITE", "alice > bob: ACK"];
    assert_eq!(party.flow(), expected);
    let failed = |event: &Event| matches!(event, Event::OfferFailed { status: Some(488), .. });
    assert!(party.events(BOB).iter().any(failed));
    assert_eq!([party.state(ALICE, alice), party.state(BOB, bob)], [Some(CallState::Active); 2]);
    party.agents[BOB].hangup(party.now, bob).unwrap();
    party.assert_idle();
}

#[test]
fn offers_that_meet_before_the_answer_are_tried_again() {
    let (mut party, alice, bob) = early(0, 1);
    party.run(100);
    for side in [ALICE, BOB] {
        party.events(side);
    }
    party.log.clear();
    party.agents[ALICE].offer(party.now, alice, sdp(2, "sendrecv")).unwrap();
    party.agents[BOB].offer(party.now, bob, sdp(2, "sendrecv")).unwrap();
    party.run(50);
    let mut log = std::mem::take(&mut party.log);
    log.sort();
    let expected = ["alice > bob: 491 UPDATE", "alice > bob: UPDATE", "bob > alice: 491 UPDATE", "bob > alice: UPDATE"];
    assert_eq!(log, expected);
    // RFC 3261 §14.1: Bob, who does not own the Call-ID, is back first; Alice gives hers back.
    party.until(ALICE, |event| matches!(event, Event::Offer { .. }));
    party.agents[ALICE].accept_offer(party.now, alice, sdp(3, "sendrecv")).unwrap();
    party.until(BOB, |event| matches!(event, Event::Answer { .. }));
    answer_and_end(&mut party, alice, bob);
}

#[test]
fn a_caller_that_gives_up_ends_its_offer_too() {
    let (mut party, alice, bob) = early(0, 1);
    party.run(100);
    party.agents[ALICE].offer(party.now, alice, sdp(2, "sendrecv")).unwrap();
    party.until(BOB, |event| matches!(event, Event::Offer { .. }));
    party.log.clear();
    party.agents[ALICE].hangup(party.now, alice).unwrap();
    let flow = party.flow();
    for answer in ["bob > alice: 200 CANCEL", "bob > alice: 487 INVITE", "bob > alice: 487 UPDATE"] {
        assert!(flow.iter().any(|line| line == answer), "{flow:?}");
    }
    assert_eq!(party.state(BOB, bob), None);
    party.assert_idle();
}

#[test]
fn every_offer_gets_its_answer_over_a_network_that_loses() {
    for seed in 0..40 {
        let (mut party, alice, bob) = early(15, seed);
        let (from, to) = if seed % 2 == 0 { ((ALICE, alice), (BOB, bob)) } else { ((BOB, bob), (ALICE, alice)) };
        while party.agents[from.0].offer(party.now, from.1, sdp(2, "sendrecv")).is_err() {
            party.run(50);
        }
        party.until(to.0, |event| matches!(event, Event::Offer { .. }));
        party.agents[to.0].accept_offer(party.now, to.1, sdp(2, "sendrecv")).unwrap();
        party.until(from.0, |event| matches!(event, Event::Answer { .. }));
        answer_and_end(&mut party, alice, bob);
    }
}

/// A phone that Bob calls, with `100rel` in that header.
fn called(header: &str, offer: Option<&str>) -> (Phone, CallId) {
    let mut config = alice(Transport::Wss);
    config.auto_ring = false;
    let mut phone = Phone::new(config);
    phone.receive(&invite("in-1", "z9hG4bKin1", offer).replacen(
        "Contact:",
        &format!("{header}: 100rel\nAllow: UPDATE\nContact:"),
        1,
    ));
    let call = phone.agent.calls().next().unwrap().id();
    phone.raw_events();
    (phone, call)
}

fn prack(response: &Response, seq: u32, body: Option<&str>) -> String {
    let tag = response.to().unwrap().tag().unwrap().to_owned();
    let rack = format!("RAck: {} 1 INVITE\nContact:", response.headers.get("RSeq").unwrap());
    request(Method::Prack, "in-1", &format!("z9hG4bKprack{seq}"), seq, &tag, body).replacen("Contact:", &rack, 1)
}

fn update(tag: &str, seq: u32, body: Option<&str>) -> String {
    request(Method::Update, "in-1", &format!("z9hG4bKupdate{seq}"), seq, tag, body)
}

/// What an UPDATE gets, and whether it is told when to come back.
fn refused(phone: &mut Phone) -> (u16, bool) {
    let response = phone.response();
    (response.status, response.headers.get("Retry-After").is_some())
}

/// RFC 3311 §5.2, one rule after the other.
#[test]
fn an_update_at_the_wrong_time_is_refused_as_the_rfc_says() {
    // The offer of the INVITE has no answer, though early media are heard.
    let (mut phone, call) = called("Supported", Some("offer"));
    phone.agent.ring(phone.now, call).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&update(&tag, 2, Some("more")));
    assert_eq!(refused(&mut phone), (500, true));
    // One without an offer has no such rule.
    phone.receive(&update(&tag, 3, None));
    assert_eq!(refused(&mut phone), (200, false));
    phone.agent.progress(phone.now, call, 183, Some(phone::sdp("early"))).unwrap();
    let early = phone.response();
    phone.receive(&prack(&early, 4, None));
    assert_eq!(phone.sent(), ["200 PRACK 4"]);
    phone.receive(&update(&tag, 5, Some("more")));
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["offer+offer".to_owned()]));
    // One at a time, and in order.
    phone.receive(&update(&tag, 6, Some("even more")));
    assert_eq!(refused(&mut phone), (500, true));
    phone.receive(&update(&tag, 2, Some("old")).replace("update2", "later"));
    assert_eq!(refused(&mut phone), (500, false));
    phone.agent.accept_offer(phone.now, call, phone::sdp("ours")).unwrap();
    let taken = phone.response();
    let said = (taken.status, taken.cseq().unwrap().seq, taken.body.as_slice());
    assert_eq!((said, taken.headers.get("Contact").is_some()), ((200, 5, b"ours".as_slice()), true));
    // Ours is on its way.
    phone.agent.offer(phone.now, call, phone::sdp("ours again")).unwrap();
    let ours: Request = phone.request();
    assert_eq!(ours.method, Method::Update);
    phone.receive(&update(&tag, 7, Some("more")));
    assert_eq!(refused(&mut phone), (491, false));
    phone.answer(&ours, 200, "x", &[], Some("theirs"));
    assert_eq!(phone.events(), ["answer"]);

    // The INVITE wants our offer, and has it in a 183.
    let (mut phone, call) = called("Require", None);
    phone.agent.progress(phone.now, call, 183, Some(phone::sdp("our offer"))).unwrap();
    let early = phone.response();
    let tag = early.to().unwrap().tag().unwrap().to_owned();
    phone.receive(&update(&tag, 2, Some("more")));
    assert_eq!(refused(&mut phone), (491, false));
    phone.receive(&prack(&early, 3, Some("their answer")));
    assert_eq!((phone.sent(), phone.events()), (vec!["200 PRACK 3".to_owned()], vec!["answer".to_owned()]));
    phone.receive(&update(&tag, 4, Some("more")));
    assert_eq!(phone.events(), ["offer+offer"]);
}

#[test]
fn what_may_be_lost_answers_no_offer() {
    let (mut phone, call, invite) = Phone::calling();
    let allow = [("Contact", "<sip:bob@192.0.2.4>"), ("Allow", "INVITE, UPDATE")];
    phone.answer(&invite, 183, "bob", &allow, Some("early"));
    phone.events();
    let offer = phone.agent.offer(phone.now, call, phone::sdp("more"));
    assert!(matches!(offer, Err(Error::WrongState { .. })), "RFC 3311 §5.1");
    phone.agent.update(phone.now, call).unwrap();
    assert_eq!(phone.sent(), ["UPDATE 2"]);
}

#[test]
fn an_offer_dies_with_the_call_that_it_is_for() {
    let (mut phone, _, invite) = Phone::calling();
    let reliable = [("Contact", "<sip:bob@192.0.2.4>"), ("Require", "100rel"), ("RSeq", "1")];
    phone.answer(&invite, 183, "bob", &reliable, Some("early"));
    let prack = phone.request();
    phone.answer(&prack, 200, "bob", &[], None);
    let tag = invite.from().unwrap().tag().unwrap().to_owned();
    let update = request(Method::Update, invite.call_id(), "z9hG4bKupdate", 1, &tag, Some("more"))
        .replace("<sip:alice@example.com>", "\"Alice\" <sip:alice@example.com>")
        .replace("\"Bob\" <sip:bob@example.com>;tag=bob", "<sip:600@example.com>;tag=bob");
    phone.receive(&update);
    assert!(phone.events().contains(&"offer+offer".to_owned()));
    phone.answer(&invite, 486, "bob", &[], None);
    let mut sent = phone.sent();
    sent.sort();
    assert_eq!(sent, ["487 UPDATE 1", "ACK 1"]);
    phone.assert_idle();
}

#[test]
fn another_phone_answers_than_the_one_that_offers() {
    let (mut phone, call, invite) = Phone::calling();
    let reliable = [("Contact", "<sip:bob@192.0.2.4>"), ("Require", "100rel"), ("RSeq", "1"), ("Allow", "UPDATE")];
    phone.answer(&invite, 183, "bob", &reliable, Some("early"));
    let prack = phone.request();
    phone.answer(&prack, 200, "bob", &[], None);
    phone.agent.offer(phone.now, call, phone::sdp("more")).unwrap();
    let ours = phone.request();
    phone.events();
    phone.answer(&invite, 200, "mobile", &[("Contact", "<sip:m@192.0.2.5>")], Some("answer"));
    assert_eq!(phone.events(), ["offer-failed(None)", "early>active", "answered+answer"]);
    assert_eq!(phone.sent(), ["ACK 1"]);
    // The answer of the one that rang no longer counts.
    phone.answer(&ours, 200, "bob", &[], Some("late"));
    assert_eq!(phone.events(), Vec::<String>::new());
}

#[test]
fn a_reinvite_that_nobody_answers_ends_with_the_call() {
    let (mut phone, call, invite) = Phone::in_call();
    phone.agent.offer(phone.now, call, phone::sdp("more")).unwrap();
    let again = phone.request();
    // RFC 3261 §17.1.1.2: after a provisional answer no timer runs.
    phone.answer(&again, 100, "bob", &[], None);
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    phone.answer(&bye, 200, "bob", &[], None);
    phone.assert_idle();
    // One that comes only afterwards does not stop the end.
    let (mut phone, call, _) = Phone::in_call();
    phone.agent.offer(phone.now, call, phone::sdp("more")).unwrap();
    let again = phone.request();
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    phone.answer(&bye, 200, "bob", &[], None);
    phone.answer(&again, 100, "bob", &[], None);
    phone.assert_idle();
    assert_eq!(invite.method, Method::Invite);
}
