//! The services of RFC 5359 §2 between phones without a server: who sends what to whom, in order. Where the RFC lets a
//! proxy do it (§2.7 to §2.9), the phone does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/party.rs"]
mod party;

use party::{Party, sdp};
use soft_phone_sip::{CallId, CallOptions, CallState, Cause, Event, Replaces, TransferId};

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// What a phone changes its session to, and what the other one answers; the flow of it.
fn change(party: &mut Party, from: (usize, CallId), to: (usize, CallId), offer: &str, answer: &str) -> Vec<String> {
    let version = 2 + party.messages.len() as u32;
    party.agents[from.0].offer(party.now, from.1, sdp(version, offer)).unwrap();
    party.until(to.0, |event| matches!(event, Event::Offer { .. }));
    party.agents[to.0].accept_offer(party.now, to.1, sdp(version, answer)).unwrap();
    party.run(500);
    let invite = party.request("INVITE");
    assert!(String::from_utf8(invite.body).unwrap().contains(&format!("a={offer}\r\n")));
    party.flow()
}

fn hold(party: &mut Party, from: (usize, CallId), to: (usize, CallId)) -> Vec<String> {
    change(party, from, to, "sendonly", "recvonly")
}

/// What one phone says about one call in short words.
fn story(events: &[Event], call: CallId) -> Vec<String> {
    let of = |event: &Event| match event {
        Event::State { call: of, state, .. } if *of == call => Some(state.to_string()),
        Event::RemoteHold { call: of, held } if *of == call => Some(format!("held-by-peer({held})")),
        Event::TransferProgress { call: of, status, done, .. } if *of == call => Some(format!("{status} {done}")),
        Event::Ended { call: of, cause, .. } if *of == call => Some(cause.to_string()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn asked(events: &[Event]) -> TransferId {
    let of = |event: &Event| match event {
        Event::Transfer { transfer, .. } => Some(*transfer),
        _ => None,
    };
    events.iter().find_map(of).unwrap()
}

/// A phone does what it was asked for.
fn follow(party: &mut Party, side: usize) -> CallId {
    let events = party.until(side, |event| matches!(event, Event::Transfer { .. }));
    let now = party.now;
    party.agents[side].accept_transfer(now, asked(&events), sdp(1, "sendrecv"), CallOptions::default()).unwrap()
}

/// A phone that is called answers.
fn pick_up(party: &mut Party, side: usize) -> CallId {
    party.until(side, |event| matches!(event, Event::Incoming { .. }));
    let call = party.last_call(side);
    party.agents[side].answer(party.now, call, sdp(1, "sendrecv")).unwrap();
    call
}

#[test]
fn call_hold_2_1() {
    let mut party = Party::new(2);
    let (alice, bob) = party.connect(ALICE, BOB);
    // F5 to F7.
    let flow = hold(&mut party, (BOB, bob), (ALICE, alice));
    assert_eq!(flow, ["bob > alice: INVITE", "alice > bob: 200 INVITE", "bob > alice: ACK"]);
    assert_eq!((party.state(BOB, bob), party.state(ALICE, alice)), (Some(CallState::Held), Some(CallState::Active)));
    assert!(party.agents[ALICE].get(alice).unwrap().remote_held());
    assert_eq!(story(&party.events(ALICE), alice), ["held-by-peer(true)"]);
    // F8 to F10.
    let flow = change(&mut party, (BOB, bob), (ALICE, alice), "sendrecv", "sendrecv");
    assert_eq!(flow, ["bob > alice: INVITE", "alice > bob: 200 INVITE", "bob > alice: ACK"]);
    assert_eq!(story(&party.events(BOB), bob), ["held", "active"]);
    assert_eq!(story(&party.events(ALICE), alice), ["held-by-peer(false)"]);
    // F11, F12.
    party.agents[ALICE].hangup(party.now, alice).unwrap();
    assert_eq!(party.flow(), ["alice > bob: BYE", "bob > alice: 200 BYE"]);
    party.assert_idle();
}

#[test]
fn consultation_hold_2_2() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    hold(&mut party, (BOB, bob), (ALICE, alice));
    // Bob asks Carol, and comes back.
    let (to_carol, carol) = party.connect(BOB, CAROL);
    party.agents[CAROL].hangup(party.now, carol).unwrap();
    assert_eq!(party.flow(), ["carol > bob: BYE", "bob > carol: 200 BYE"]);
    assert_eq!(story(&party.events(BOB), to_carol), ["ending", "ended", "remote-hangup"]);
    assert_eq!(party.state(BOB, bob), Some(CallState::Held));
    change(&mut party, (BOB, bob), (ALICE, alice), "sendrecv", "sendrecv");
    assert_eq!(party.state(BOB, bob), Some(CallState::Active));
    party.agents[ALICE].hangup(party.now, alice).unwrap();
    party.assert_idle();
}

#[test]
fn transfer_unattended_2_4() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    let flow = hold(&mut party, (BOB, bob), (ALICE, alice));
    assert_eq!(flow, ["bob > alice: INVITE", "alice > bob: 200 INVITE", "bob > alice: ACK"]);
    party.agents[BOB].transfer(party.now, bob, "sip:carol@example.com").unwrap();
    let made = follow(&mut party, ALICE);
    party.run(500);
    assert_eq!(party.request("INVITE").headers.get("Referred-By"), Some("<sip:bob@example.com>"));
    assert_eq!(
        party.flow(),
        [
            "bob > alice: REFER",
            "alice > bob: 202 REFER",
            "alice > bob: NOTIFY",
            "alice > carol: INVITE",
            "bob > alice: 200 NOTIFY",
            "carol > alice: 180 INVITE",
            "alice > bob: NOTIFY",
            "bob > alice: 200 NOTIFY",
        ]
    );
    let carol = pick_up(&mut party, CAROL);
    assert_eq!(
        party.flow(),
        [
            "carol > alice: 200 INVITE",
            "alice > carol: ACK",
            "alice > bob: NOTIFY",
            "bob > alice: 200 NOTIFY",
            "bob > alice: BYE",
            "alice > bob: 200 BYE",
        ]
    );
    let told = story(&party.events(BOB), bob);
    assert_eq!(told, ["held", "100 false", "180 false", "200 true", "ending", "ended", "local-hangup"]);
    assert_eq!(party.state(ALICE, made), Some(CallState::Active));
    party.agents[CAROL].hangup(party.now, carol).unwrap();
    party.assert_idle();
}

#[test]
fn transfer_attended_2_5() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    hold(&mut party, (BOB, bob), (ALICE, alice));
    let (to_carol, carol) = party.connect(BOB, CAROL);
    hold(&mut party, (BOB, to_carol), (CAROL, carol));
    party.events(BOB);
    party.agents[BOB].transfer_to(party.now, bob, to_carol).unwrap();
    let made = follow(&mut party, ALICE);
    // Carol's phone knows whose place the call takes, and asks nobody.
    let events = party.until(CAROL, |event| matches!(event, Event::Incoming { .. }));
    let Some(Event::Incoming { call: new, .. }) = events.last() else { panic!() };
    assert_eq!(party.agents[CAROL].get(*new).unwrap().replaces(), Some(carol));
    party.agents[CAROL].answer(party.now, *new, sdp(1, "sendrecv")).unwrap();
    let invite = party.request("INVITE");
    let name = party.agents[BOB].get(to_carol).unwrap().sip_call_id().to_owned();
    let replaces: Replaces = invite.headers.get("Replaces").unwrap().parse().unwrap();
    assert_eq!((replaces.call_id, replaces.early_only), (name, false));
    assert!(invite.headers.get_list("Require").eq(["replaces"]));
    let mut flow = party.flow();
    let head = flow.drain(..4).collect::<Vec<_>>();
    assert_eq!(head, ["bob > alice: REFER", "alice > bob: 202 REFER", "alice > bob: NOTIFY", "alice > carol: INVITE"]);
    flow.retain(|line| !line.ends_with("200 NOTIFY") && !line.ends_with("200 BYE"));
    flow.sort_unstable();
    assert_eq!(
        flow,
        [
            "alice > bob: NOTIFY",
            "alice > carol: ACK",
            "bob > alice: BYE",
            "carol > alice: 200 INVITE",
            "carol > bob: BYE",
        ]
    );
    let events = party.events(BOB);
    assert_eq!(story(&events, to_carol), ["ending", "ended", "remote-hangup"]);
    assert_eq!(story(&events, bob), ["100 false", "200 true", "ending", "ended", "local-hangup"]);
    assert_eq!(
        (party.state(ALICE, made), party.state(CAROL, *new)),
        (Some(CallState::Active), Some(CallState::Active))
    );
    assert_eq!(party.agents[BOB].calls().count(), 0);
    party.agents[ALICE].hangup(party.now, made).unwrap();
    party.assert_idle();
}

#[test]
fn a_target_that_hung_up_meanwhile_leaves_the_held_call_usable() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    hold(&mut party, (BOB, bob), (ALICE, alice));
    let (to_carol, carol) = party.connect(BOB, CAROL);
    party.agents[BOB].transfer_to(party.now, bob, to_carol).unwrap();
    party.agents[CAROL].hangup(party.now, carol).unwrap();
    follow(&mut party, ALICE);
    let events = party.until(BOB, |event| matches!(event, Event::TransferProgress { done: true, .. }));
    // RFC 3891 §3: the dialog is over.
    assert_eq!(story(&events, bob).last().map(String::as_str), Some("603 true"));
    assert_eq!(party.state(BOB, bob), Some(CallState::Held));
    change(&mut party, (BOB, bob), (ALICE, alice), "sendrecv", "sendrecv");
    assert_eq!((party.state(BOB, bob), party.state(ALICE, alice)), (Some(CallState::Active), Some(CallState::Active)));
    party.agents[ALICE].hangup(party.now, alice).unwrap();
    party.assert_idle();
}

/// A call that Bob sends on to Carol, at once (§2.7, §2.8) or after it has rung (§2.9).
fn forwarded(after: u64) -> Vec<String> {
    let mut party = Party::new(3);
    let options = CallOptions { redirects: 5, ..CallOptions::default() };
    let alice = party.agents[ALICE].call(party.now, "sip:bob@example.com", sdp(1, "sendrecv"), options).unwrap();
    party.until(BOB, |event| matches!(event, Event::Incoming { .. }));
    let bob = party.last_call(BOB);
    party.run(after);
    party.agents[BOB].redirect(party.now, bob, "sip:carol@example.com").unwrap();
    pick_up(&mut party, CAROL);
    party.run(500);
    assert_eq!(party.request("INVITE").uri.to_string(), "sip:carol@example.com");
    let flow = party.flow();
    let events = party.events(BOB);
    assert!(events.iter().any(|event| matches!(event, Event::Ended { cause: Cause::Redirected, .. })), "{events:?}");
    assert_eq!(party.state(ALICE, alice), Some(CallState::Active));
    party.agents[ALICE].hangup(party.now, alice).unwrap();
    party.assert_idle();
    flow
}

#[test]
fn call_forwarding_2_7_to_2_9() {
    for after in [0, 20_000] {
        assert_eq!(
            forwarded(after),
            [
                "alice > bob: INVITE",
                "bob > alice: 180 INVITE",
                "bob > alice: 302 INVITE",
                "alice > bob: ACK",
                "alice > carol: INVITE",
                "carol > alice: 180 INVITE",
                "carol > alice: 200 INVITE",
                "alice > carol: ACK",
            ]
        );
    }
}

#[test]
fn call_park_2_15() {
    // Carol is the place where calls are parked: she answers by herself and plays music.
    let mut party = Party::new(4);
    let (alice, bob) = party.connect(ALICE, BOB);
    hold(&mut party, (BOB, bob), (ALICE, alice));
    party.agents[BOB].transfer(party.now, bob, "sip:carol@example.com").unwrap();
    let parked = follow(&mut party, ALICE);
    let carol = pick_up(&mut party, CAROL);
    party.run(1_000);
    assert_eq!(party.state(BOB, bob), None);
    // Dave fetches it: an INVITE to Alice that takes the place of the call with Carol.
    let replaces = party.agents[CAROL].replaces(carol).unwrap();
    let options = CallOptions { replaces: Some(replaces), ..CallOptions::default() };
    party.log.clear();
    let dave = party.agents[3].call(party.now, "sip:alice@example.com", sdp(1, "sendrecv"), options).unwrap();
    party.until(ALICE, |event| matches!(event, Event::Incoming { .. }));
    let new = party.last_call(ALICE);
    assert_eq!(party.agents[ALICE].get(new).unwrap().replaces(), Some(parked));
    party.agents[ALICE].answer(party.now, new, sdp(1, "sendrecv")).unwrap();
    assert_eq!(
        party.flow(),
        [
            "dave > alice: INVITE",
            "alice > dave: 200 INVITE",
            "dave > alice: ACK",
            "alice > carol: BYE",
            "carol > alice: 200 BYE",
        ]
    );
    assert_eq!((party.state(3, dave), party.state(ALICE, parked)), (Some(CallState::Active), None));
    party.agents[3].hangup(party.now, dave).unwrap();
    party.assert_idle();
}

#[test]
fn call_pickup_2_16() {
    // Alice calls Bob, who is out; Carol has seen it ring, and takes it.
    let mut party = Party::new(3);
    let options = CallOptions::default();
    let alice = party.agents[ALICE].call(party.now, "sip:bob@example.com", sdp(1, "sendrecv"), options).unwrap();
    party.until(ALICE, |event| matches!(event, Event::Progress { .. }));
    let ringing = party
        .messages
        .iter()
        .find_map(|message| match message {
            soft_phone_sip::Message::Response(response) if response.status == 180 => Some(response.clone()),
            _ => None,
        })
        .unwrap();
    // As the caller sees it: its own tag is the one that is asked.
    let replaces = Replaces {
        call_id: ringing.call_id().to_owned(),
        to_tag: ringing.from().unwrap().tag().unwrap().to_owned(),
        from_tag: ringing.to().unwrap().tag().unwrap().to_owned(),
        early_only: true,
    };
    let options = CallOptions { replaces: Some(replaces), ..CallOptions::default() };
    party.log.clear();
    let carol = party.agents[CAROL].call(party.now, "sip:alice@example.com", sdp(1, "sendrecv"), options).unwrap();
    let new = pick_up(&mut party, ALICE);
    let mut flow = party.flow();
    flow.sort_unstable();
    let mut expected = [
        "carol > alice: INVITE",
        "alice > carol: 200 INVITE",
        "carol > alice: ACK",
        "alice > bob: CANCEL",
        "bob > alice: 200 CANCEL",
        "bob > alice: 487 INVITE",
        "alice > bob: ACK",
    ];
    expected.sort_unstable();
    assert_eq!(flow, expected);
    assert_eq!((party.state(ALICE, alice), party.state(ALICE, new)), (None, Some(CallState::Active)));
    party.agents[CAROL].hangup(party.now, carol).unwrap();
    party.assert_idle();
}
