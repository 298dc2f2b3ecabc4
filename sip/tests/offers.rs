//! New session descriptions in a call: re-INVITE and UPDATE, hold, offers that meet (RFC 3261 §14, RFC 3264 §8.4, RFC 3311).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/network.rs"]
mod network;
#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use network::{Network, Weather};
use phone::{FLOW, Phone, request, sdp};
use soft_phone_sip::{Agent, Body, CallId, CallOptions, CallState, Direction, Error, Event, Flow, Method, Request};

/// A description whose audio has that direction.
fn described(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na={direction}\r\n"
    )
}

fn offers(direction: &str) -> Body {
    Body::sdp(described(direction))
}

/// A phone that called and is in the call; Bob takes UPDATE.
fn in_call() -> (Phone, CallId, String) {
    let (mut phone, call, invite) = Phone::calling();
    let allow = [("Contact", "<sip:bob@192.0.2.4>"), ("Allow", "INVITE, ACK, BYE, UPDATE")];
    phone.answer(&invite, 200, "bob", &allow, Some(&described("sendrecv")));
    phone.sent();
    phone.events();
    let tag = invite.from().unwrap().tag().unwrap().to_owned();
    (phone, call, tag)
}

/// A request of Bob's in the dialog of [`in_call`].
fn from_bob(phone: &Phone, method: Method, seq: u32, tag: &str, body: Option<&str>) -> String {
    let call_id = phone.agent.calls().next().unwrap().sip_call_id().to_owned();
    let branch = format!("z9hG4bKbob{method}{seq}");
    request(method, &call_id, &branch, seq, tag, body)
        .replace("<sip:alice@example.com>", "\"Alice\" <sip:alice@example.com>")
        .replace("\"Bob\" <sip:bob@example.com>;tag=bob", "<sip:600@example.com>;tag=bob")
}

#[test]
fn hold_and_resume_by_reinvite() {
    let (mut phone, call, _) = in_call();
    phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
    let hold = phone.request();
    assert_eq!((hold.method.clone(), hold.cseq().unwrap().seq), (Method::Invite, 2));
    assert!(hold.headers.get("Contact").is_some() && hold.headers.lists("Supported", "timer"));
    assert_eq!(hold.body, described("sendonly").as_bytes());
    // Nothing is held before the other end has agreed.
    assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active);
    assert!(matches!(phone.agent.offer(phone.now, call, offers("sendrecv")), Err(Error::WrongState { .. })));
    phone.answer(&hold, 100, "bob", &[], None);
    phone.answer(&hold, 200, "bob", &[("Contact", "<sip:bob@192.0.2.99>")], Some(&described("recvonly")));
    let ack = phone.request();
    assert_eq!(
        (ack.method.clone(), ack.cseq().unwrap().seq, ack.uri.to_string()),
        (Method::Ack, 2, "sip:bob@192.0.2.99".into())
    );
    assert_eq!(phone.events(), ["answer", "active>held"]);
    // The 2xx again: the same ACK again, and nothing else.
    phone.answer(&hold, 200, "bob", &[("Contact", "<sip:bob@192.0.2.99>")], Some(&described("recvonly")));
    assert_eq!((phone.request(), phone.events()), (ack, vec![]));

    phone.agent.offer(phone.now, call, offers("sendrecv")).unwrap();
    let resume = phone.request();
    assert_eq!((resume.cseq().unwrap().seq, resume.uri.to_string()), (3, "sip:bob@192.0.2.99".into()));
    phone.answer(&resume, 200, "bob", &[], Some(&described("sendrecv")));
    assert_eq!(
        (phone.sent(), phone.events()),
        (vec!["ACK 3".to_owned()], vec!["answer".to_owned(), "held>active".to_owned()])
    );
}

#[test]
fn an_offer_that_is_refused_leaves_the_session_as_it_was() {
    let (mut phone, call, _) = in_call();
    for (status, reason) in [(488, Some("Not Acceptable Here")), (500, Some("Server Internal Error"))] {
        phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
        let hold = phone.request();
        phone.answer(&hold, status, "bob", &[], None);
        assert_eq!(phone.sent().len(), 1, "the ACK of the refusal");
        let failed = Event::OfferFailed { call, status: Some(status), reason: reason.map(str::to_owned) };
        assert_eq!(phone.raw_events(), [failed]);
        assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active);
    }
    // §12.2.1.2: who answers 481 or not at all has no call with us.
    phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
    let hold = phone.request();
    phone.answer(&hold, 481, "bob", &[], None);
    assert_eq!(phone.sent(), ["ACK 4", "BYE 5"]);
    assert_eq!(phone.events(), ["active>ending"]);
}

#[test]
fn an_offer_without_any_answer_ends_the_call() {
    let (mut phone, call, _) = in_call();
    phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
    phone.request();
    phone.advance(Duration::from_secs(31));
    assert_eq!((phone.sent(), phone.events()), (vec![], vec![]));
    phone.advance(Duration::from_secs(2));
    assert_eq!((phone.sent(), phone.events()), (vec!["BYE 3".to_owned()], vec!["active>ending".to_owned()]));
}

#[test]
fn the_peer_holds_and_resumes() {
    let (mut phone, call, tag) = in_call();
    let mut told = Vec::new();
    for (seq, direction, answer) in
        [(1, "sendonly", "recvonly"), (2, "inactive", "inactive"), (3, "sendrecv", "sendrecv")]
    {
        let offer = from_bob(&phone, Method::Invite, seq, &tag, Some(&described(direction)));
        // The description has its line ends already.
        let (head, body) = offer.split_once("\n\n").unwrap();
        phone.receive_bytes([&head.replace('\n', "\r\n"), "\r\n\r\n", body].concat().as_bytes());
        assert_eq!(phone.events(), ["offer+offer"], "{direction}");
        phone.agent.accept_offer(phone.now, call, offers(answer)).unwrap();
        assert_eq!(phone.sent(), [format!("200 INVITE {seq}")]);
        phone.receive(&from_bob(&phone, Method::Ack, seq, &tag, None));
        told.extend(phone.events());
        let held = phone.agent.get(call).unwrap().remote_held();
        assert_eq!((held, phone.agent.get(call).unwrap().state()), (direction != "sendrecv", CallState::Active));
    }
    assert_eq!(told, ["remote-hold(true)", "remote-hold(false)"]);
}

#[test]
fn an_offer_that_meets_ours_gets_491_and_goes_no_further() {
    let (mut phone, call, tag) = in_call();
    phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
    let ours = phone.request();
    for (method, seq) in [(Method::Invite, 1), (Method::Update, 2)] {
        phone.receive(&from_bob(&phone, method.clone(), seq, &tag, Some("theirs")));
        assert_eq!((phone.sent(), phone.events()), (vec![format!("491 {method} {seq}")], vec![]));
    }
    // An UPDATE without an offer meets nothing.
    phone.receive(&from_bob(&phone, Method::Update, 3, &tag, None));
    assert_eq!((phone.sent(), phone.events()), (vec!["200 UPDATE 3".to_owned()], vec![]));
    phone.answer(&ours, 200, "bob", &[], Some(&described("recvonly")));
    assert_eq!(
        (phone.sent(), phone.events()),
        (vec!["ACK 2".to_owned()], vec!["answer".to_owned(), "active>held".to_owned()])
    );
}

#[test]
fn our_491_is_tried_again_in_the_window_of_who_owns_the_call_id() {
    let (mut phone, call, _) = in_call();
    phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
    let mut offer = phone.request();
    for seq in 3..6 {
        phone.answer(&offer, 491, "bob", &[], None);
        assert_eq!(phone.sent(), [format!("ACK {}", seq - 1)]);
        assert!(phone.timeline(Duration::from_millis(2_099)).is_empty(), "§14.1: 2.1 s at least");
        let mut line = Vec::new();
        while line.is_empty() {
            phone.advance(Duration::from_millis(10));
            line = phone.messages();
        }
        let soft_phone_sip::Message::Request(again) = &line[0] else { panic!("no request") };
        assert_eq!((again.method.clone(), again.cseq().unwrap().seq), (Method::Invite, seq), "a number of its own");
        assert_eq!(again.body, offer.body);
        assert!(phone.events().is_empty());
        offer = again.clone();
    }
    phone.answer(&offer, 200, "bob", &[], Some(&described("recvonly")));
    assert_eq!(phone.events(), ["answer", "active>held"]);
}

#[test]
fn an_offer_that_waits_is_given_back_when_the_peers_comes_first() {
    let (mut phone, call, tag) = in_call();
    phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
    let ours = phone.request();
    phone.answer(&ours, 491, "bob", &[], None);
    phone.sent();
    phone.receive(&from_bob(&phone, Method::Invite, 1, &tag, Some("theirs")));
    assert_eq!(phone.events(), ["offer-failed(Some(491))", "offer+offer"]);
    phone.agent.accept_offer(phone.now, call, sdp("ours")).unwrap();
    assert_eq!(phone.sent(), ["200 INVITE 1"]);
    // While its ACK is on the way, a new offer of ours waits; then it leaves.
    phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
    assert_eq!(phone.sent(), Vec::<String>::new());
    phone.receive(&from_bob(&phone, Method::Ack, 1, &tag, None));
    assert_eq!(phone.sent(), ["INVITE 3"]);
}

#[test]
fn update_moves_the_target_and_brings_offers() {
    let (mut phone, call, tag) = in_call();
    phone.receive(&from_bob(&phone, Method::Update, 1, &tag, None).replace("sip:bob@192.0.2.4", "sip:bob@192.0.2.77"));
    let moved = phone.response();
    assert_eq!((moved.status, moved.headers.get("Contact").is_some(), moved.body.len()), (200, true, 0));
    phone.receive(
        &from_bob(&phone, Method::Update, 2, &tag, Some("theirs")).replace("sip:bob@192.0.2.4", "sip:bob@192.0.2.77"),
    );
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["offer+offer".to_owned()]));
    // RFC 3311 §5.2: one at a time.
    phone.receive(&from_bob(&phone, Method::Update, 3, &tag, Some("more")));
    let refused = phone.response();
    let after: u64 = refused.headers.get("Retry-After").unwrap().parse().unwrap();
    assert_eq!((refused.status, after <= 10), (500, true));
    phone.agent.accept_offer(phone.now, call, sdp("ours")).unwrap();
    let answer = phone.response();
    assert_eq!(
        (answer.status, answer.cseq().unwrap().method, answer.body.as_slice()),
        (200, Method::Update, b"ours".as_slice())
    );
    // There is no ACK to wait for.
    assert!(phone.timeline(Duration::from_secs(60)).is_empty());
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.request().uri.to_string(), "sip:bob@192.0.2.77");
}

#[test]
fn update_is_not_sent_to_who_does_not_allow_it() {
    let (mut phone, call, _) = Phone::in_call();
    assert!(!phone.agent.get(call).unwrap().allows(&Method::Update));
    assert!(matches!(phone.agent.update(phone.now, call), Err(Error::WrongState { .. })));
    let (mut phone, call, _) = in_call();
    assert!(phone.agent.get(call).unwrap().allows(&Method::Update));
    phone.agent.update(phone.now, call).unwrap();
    let update = phone.request();
    assert_eq!((update.method.clone(), update.body.len()), (Method::Update, 0));
    phone.answer(&update, 200, "bob", &[], None);
    assert_eq!((phone.sent(), phone.events()), (vec![], vec![]));
}

#[test]
fn a_call_goes_on_over_the_next_connection() {
    let (mut phone, call, _) = in_call();
    phone.agent.offer(phone.now, call, offers("sendonly")).unwrap();
    phone.request();
    phone.agent.handle_disconnected(phone.now, FLOW);
    assert_eq!(phone.events(), ["offer-failed(None)"]);
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    assert_eq!(phone.events(), ["recover"]);
    phone.agent.offer(phone.now, call, offers("sendrecv")).unwrap();
    let again: Request = phone.request();
    assert_eq!((again.method.clone(), again.cseq().unwrap().seq), (Method::Invite, 3));
    phone.answer(&again, 200, "bob", &[], Some(&described("sendrecv")));
    assert_eq!((phone.sent(), phone.events()), (vec!["ACK 3".to_owned()], vec!["answer".to_owned()]));
    phone.agent.hangup(phone.now, call).unwrap();
    let bye = phone.request();
    phone.answer(&bye, 200, "bob", &[], None);
    phone.assert_idle();
}

/// Two agents in a call, both ends of it.
fn connected(seed: u64, weather: Weather) -> (Network, [CallId; 2]) {
    let mut network = Network::new(seed, weather);
    let options = CallOptions::default();
    let now = network.now;
    let call = network.agents[0].call(now, "bob@example.com", offers("sendrecv"), options).unwrap();
    let mut theirs = None;
    let end = now + Duration::from_secs(60);
    while network.step(end) {
        for event in network.events(1) {
            if let Event::Incoming { call, .. } = event {
                theirs = Some(call);
                network.agents[1].answer(network.now, call, offers("sendrecv")).unwrap();
            }
        }
        network.events(0);
    }
    let states = [(0, call), (1, theirs.unwrap())].map(|(side, id)| network.agents[side].get(id).unwrap().state());
    assert_eq!(states, [CallState::Active; 2], "seed {seed}");
    (network, [call, theirs.unwrap()])
}

/// Both ends offer at the same moment: both hear 491, the one that does not own the Call-ID comes back first, and both
/// descriptions get through.
#[test]
fn offers_that_meet_get_through_one_after_the_other() {
    for seed in 0..60 {
        let weather = if seed % 2 == 0 {
            Weather { loss: 0, doubled: 0, delay: 20, jitter: 0 }
        } else {
            Weather { loss: 10, doubled: 5, delay: 20, jitter: 100 }
        };
        let (mut network, calls) = connected(seed, weather);
        let directions = [agent_direction(&network.agents[0], calls[0]), agent_direction(&network.agents[1], calls[1])];
        assert_eq!(directions, [Direction::Outbound, Direction::Inbound]);
        let mut wanted = [true; 2];
        let mut agreed = [0; 2];
        let end = network.now + Duration::from_secs(120);
        for (side, call) in calls.into_iter().enumerate() {
            network.agents[side].offer(network.now, call, offers("sendonly")).unwrap();
            wanted[side] = false;
        }
        while network.step(end) {
            for (side, id) in calls.into_iter().enumerate() {
                for event in network.events(side) {
                    match event {
                        Event::Offer { call, .. } => {
                            // Who holds answers so.
                            let held = network.agents[side].get(call).unwrap().state() == CallState::Held;
                            let answer = if held { "inactive" } else { "recvonly" };
                            network.agents[side].accept_offer(network.now, call, offers(answer)).unwrap();
                        }
                        Event::OfferFailed { status, .. } => {
                            assert_eq!(status, Some(491), "seed {seed}");
                            wanted[side] = true;
                        }
                        Event::Answer { .. } => agreed[side] += 1,
                        Event::Ended { .. } => panic!("seed {seed}: the call ended"),
                        _ => {}
                    }
                }
                if wanted[side] && network.agents[side].offer(network.now, id, offers("sendonly")).is_ok() {
                    wanted[side] = false;
                }
            }
        }
        assert_eq!((wanted, agreed), ([false; 2], [1; 2]), "seed {seed}");
        for (side, id) in calls.into_iter().enumerate() {
            let call = network.agents[side].get(id).unwrap();
            assert_eq!((call.state(), call.remote_held()), (CallState::Held, true), "seed {seed} side {side}");
        }
    }
}

fn agent_direction(agent: &Agent, call: CallId) -> Direction {
    agent.get(call).unwrap().direction()
}

#[test]
fn an_unknown_call_takes_no_offer() {
    let (mut phone, _, _) = in_call();
    let nobody = CallId(9_999);
    assert_eq!(phone.agent.offer(phone.now, nobody, sdp("x")), Err(Error::UnknownCall));
    let bad = Body { content_type: "application/sdp\r\nX: y".to_owned(), bytes: Vec::new() };
    let call = phone.agent.calls().next().unwrap().id();
    assert!(matches!(phone.agent.offer(phone.now, call, bad), Err(Error::Injection { .. })));
    assert_eq!(phone.sent(), Vec::<String>::new());
}
