//! Provisional answers that are sure to arrive (RFC 3262): both sides, message for message, and over a network that loses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/network.rs"]
mod network;
#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use network::{Network, STORM};
use phone::{Phone, alice, invite, request, sdp};
use soft_phone_sip::{
    Body, CallId, CallOptions, CallState, Error, Event, Instant, Message, Method, Request, Response, Transport,
};

const DESK: &str = "<sip:desk@192.0.2.4>";

/// A phone that Bob calls with `header: 100rel`; nothing was answered yet.
fn called(header: &str, offer: Option<&str>) -> (Phone, CallId) {
    let mut config = alice(Transport::Udp);
    config.auto_ring = false;
    let mut phone = Phone::new(config);
    phone.receive(&invite("in-1", "z9hG4bKin1", offer).replacen("Contact:", &format!("{header}: 100rel\nContact:"), 1));
    let call = phone.agent.calls().next().unwrap().id();
    phone.raw_events();
    (phone, call)
}

/// `RSeq` of a reliable answer.
fn rseq(response: &Response) -> u32 {
    assert!(response.headers.lists("Require", "100rel"), "{}", response.status);
    response.headers.get("RSeq").unwrap().parse().unwrap()
}

fn prack(response: &Response, seq: u32, rack: &str, body: Option<&str>) -> String {
    let tag = response.to().unwrap().tag().unwrap().to_owned();
    let branch = format!("z9hG4bKprack{seq}");
    request(Method::Prack, "in-1", &branch, seq, &tag, body).replacen("Contact:", &format!("RAck: {rack}\nContact:"), 1)
}

/// Answers for our INVITE: reliable where `rseq` is not zero.
fn provisional(phone: &mut Phone, invite: &Request, status: u16, tag: &str, rseq: u32, body: Option<&str>) {
    let rseq = rseq.to_string();
    phone.answer(invite, status, tag, &[("Contact", DESK), ("Require", "100rel"), ("RSeq", &rseq)], body);
}

#[test]
fn each_is_acknowledged_once_and_in_order() {
    let (mut phone, call, invite) = Phone::calling();
    assert!(invite.headers.lists("Supported", "100rel") && invite.headers.lists("Allow", "PRACK"));
    // The numbers of RFC 3262 §7.2.
    provisional(&mut phone, &invite, 180, "desk", 776_656, None);
    let first = phone.request();
    assert_eq!((&first.method, first.headers.get("CSeq")), (&Method::Prack, Some("2 PRACK")));
    assert_eq!(first.headers.get("RAck"), Some("776656 1 INVITE"));
    assert_eq!((first.uri.to_string(), first.to().unwrap().tag()), ("sip:desk@192.0.2.4".to_owned(), Some("desk")));
    phone.answer(&first, 200, "desk", &[], None);
    assert_eq!(phone.events(), ["dialing>ringing", "progress(180, fork 0)"]);

    // The same again, one that comes too early, and one from the past: neither acknowledged nor looked at (§4).
    for rseq in [776_656, 776_658, 776_655] {
        provisional(&mut phone, &invite, 183, "desk", rseq, Some("early"));
        assert_eq!((phone.sent(), phone.events()), (vec![], vec![]), "{rseq}");
    }
    provisional(&mut phone, &invite, 183, "desk", 776_657, Some("early"));
    let second = phone.request();
    assert_eq!((second.headers.get("RAck"), second.headers.get("CSeq")), (Some("776657 1 INVITE"), Some("3 PRACK")));
    phone.answer(&second, 200, "desk", &[], None);
    assert_eq!(phone.events(), ["ringing>early", "progress(183+answer, fork 0)"]);

    // Every phone that the call was forked to counts for itself.
    provisional(&mut phone, &invite, 180, "mobile", 1, None);
    let other = phone.request();
    assert_eq!((other.headers.get("RAck"), other.headers.get("CSeq")), (Some("1 1 INVITE"), Some("2 PRACK")));
    // An answer that wants none gets none.
    phone.answer(&invite, 180, "desk", &[("Contact", DESK)], None);
    assert_eq!(phone.sent(), Vec::<String>::new());
    phone.events();

    // What follows in the dialog goes on counting; the ACK has the INVITE's number.
    phone.answer(&invite, 200, "desk", &[("Contact", DESK)], None);
    assert_eq!(phone.sent(), ["ACK 1"]);
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    assert_eq!(bye.headers.get("CSeq"), Some("4 BYE"));
    phone.answer(&bye, 200, "desk", &[], None);
    phone.assert_idle();
}

#[test]
fn a_challenge_to_prack_is_answered() {
    let (mut phone, _, invite) = Phone::calling();
    provisional(&mut phone, &invite, 180, "desk", 5, None);
    let first = phone.request();
    phone.answer(&first, 407, "desk", &[("Proxy-Authenticate", "Digest realm=\"p\", nonce=\"n\"")], None);
    let again = phone.request();
    assert_eq!((again.headers.get("CSeq"), again.headers.get("RAck")), (Some("3 PRACK"), Some("5 1 INVITE")));
    assert!(again.headers.get("Proxy-Authorization").is_some());
}

#[test]
fn a_caller_that_demands_it_gets_every_provisional_answer_reliably() {
    let (mut phone, call) = called("Require", Some("offer"));
    phone.agent.ring(phone.now, call).unwrap();
    let ringing = phone.response();
    let first = rseq(&ringing);
    assert_eq!((ringing.status, first > 0, first < 1 << 31), (180, true, true));
    // §3: one at a time.
    phone.agent.progress(phone.now, call, 182, None).unwrap();
    assert_eq!(phone.sent(), Vec::<String>::new());

    // Again after T1, then twice as long each time; no end at T2.
    let line = phone.timeline(Duration::from_millis(16_000));
    let times: Vec<u64> = line.iter().map(|(after, _)| *after).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500]);
    assert!(line.iter().all(|(_, message)| message == "180 INVITE 1"));

    // A PRACK of something else is not taken for one (481), and does not end the repetitions.
    for rack in [format!("{} 1 INVITE", first + 1), format!("{first} 2 INVITE"), format!("{first} 1 BYE"), "x".into()] {
        phone.receive(
            &prack(&ringing, 2, &rack, None)
                .replace("prack2", &format!("wrong{}", rack.len() + rack.matches('2').count() * 100)),
        );
        assert_eq!(phone.response().status, 481, "{rack}");
    }
    phone.receive(&prack(&ringing, 3, &format!("{first} 1 INVITE"), None));
    let messages = phone.messages();
    let [Message::Response(taken), Message::Response(queued)] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((taken.status, queued.status, rseq(queued)), (200, 182, first + 1));
    // Acknowledged before: no more of it (§3).
    phone.receive(&prack(&ringing, 4, &format!("{first} 1 INVITE"), None));
    assert_eq!(phone.sent(), ["481 PRACK 4"]);

    // A 200 does not wait for an answer without a session description.
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let answer = phone.response();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"answer".as_slice()));
    // "MUST be prepared to process PRACK requests for those outstanding responses" (§3).
    phone.receive(&prack(&ringing, 5, &format!("{} 1 INVITE", first + 1), None));
    assert_eq!(phone.response().status, 200);
    let tag = answer.to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active);
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 6, &tag, None));
    phone.assert_idle();
}

#[test]
fn without_a_prack_the_call_is_refused() {
    let (mut phone, call) = called("Require", Some("offer"));
    phone.agent.ring(phone.now, call).unwrap();
    phone.messages();
    let line = phone.timeline(Duration::from_secs(33));
    assert!(line.contains(&(32_000, "504 INVITE 1".to_owned())), "{line:?}");
    assert_eq!(phone.events(), ["incoming>ending", "ending>ended", "ended(network)"]);
    let ack = request(Method::Ack, "in-1", "z9hG4bKin1", 1, "", None);
    phone.receive(&ack);
    phone.assert_idle();
}

#[test]
fn who_can_take_it_gets_early_media_reliably_and_plain_ringing_plainly() {
    let (mut phone, call) = called("Supported", Some("offer"));
    phone.agent.ring(phone.now, call).unwrap();
    assert_eq!(phone.response().headers.get("RSeq"), None);
    phone.agent.progress(phone.now, call, 183, Some(sdp("early"))).unwrap();
    let early = phone.response();
    assert_eq!((early.status, early.body.as_slice(), rseq(&early) > 0), (183, b"early".as_slice(), true));

    // The 200 waits for the PRACK, and does not repeat the description (RFC 3262 §3, RFC 3261 §13.2.1).
    phone.agent.answer(phone.now, call, sdp("early")).unwrap();
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["incoming>answering".to_owned()]));
    phone.receive(&prack(&early, 2, &format!("{} 1 INVITE", rseq(&early)), None));
    let messages = phone.messages();
    let [Message::Response(taken), Message::Response(answer)] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((taken.status, answer.status, answer.body.len()), (200, 200, 0));
    let tag = answer.to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    assert_eq!(phone.events(), ["answering>active", "answered"]);

    // A later answer has its description again.
    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKre", 3, &tag, Some("offer 2")));
    phone.agent.accept_offer(phone.now, call, sdp("answer 2")).unwrap();
    assert_eq!(phone.response().body, b"answer 2");
}

#[test]
fn who_does_not_know_it_is_spared() {
    let mut config = alice(Transport::Wss);
    config.auto_ring = false;
    let mut phone = Phone::new(config);
    phone.receive(&invite("in-1", "z9hG4bKin1", Some("offer")));
    let call = phone.agent.calls().next().unwrap().id();
    phone.agent.progress(phone.now, call, 183, Some(sdp("early"))).unwrap();
    let early = phone.response();
    assert_eq!(
        (early.headers.get("RSeq"), early.headers.get("Require"), early.body.as_slice()),
        (None, None, &b"early"[..])
    );
    phone.agent.answer(phone.now, call, sdp("early")).unwrap();
    assert_eq!(phone.response().body, b"early", "what may have been lost is said again");

    // And who does not want it does neither offer nor take it.
    let mut config = alice(Transport::Wss);
    config.reliable = false;
    let mut phone = Phone::new(config);
    phone.receive(&invite("in-2", "z9hG4bKin2", Some("offer")).replacen("Contact:", "Require: 100rel\nContact:", 1));
    let refusal = phone.response();
    assert_eq!((refusal.status, refusal.headers.get("Unsupported")), (420, Some("100rel")));
    phone.dial("600");
    assert!(!phone.request().headers.lists("Supported", "100rel"));
}

#[test]
fn our_own_offer_goes_out_in_the_first_reliable_answer() {
    let (mut phone, call) = called("Require", None);
    let wrong = Err(Error::WrongState { state: "incoming" });
    assert_eq!(phone.agent.ring(phone.now, call), wrong, "it would have to bring an offer (RFC 3261 §13.2.1)");
    assert_eq!(phone.agent.progress(phone.now, call, 183, Some(sdp("our offer"))), Ok(()));
    let early = phone.response();
    assert_eq!(early.body, b"our offer");
    phone.receive(&prack(&early, 2, &format!("{} 1 INVITE", rseq(&early)), Some("their answer")));
    assert_eq!(phone.sent(), ["200 PRACK 2"]);
    assert_eq!(phone.raw_events(), [Event::Answer { call, answer: sdp("their answer") }]);
    phone.agent.answer(phone.now, call, sdp("our offer")).unwrap();
    let answer = phone.response();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let tag = answer.to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    assert_eq!(phone.events(), ["incoming>answering", "answering>active", "answered"]);

    // Where nothing is reliable, it cannot go out before the 200.
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.receive(&invite("in-2", "z9hG4bKin2", None));
    assert_eq!(phone.sent(), ["180 INVITE 1"]);
    let call = phone.agent.calls().next().unwrap().id();
    assert_eq!(phone.agent.progress(phone.now, call, 183, Some(sdp("our offer"))), wrong);
}

#[test]
fn an_offer_in_prack_is_answered_in_its_200() {
    let (mut phone, call) = called("Supported", Some("offer"));
    phone.agent.progress(phone.now, call, 183, Some(sdp("answer"))).unwrap();
    let early = phone.response();
    phone.receive(&prack(&early, 2, &format!("{} 1 INVITE", rseq(&early)), Some("offer 2")));
    assert_eq!((phone.sent(), phone.raw_events()), (vec![], vec![Event::Offer { call, offer: Some(sdp("offer 2")) }]));
    phone.agent.accept_offer(phone.now, call, sdp("answer 2")).unwrap();
    let answer = phone.response();
    assert_eq!(
        (answer.cseq().unwrap().method, answer.status, answer.body.as_slice()),
        (Method::Prack, 200, &b"answer 2"[..])
    );
    assert!(matches!(phone.agent.accept_offer(phone.now, call, sdp("x")), Err(Error::WrongState { .. })));

    // Refused, and left open when the caller gives up.
    for give_up in [false, true] {
        let (mut phone, call) = called("Supported", Some("offer"));
        phone.agent.progress(phone.now, call, 183, Some(sdp("answer"))).unwrap();
        let early = phone.response();
        phone.receive(&prack(&early, 2, &format!("{} 1 INVITE", rseq(&early)), Some("offer 2")));
        if give_up {
            phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKin1", 1, "", None));
            assert_eq!(phone.sent(), ["200 CANCEL 1", "487 INVITE 1", "487 PRACK 2"]);
        } else {
            phone.agent.reject_offer(phone.now, call, 488).unwrap();
            assert_eq!(phone.sent(), ["488 PRACK 2"]);
        }
    }

    // While the first offer has no answer, there cannot be another (RFC 3264 §4).
    let (mut phone, call) = called("Require", Some("offer"));
    phone.agent.ring(phone.now, call).unwrap();
    let ringing = phone.response();
    phone.receive(&prack(&ringing, 2, &format!("{} 1 INVITE", rseq(&ringing)), Some("offer 2")));
    assert_eq!((phone.sent(), phone.events()), (vec!["488 PRACK 2".to_owned()], vec![]));
}

#[test]
fn a_held_back_answer_ends_with_the_call() {
    // The caller gives up, the user does, or the PRACK never comes.
    for (way, ended) in [(0, "ended(missed)"), (1, "ended(local-hangup)"), (2, "ended(network)")] {
        let (mut phone, call) = called("Supported", Some("offer"));
        phone.agent.progress(phone.now, call, 183, Some(sdp("answer"))).unwrap();
        phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
        phone.messages();
        let status = match way {
            0 => {
                phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKin1", 1, "", None));
                "487 INVITE 1"
            }
            1 => {
                phone.agent.hangup(phone.now, call).unwrap();
                "486 INVITE 1"
            }
            _ => {
                phone.advance(Duration::from_millis(32_000));
                "504 INVITE 1"
            }
        };
        assert!(phone.sent().contains(&status.to_owned()), "{status}");
        assert_eq!(phone.events(), ["incoming>answering", "answering>ending", "ending>ended", ended]);
        phone.assert_idle();
    }
}

#[test]
fn the_invite_of_a_held_back_answer_is_no_offer_that_could_be_refused_alone() {
    let (mut phone, call) = called("Supported", Some("offer"));
    phone.agent.progress(phone.now, call, 183, Some(sdp("answer"))).unwrap();
    let progress = phone.response();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();

    let refused = Err(Error::WrongState { state: "answering" });
    assert_eq!(phone.agent.reject_offer(phone.now, call, 488), refused);
    assert_eq!(phone.agent.accept_offer(phone.now, call, sdp("another")), refused);
    assert_eq!(phone.sent(), Vec::<String>::new());

    phone.receive(&prack(&progress, 2, &format!("{} 1 INVITE", rseq(&progress)), None));
    assert_eq!(phone.sent(), ["200 PRACK 2", "200 INVITE 1"]);
}

#[test]
fn too_many_that_wait_and_what_is_no_provisional_answer_are_refused() {
    let (mut phone, call) = called("Require", Some("offer"));
    for status in [100, 200, 99] {
        assert_eq!(phone.agent.progress(phone.now, call, status, None), Err(Error::Status(status)));
    }
    let body = Body { content_type: "a/b\r\nX: y".to_owned(), bytes: vec![] };
    assert!(matches!(phone.agent.progress(phone.now, call, 183, Some(body)), Err(Error::Injection { .. })));
    let sent: Vec<_> = (0..12).map(|_| phone.agent.progress(phone.now, call, 182, None)).collect();
    assert_eq!(sent.iter().filter(|sent| sent.is_ok()).count(), 9, "one that runs, eight that wait");
    assert_eq!(sent[9], Err(Error::TooLong { what: "provisional answers", limit: 8 }));
}

/// Both ends are ours: a call with early media through a storm, and every provisional answer arrives, once and in order.
#[test]
fn a_storm_loses_no_provisional_answer() {
    for seed in 0..60 {
        let mut network = Network::new(seed, STORM);
        let target = "sip:bob@example.com";
        let ours = network.agents[0].call(network.now, target, sdp("offer"), CallOptions::default()).unwrap();
        let end = Instant::from_millis(60_000);
        let (mut theirs, mut heard) = (None, Vec::new());
        while network.step(end) && network.agents[0].get(ours).is_some_and(|call| call.state() != CallState::Active) {
            for event in network.events(1) {
                if let Event::Incoming { call, .. } = event {
                    theirs = Some(call);
                    network.agents[1].progress(network.now, call, 183, Some(sdp("answer"))).unwrap();
                    network.agents[1].answer(network.now, call, sdp("answer")).unwrap();
                }
            }
            heard.extend(network.events(0));
        }
        heard.extend(network.events(0));
        let early = |event: &&Event| matches!(event, Event::Progress { status: 183, answer: Some(_), .. });
        let Some(theirs) = theirs else { panic!("seed {seed}: the INVITE never arrived") };
        assert!(network.agents[1].get(theirs).is_some(), "seed {seed}");
        assert_eq!(heard.iter().filter(early).count(), 1, "seed {seed}: {heard:?}");
        assert!(
            heard.iter().any(|event| matches!(event, Event::Answered { answer: None, .. })),
            "seed {seed}: the 200 comes after the PRACK, without a description"
        );
    }
}
