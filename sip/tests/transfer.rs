//! Transfers between agents: who asks whom for what, what is reported, and what is left when it fails (RFC 3515, RFC 3891,
//! RFC 3892, RFC 4488, RFC 5589).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/party.rs"]
mod party;

use party::Party;
use soft_phone_sip::{Body, CallId, CallOptions, CallState, Cause, Error, Event, TransferId};

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// What a transferor hears: statuses, and whether it was the last word.
fn progress(events: &[Event]) -> Vec<(u16, bool)> {
    let of = |event: &Event| match event {
        Event::TransferProgress { status, done, .. } => Some((*status, *done)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn asked(events: &[Event]) -> Option<TransferId> {
    events.iter().find_map(|event| match event {
        Event::Transfer { transfer, .. } => Some(*transfer),
        _ => None,
    })
}

fn ended(events: &[Event]) -> Vec<(CallId, Cause)> {
    let of = |event: &Event| match event {
        Event::Ended { call, cause, .. } => Some((*call, *cause)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// Bob accepts what Alice asks.
fn accept(party: &mut Party) -> CallId {
    let events = party.until(BOB, |event| matches!(event, Event::Transfer { .. }));
    let now = party.now;
    party.agents[BOB].accept_transfer(now, asked(&events).unwrap(), Body::sdp("offer"), CallOptions::default()).unwrap()
}

#[test]
fn a_blind_transfer_is_the_flow_of_rfc_5589() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    party.agents[ALICE].transfer(party.now, alice, "sip:carol@example.com").unwrap();
    let events = party.until(BOB, |event| matches!(event, Event::Transfer { .. }));
    let Some(Event::Transfer { call, transfer, target, replaces, referred_by }) = events.last() else { panic!() };
    assert_eq!((*call, target.uri.to_string().as_str(), *replaces), (bob, "sip:carol@example.com", false));
    assert_eq!(referred_by.as_ref().unwrap().uri.to_string(), "sip:alice@example.com");
    let refer = party.request("REFER");
    assert_eq!(refer.headers.get("Refer-To"), Some("<sip:carol@example.com>"));
    assert_eq!(refer.headers.get("Referred-By"), Some("<sip:alice@example.com>"));
    assert_eq!(refer.headers.get("Contact"), Some("<sip:alice@192.0.2.1:5060>"));
    // Nothing is called before the driver says so.
    assert_eq!(
        party.flow(),
        ["alice > bob: REFER", "bob > alice: 202 REFER", "bob > alice: NOTIFY", "alice > bob: 200 NOTIFY",]
    );
    let made =
        party.agents[BOB].accept_transfer(party.now, *transfer, Body::sdp("offer"), CallOptions::default()).unwrap();
    party.run(1_000);
    assert_eq!(party.request("INVITE").headers.get("Referred-By"), Some("<sip:alice@example.com>"));
    assert_eq!(
        party.flow(),
        ["bob > carol: INVITE", "carol > bob: 180 INVITE", "bob > alice: NOTIFY", "alice > bob: 200 NOTIFY",]
    );
    assert_eq!(progress(&party.events(ALICE)), [(100, false), (180, false)]);
    assert_eq!(party.state(ALICE, alice), Some(CallState::Active), "202 and 180 end nothing");
    let carol = party.last_call(CAROL);
    party.agents[CAROL].answer(party.now, carol, Body::sdp("answer")).unwrap();
    party.run(1_000);
    let notifies = party.requests("NOTIFY");
    assert_eq!(notifies[0].headers.get("Event"), Some("refer"));
    assert_eq!(notifies[0].headers.get("Subscription-State"), Some("terminated;reason=noresource"));
    assert_eq!(notifies[0].headers.get("Content-Type"), Some("message/sipfrag;version=2.0"));
    assert_eq!(notifies[0].body, b"SIP/2.0 200 OK\r\n");
    let mut flow = party.flow();
    flow.sort();
    let mut expected = vec![
        "carol > bob: 200 INVITE",
        "bob > carol: ACK",
        "bob > alice: NOTIFY",
        "alice > bob: 200 NOTIFY",
        "alice > bob: BYE",
        "bob > alice: 200 BYE",
    ];
    expected.sort_unstable();
    assert_eq!(flow, expected);
    let events = party.events(ALICE);
    assert_eq!((progress(&events), ended(&events)), (vec![(200, true)], vec![(alice, Cause::LocalHangup)]));
    assert_eq!(ended(&party.events(BOB)), [(bob, Cause::RemoteHangup)]);
    assert_eq!(party.state(BOB, made), Some(CallState::Active));
    party.agents[BOB].hangup(party.now, made).unwrap();
    party.assert_idle();
}

#[test]
fn a_transfer_to_someone_busy_leaves_the_call_as_it_was() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    party.agents[ALICE].transfer(party.now, alice, "sip:carol@example.com").unwrap();
    accept(&mut party);
    party.until(CAROL, |event| matches!(event, Event::Incoming { .. }));
    let carol = party.last_call(CAROL);
    party.agents[CAROL].reject(party.now, carol, 486, Some("In a meeting")).unwrap();
    let events = party.until(ALICE, |event| matches!(event, Event::TransferProgress { done: true, .. }));
    let Some(Event::TransferProgress { status, reason, .. }) = events.last() else { panic!() };
    assert_eq!((*status, reason.as_str()), (486, "In a meeting"));
    party.run(60_000);
    assert_eq!((party.state(ALICE, alice), party.state(BOB, bob)), (Some(CallState::Active), Some(CallState::Active)));
    // A second try has a name (RFC 3515 §2.4.6).
    party.agents[ALICE].transfer(party.now, alice, "sip:carol@example.com").unwrap();
    accept(&mut party);
    party.run(1_000);
    let seq = party.request("REFER").cseq().unwrap().seq;
    assert_eq!(party.request("NOTIFY").headers.get("Event"), Some(format!("refer;id={seq}").as_str()));
    assert_eq!(progress(&party.events(ALICE)), [(100, false), (180, false)]);
    party.agents[ALICE].hangup(party.now, alice).unwrap();
    let carol = party.last_call(CAROL);
    party.agents[CAROL].reject(party.now, carol, 603, None).unwrap();
    party.assert_idle();
}

#[test]
fn a_transfer_that_nobody_wants_is_declined_and_one_that_nobody_looks_at_times_out() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    party.agents[ALICE].transfer(party.now, alice, "sip:carol@example.com").unwrap();
    let again = party.agents[ALICE].transfer(party.now, alice, "sip:dave@example.com");
    assert_eq!(again, Err(Error::WrongState { state: "transferring" }));
    let events = party.until(BOB, |event| matches!(event, Event::Transfer { .. }));
    let transfer = asked(&events).unwrap();
    assert_eq!(party.agents[BOB].reject_transfer(party.now, transfer, 200), Err(Error::Status(200)));
    party.agents[BOB].reject_transfer(party.now, transfer, 603).unwrap();
    assert_eq!(party.agents[BOB].reject_transfer(party.now, transfer, 603), Err(Error::UnknownTransfer));
    let late = party.agents[BOB].accept_transfer(party.now, transfer, Body::sdp("offer"), CallOptions::default());
    assert_eq!(late, Err(Error::UnknownTransfer));
    let events = party.until(ALICE, |event| matches!(event, Event::TransferProgress { done: true, .. }));
    assert_eq!(progress(&events), [(100, false), (603, true)]);

    party.agents[ALICE].transfer(party.now, alice, "sip:carol@example.com").unwrap();
    party.run(61_000);
    assert_eq!(progress(&party.events(ALICE)), [(100, false), (408, true)]);
    assert_eq!((party.state(ALICE, alice), party.state(BOB, bob)), (Some(CallState::Active), Some(CallState::Active)));
    party.agents[BOB].hangup(party.now, bob).unwrap();
    party.assert_idle();
}

#[test]
fn without_reports_the_call_ends_with_the_202() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    party.agents[ALICE].transfer_unwatched(party.now, alice, "sip:carol@example.com").unwrap();
    party.run(100);
    let refer = party.request("REFER");
    assert_eq!((refer.headers.get("Refer-Sub"), refer.headers.lists("Supported", "norefersub")), (Some("false"), true));
    let events = party.events(ALICE);
    assert_eq!((progress(&events), ended(&events)), (vec![(202, true)], vec![(alice, Cause::LocalHangup)]));
    let events = party.events(BOB);
    assert_eq!(ended(&events), [(bob, Cause::RemoteHangup)]);
    let made = party.agents[BOB]
        .accept_transfer(party.now, asked(&events).unwrap(), Body::sdp("offer"), CallOptions::default())
        .unwrap();
    party.run(1_000);
    let carol = party.last_call(CAROL);
    party.agents[CAROL].answer(party.now, carol, Body::sdp("answer")).unwrap();
    party.run(1_000);
    assert!(party.requests("NOTIFY").is_empty());
    assert_eq!(party.state(BOB, made), Some(CallState::Active));
    party.agents[CAROL].hangup(party.now, carol).unwrap();
    party.assert_idle();
}

#[test]
fn a_transferor_that_hangs_up_early_is_still_told() {
    let mut party = Party::new(3);
    let (alice, bob) = party.connect(ALICE, BOB);
    party.agents[ALICE].transfer(party.now, alice, "sip:carol@example.com").unwrap();
    let made = accept(&mut party);
    party.agents[ALICE].hangup(party.now, alice).unwrap();
    party.run(1_000);
    assert_eq!(ended(&party.events(BOB)), [(bob, Cause::RemoteHangup)]);
    party.events(ALICE);
    party.log.clear();
    let carol = party.last_call(CAROL);
    party.agents[CAROL].answer(party.now, carol, Body::sdp("answer")).unwrap();
    let flow = party.flow();
    assert!(flow.iter().any(|line| line == "alice > bob: 200 NOTIFY"), "{flow:?}");
    assert_eq!(party.events(ALICE), [], "the call is over, its driver hears no more of it");
    assert_eq!(party.state(BOB, made), Some(CallState::Active));
    party.agents[BOB].hangup(party.now, made).unwrap();
    party.assert_idle();
}

/// What became of one transfer through a network that loses: whether Alice was told 2xx, and whether Bob and Carol talk.
fn one_transfer(seed: u64, loss: u64) -> (Option<(u16, bool)>, bool) {
    let mut party = Party::with(3, 0, seed, |_| {});
    let (alice, bob) = party.connect(ALICE, BOB);
    party.loss = loss;
    party.agents[ALICE].transfer(party.now, alice, "sip:carol@example.com").unwrap();
    let carol_answers = party.below(100) < 70;
    let end = party.now + std::time::Duration::from_secs(200);
    let (mut told, mut made, mut asked) = (None, None, 0);
    while party.step(end) {
        let now = party.now;
        for event in party.events(ALICE) {
            match event {
                Event::TransferProgress { status, done, .. } => {
                    assert!(!matches!(told, Some((_, true))), "seed {seed}: {status} after the last word");
                    told = Some((status, done));
                }
                Event::Ended { call, .. } => assert_eq!(call, alice),
                _ => {}
            }
        }
        for event in party.events(BOB) {
            if let Event::Transfer { transfer, .. } = event {
                asked += 1;
                let options = CallOptions::default();
                made = Some(party.agents[BOB].accept_transfer(now, transfer, Body::sdp("offer"), options).unwrap());
            }
        }
        for event in party.events(CAROL) {
            if let Event::Incoming { call, .. } = event {
                let agent = &mut party.agents[CAROL];
                let done = if carol_answers {
                    agent.answer(now, call, Body::sdp("answer"))
                } else {
                    agent.reject(now, call, 486, None)
                };
                done.unwrap();
            }
        }
    }
    assert!(asked <= 1, "seed {seed}: asked {asked} times");
    let talk = made.is_some_and(|made| party.state(BOB, made) == Some(CallState::Active));
    // The call that was transferred is there exactly when the transfer failed.
    let failed = !matches!(told, Some((200, true)));
    for (side, call) in [(ALICE, alice), (BOB, bob)] {
        assert_eq!(party.state(side, call).is_some(), failed, "seed {seed}: {told:?}");
    }
    for side in [ALICE, BOB, CAROL] {
        let calls: Vec<CallId> = party.agents[side].calls().map(soft_phone_sip::Call::id).collect();
        for call in calls {
            // It may be over by the hand of the other before its turn comes.
            let _ = party.agents[side].hangup(party.now, call);
        }
    }
    party.assert_idle();
    (told, talk)
}

#[test]
fn two_hundred_transfers_through_a_bad_network_end_alike_everywhere() {
    let (mut done, mut refused, mut lost) = (0, 0, 0);
    for seed in 0..200 {
        match one_transfer(seed, 15) {
            (Some((200, true)), talk) => {
                assert!(talk, "seed {seed}");
                done += 1;
            }
            (Some((486, true)), talk) => {
                assert!(!talk, "seed {seed}");
                refused += 1;
            }
            (Some((_, true)), _) => lost += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(done > 100 && refused > 30 && lost < 10, "{done} done, {refused} refused, {lost} lost");
}

#[test]
fn thirty_attended_transfers_through_a_bad_network_leave_two_who_talk() {
    let mut lost = 0;
    for seed in 0..30 {
        let mut party = Party::with(3, 0, seed, |_| {});
        let (alice, bob) = party.connect(ALICE, BOB);
        let (other, carol) = party.connect(ALICE, CAROL);
        party.loss = 15;
        party.agents[ALICE].transfer_to(party.now, alice, other).unwrap();
        let end = party.now + std::time::Duration::from_secs(200);
        let (mut told, mut made, mut new) = (None, None, None);
        while party.step(end) {
            let now = party.now;
            for event in party.events(ALICE) {
                if let Event::TransferProgress { status, done: true, .. } = event {
                    told = Some(status);
                }
            }
            for event in party.events(BOB) {
                if let Event::Transfer { transfer, replaces, .. } = event {
                    assert!(replaces, "seed {seed}");
                    let options = CallOptions::default();
                    made = party.agents[BOB].accept_transfer(now, transfer, Body::sdp("offer"), options).ok();
                }
            }
            for event in party.events(CAROL) {
                if let Event::Incoming { call, .. } = event {
                    let of = party.agents[CAROL].get(call).and_then(soft_phone_sip::Call::replaces);
                    assert_eq!(of, Some(carol), "seed {seed}");
                    party.agents[CAROL].answer(now, call, Body::sdp("answer")).unwrap();
                    new = Some(call);
                }
            }
        }
        if told == Some(200) {
            let talk = (made.and_then(|call| party.state(BOB, call)), new.and_then(|call| party.state(CAROL, call)));
            assert_eq!(talk, (Some(CallState::Active), Some(CallState::Active)), "seed {seed}");
            let old = [party.state(ALICE, alice), party.state(ALICE, other), party.state(BOB, bob)];
            assert_eq!((old, party.state(CAROL, carol)), ([None; 3], None), "seed {seed}");
        } else {
            lost += 1;
        }
    }
    assert!(lost < 3, "{lost} lost");
}
