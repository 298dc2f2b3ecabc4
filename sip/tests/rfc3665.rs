//! The sessions of RFC 3665 §3, message for message: through Alice's and Bob's proxies where the RFC has them. §3.5, whose
//! gateway rewrites descriptions on the way, is §3.2 for both ends. Registrations (§2) are in `registrar.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/party.rs"]
mod party;
#[path = "common/path.rs"]
mod path;

use party::{Party, sdp};
use path::Node::{Alice, Bob, Proxy1, Proxy2};
use path::Path;
use soft_phone_sip::{Body, CallId, CallOptions, CallState, Cause, Event, Flow, Request};

fn answer() -> Body {
    Body::sdp("v=0\r\n")
}

/// Hosts of the routes of a request.
fn routes(request: &Request, name: &str) -> Vec<String> {
    request.routes(name).into_iter().map(|route| route.uri.host).collect()
}

/// How a call ended, if it did.
fn end(events: &[Event], id: CallId) -> Option<(Cause, Option<u16>)> {
    events.iter().find_map(|event| match event {
        Event::Ended { call, cause, status, .. } if *call == id => Some((*cause, *status)),
        _ => None,
    })
}

/// The INVITE on its way to Bob, and that he rings.
const RINGING: [&str; 8] = [
    "A>P1 INVITE",
    "P1>P2 INVITE",
    "P1>A 100 INVITE",
    "P2>B INVITE",
    "P2>P1 100 INVITE",
    "B>P2 180 INVITE",
    "P2>P1 180 INVITE",
    "P1>A 180 INVITE",
];

/// A response on its way from Bob to Alice.
fn back(what: &str) -> [String; 3] {
    ["B>P2", "P2>P1", "P1>A"].map(|hop| format!("{hop} {what}"))
}

/// A refusal of Bob's, with the ACK of each hop.
fn refused(status: u16) -> [String; 6] {
    let refusal = format!("{status} INVITE");
    [
        format!("B>P2 {refusal}"),
        "P2>B ACK".to_owned(),
        format!("P2>P1 {refusal}"),
        "P1>P2 ACK".to_owned(),
        format!("P1>A {refusal}"),
        "A>P1 ACK".to_owned(),
    ]
}

#[test]
fn session_3_1() {
    let mut party = Party::new(2);
    let options = CallOptions::default();
    let alice = party.agents[0].call(party.now, "sip:bob@example.com", sdp(1, "sendrecv"), options).unwrap();
    party.until(1, |event| matches!(event, Event::Incoming { .. }));
    let bob = party.last_call(1);
    party.run(1_000);
    party.agents[1].answer(party.now, bob, sdp(1, "sendrecv")).unwrap();
    party.run(1_000);
    // F1: what an INVITE has.
    let invite = party.request("INVITE");
    assert_eq!(invite.headers.get("CSeq"), Some("1 INVITE"));
    assert_eq!(invite.headers.get("Max-Forwards"), Some("70"));
    assert_eq!((invite.from().unwrap().tag().is_some(), invite.to().unwrap().tag()), (true, None));
    assert_eq!((invite.contacts().len(), invite.content_type()), (1, Some("application/sdp")));
    // F4: the ACK has the INVITE's number, Bob's tag and his Contact.
    let ack = party.request("ACK");
    assert_eq!((ack.headers.get("CSeq"), ack.uri.host.as_str()), (Some("1 ACK"), "192.0.2.2"));
    assert!(ack.to().unwrap().tag().is_some() && ack.top_via().unwrap() != invite.top_via().unwrap());
    assert_eq!(
        party.flow(),
        ["alice > bob: INVITE", "bob > alice: 180 INVITE", "bob > alice: 200 INVITE", "alice > bob: ACK"]
    );
    // F5: from Bob, with the two tags the other way round.
    party.agents[1].hangup(party.now, bob).unwrap();
    party.run(100);
    let bye = party.request("BYE");
    assert_eq!(bye.from().unwrap().tag(), ack.to().unwrap().tag());
    assert_eq!((bye.to().unwrap().tag(), bye.call_id()), (invite.from().unwrap().tag(), invite.call_id()));
    assert_eq!(party.flow(), ["bob > alice: BYE", "alice > bob: 200 BYE"]);
    assert_eq!(end(&party.events(0), alice), Some((Cause::RemoteHangup, None)));
    party.assert_idle();
}

/// F4 on: the call is answered and Bob hangs up.
fn answered_and_ended(path: &mut Path, alice: CallId) {
    path.bob.answer(path.now, path.bobs(), answer()).unwrap();
    let flow = path.flow(200);
    let expected: Vec<String> =
        back("200 INVITE").into_iter().chain(["A>P1 ACK", "P1>P2 ACK", "P2>B ACK"].map(str::to_owned)).collect();
    assert_eq!(flow, expected);
    // F15: the route that the proxies recorded, the nearest first, and Bob's own address.
    let ack = path.request(Alice, Proxy1, "ACK");
    assert_eq!(routes(&ack, "Route"), [Proxy1.host(), Proxy2.host()]);
    assert_eq!(ack.uri.host, Bob.host());
    assert_eq!(path.alice.get(alice).unwrap().state(), CallState::Active);
    path.bob.hangup(path.now, path.bobs()).unwrap();
    let flow = path.flow(200);
    assert_eq!(flow, ["B>P2 BYE", "P2>P1 BYE", "P1>A BYE", "A>P1 200 BYE", "P1>P2 200 BYE", "P2>B 200 BYE"]);
    let bye = path.request(Bob, Proxy2, "BYE");
    assert_eq!(routes(&bye, "Route"), [Proxy2.host(), Proxy1.host()]);
    assert_eq!((bye.uri.host.as_str(), bye.uri.user.as_deref()), (Alice.host(), Some("alice")));
    assert_eq!(end(&path.events(Alice), alice), Some((Cause::RemoteHangup, None)));
    path.assert_idle();
}

#[test]
fn two_proxies_3_2() {
    let mut path = Path::new();
    path.realms.insert(Proxy1, "atlanta.example.com");
    let alice = path.call(CallOptions::default());
    let flow = path.flow(200);
    assert_eq!(flow[..3], ["A>P1 INVITE", "P1>A 407 INVITE", "A>P1 ACK"]);
    assert_eq!(flow[3..], RINGING);
    // F4: the next number, the same call, credentials for the Request-URI as it is written.
    let invites: Vec<Request> = path
        .messages
        .iter()
        .filter_map(|(from, _, message)| match message {
            soft_phone_sip::Message::Request(it) if *from == Alice && it.method.as_str() == "INVITE" => {
                Some(it.clone())
            }
            _ => None,
        })
        .collect();
    let [first, second] = invites.as_slice() else { panic!("{}", invites.len()) };
    assert_eq!((first.headers.get("CSeq"), second.headers.get("CSeq")), (Some("1 INVITE"), Some("2 INVITE")));
    assert_eq!((first.call_id(), first.from().unwrap()), (second.call_id(), second.from().unwrap()));
    assert_ne!(first.top_via().unwrap().branch(), second.top_via().unwrap().branch());
    let proof = second.headers.get("Proxy-Authorization").unwrap();
    for part in ["realm=\"atlanta.example.com\"", "uri=\"sip:bob@biloxi.example.com\"", "nc=00000001", "qop=auth"] {
        assert!(proof.contains(part), "{proof}");
    }
    // F3: the ACK of the 407 is the first INVITE's, hop by hop.
    let ack = path.request(Alice, Proxy1, "ACK");
    assert_eq!((ack.top_via().unwrap(), ack.headers.get("CSeq")), (first.top_via().unwrap(), Some("1 ACK")));
    // F9: Bob's 180 has the whole path, and the route of the INVITE.
    let ringing = path.response(Bob, Proxy2, 180);
    assert_eq!(ringing.vias().len(), 3);
    let recorded: Vec<String> = ringing.routes("Record-Route").into_iter().map(|route| route.uri.host).collect();
    assert_eq!(recorded, [Proxy2.host(), Proxy1.host()]);
    answered_and_ended(&mut path, alice);
}

#[test]
fn two_proxies_that_ask_for_credentials_3_3() {
    let mut path = Path::new();
    path.realms.extend([(Proxy1, "atlanta.example.com"), (Proxy2, "biloxi.example.com")]);
    let alice = path.call(CallOptions::default());
    let flow = path.flow(300);
    let before = [
        "A>P1 INVITE",
        "P1>A 407 INVITE",
        "A>P1 ACK",
        "A>P1 INVITE",
        "P1>P2 INVITE",
        "P1>A 100 INVITE",
        "P2>P1 407 INVITE",
        "P1>P2 ACK",
        "P1>A 407 INVITE",
        "A>P1 ACK",
    ];
    assert_eq!(flow[..before.len()], before);
    assert_eq!(flow[before.len()..], RINGING);
    // F11: credentials for both.
    let invite = path.request(Alice, Proxy1, "INVITE");
    assert_eq!(invite.headers.get("CSeq"), Some("3 INVITE"));
    let proofs: Vec<&str> = invite.headers.get_all("Proxy-Authorization").collect();
    assert_eq!(proofs.len(), 2);
    for realm in ["atlanta.example.com", "biloxi.example.com"] {
        assert!(proofs.iter().any(|proof| proof.contains(&format!("realm=\"{realm}\""))), "{proofs:?}");
    }
    // F19: an ACK cannot be challenged, it brings what the INVITE did (RFC 3261 §22.1).
    path.bob.answer(path.now, path.bobs(), answer()).unwrap();
    path.flow(100);
    let ack = path.request(Alice, Proxy1, "ACK");
    assert_eq!(ack.headers.get_all("Proxy-Authorization").count(), 2);
    path.alice.hangup(path.now, alice).unwrap();
    path.assert_idle();
}

#[test]
fn a_proxy_that_is_dead_3_4() {
    let mut path = Path::new();
    path.deaf = Some(Proxy1);
    let alice = path.call(CallOptions::default());
    // Over a stream nothing is sent twice; 64·T1 is all the patience there is.
    assert_eq!(path.flow(31_000), ["A>P1 INVITE"]);
    assert!(path.events(Alice).is_empty());
    path.flow(2_000);
    assert_eq!(end(&path.events(Alice), alice), Some((Cause::Network, None)));
    // The driver has another connection, and the call is made again.
    path.alice.handle_disconnected(path.now, path::FLOW);
    path.deaf = None;
    path.alice.handle_connected(path.now, Flow(2));
    let alice = path.call(CallOptions::default());
    let transmit = path.alice.poll_transmit().unwrap();
    assert_eq!(transmit.flow, Flow(2));
    assert!(transmit.payload.starts_with(b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\n"));
    assert_eq!(path.alice.get(alice).unwrap().state(), CallState::Dialing);
}

/// A redirect server sends Alice to another address of Bob's. The RFC's Alice leaves the offer to Bob; ours makes it, and
/// answers an INVITE without one when it is Bob (`calls.rs`).
#[test]
fn a_redirect_server_3_6() {
    let mut path = Path::new();
    path.moved = Some("<sip:bob@chicago.example.com>");
    let alice = path.call(CallOptions { redirects: 1, ..CallOptions::default() });
    let flow = path.flow(200);
    assert_eq!(flow[..3], ["A>P1 INVITE", "P1>A 302 INVITE", "A>P1 ACK"]);
    assert_eq!(flow[3..], RINGING);
    // F4: another address in the same call.
    let invite = path.request(Alice, Proxy1, "INVITE");
    assert_eq!(
        (invite.uri.to_string().as_str(), invite.headers.get("CSeq")),
        ("sip:bob@chicago.example.com", Some("2 INVITE"))
    );
    assert_eq!(invite.to().unwrap().uri.to_string(), "sip:bob@biloxi.example.com");
    answered_and_ended(&mut path, alice);
}

#[test]
fn another_address_3_7() {
    let mut party = Party::new(2);
    let (alice, bob) = party.connect(0, 1);
    party.agents[1].offer(party.now, bob, sdp(2, "sendrecv")).unwrap();
    party.until(0, |event| matches!(event, Event::Offer { .. }));
    party.agents[0].accept_offer(party.now, alice, sdp(2, "sendrecv")).unwrap();
    party.run(500);
    // F5: in the dialog, with a Contact of its own and the next version of the description.
    let invite = party.request("INVITE");
    assert!(invite.to().unwrap().tag().is_some() && invite.contacts().len() == 1);
    assert!(String::from_utf8(invite.body).unwrap().contains("o=- 1 2 IN IP4"));
    assert_eq!(party.flow(), ["bob > alice: INVITE", "alice > bob: 200 INVITE", "bob > alice: ACK"]);
    party.agents[0].hangup(party.now, alice).unwrap();
    assert_eq!(party.flow(), ["alice > bob: BYE", "bob > alice: 200 BYE"]);
    party.assert_idle();
}

#[test]
fn no_answer_3_8() {
    let mut path = Path::new();
    let alice = path.call(CallOptions::default());
    assert_eq!(path.flow(200), RINGING);
    let bob = path.bobs();
    path.alice.hangup(path.now, alice).unwrap();
    let flow = path.flow(200);
    let expected = [
        "A>P1 CANCEL",
        "P1>A 200 CANCEL",
        "P1>P2 CANCEL",
        "P2>P1 200 CANCEL",
        "P2>B CANCEL",
        "B>P2 200 CANCEL",
        "B>P2 487 INVITE",
        "P2>B ACK",
        "P2>P1 487 INVITE",
        "P1>P2 ACK",
        "P1>A 487 INVITE",
        "A>P1 ACK",
    ];
    assert_eq!(flow, expected);
    // F9: the INVITE's Via, number and addressee, and nothing that it has no use for (RFC 3261 §9.1).
    let (cancel, invite) = (path.request(Alice, Proxy1, "CANCEL"), path.request(Alice, Proxy1, "INVITE"));
    assert_eq!((cancel.top_via().unwrap(), &cancel.uri), (invite.top_via().unwrap(), &invite.uri));
    assert_eq!((cancel.headers.get("CSeq"), cancel.headers.get("To")), (Some("1 CANCEL"), invite.headers.get("To")));
    assert_eq!((cancel.headers.get("Require"), cancel.vias().len()), (None, 1));
    // F14 and F15 have one To tag (§9.2).
    let tags = [200, 487].map(|status| path.response(Bob, Proxy2, status).to().unwrap().tag().map(str::to_owned));
    assert_eq!(tags[0], tags[1]);
    assert_eq!(end(&path.events(Alice), alice), Some((Cause::Cancelled, Some(487))));
    assert_eq!(end(&path.events(Bob), bob), Some((Cause::Missed, None)));
    path.assert_idle();
}

#[test]
fn busy_3_9() {
    let mut path = Path::new();
    let alice = path.call(CallOptions::default());
    assert_eq!(path.flow(200), RINGING);
    path.bob.hangup(path.now, path.bobs()).unwrap();
    assert_eq!(path.flow(200), refused(486));
    // F11: the INVITE's Via, Bob's tag.
    let (ack, invite) = (path.request(Alice, Proxy1, "ACK"), path.request(Alice, Proxy1, "INVITE"));
    let refusal = path.response(Proxy1, Alice, 486);
    assert_eq!((ack.top_via().unwrap(), &ack.uri), (invite.top_via().unwrap(), &invite.uri));
    assert_eq!((ack.to().unwrap(), ack.headers.get("Route")), (refusal.to().unwrap(), None));
    assert_eq!(end(&path.events(Alice), alice), Some((Cause::Busy, Some(486))));
    path.assert_idle();
}

#[test]
fn no_response_3_10() {
    let mut path = Path::new();
    path.deaf = Some(Bob);
    let alice = path.call(CallOptions::default());
    assert_eq!(path.flow(200), RINGING[..5]);
    assert!(path.events(Alice).is_empty(), "100 is nothing to tell");
    // Timer C of the proxies is three minutes; ours would be as long, so they are first.
    path.flow(170_000);
    path.give_up(Proxy2, 480);
    let flow = path.flow(200);
    assert_eq!(flow, ["P2>P1 480 INVITE", "P1>P2 ACK", "P1>A 480 INVITE", "A>P1 ACK"]);
    assert_eq!(end(&path.events(Alice), alice), Some((Cause::Unavailable, Some(480))));
    path.assert_idle();
}

#[test]
fn temporarily_unavailable_3_11() {
    let mut path = Path::new();
    let alice = path.call(CallOptions::default());
    assert_eq!(path.flow(200), RINGING);
    path.bob.reject(path.now, path.bobs(), 480, None).unwrap();
    assert_eq!(path.flow(200), refused(480));
    assert_eq!(path.response(Proxy1, Alice, 480).reason, "Temporarily Unavailable");
    assert_eq!(end(&path.events(Alice), alice), Some((Cause::Unavailable, Some(480))));
    path.assert_idle();
}
