//! Agent to agent over a network that loses, doubles and reorders: both ends agree in the end, and nothing is left over.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/network.rs"]
mod network;

use std::collections::BTreeMap;
use std::time::Duration;

use network::{Network, Random, STORM, Weather};
use soft_phone_sip::{Body, CallId, CallOptions, Cause, Event, Instant};

/// What a person at one end does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Answer,
    Reject,
    Hangup,
}

/// One end's story of the call.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Story {
    incoming: bool,
    answered: bool,
    ended: Option<Cause>,
}

/// One call from Alice to Bob, each doing what the seed says; the two stories.
fn one_call(seed: u64, weather: Weather) -> [Story; 2] {
    let mut network = Network::new(seed, weather);
    let mut person = Random::new(seed ^ 0x5eed);
    let offer = Body::sdp("offer");
    network.agents[0].call(network.now, "sip:bob@192.0.2.2", offer, CallOptions::default()).unwrap();

    // Bob does something after he hears it ring; then one of them, or both, hang up.
    let (bob, bob_after) = if person.percent(70) { (Act::Answer, 3_000) } else { (Act::Reject, 2_000) };
    let bob_after = person.below(bob_after);
    let mut plan: Vec<(Instant, usize, Act)> = Vec::new();
    let alice_after = if person.percent(40) { person.below(3_000) } else { 5_000 + person.below(10_000) };
    plan.push((Instant::from_millis(alice_after), 0, Act::Hangup));
    if person.percent(50) {
        plan.push((Instant::from_millis(4_000 + person.below(10_000)), 1, Act::Hangup));
    }

    let mut stories = [Story::default(), Story::default()];
    let mut calls: [Option<CallId>; 2] = [network.agents[0].calls().next().map(|call| call.id()), None];
    let end = Instant::from_millis(400_000);
    loop {
        plan.sort_by_key(|(at, side, _)| (*at, *side));
        let next = plan.first().map_or(end, |(at, _, _)| *at);
        let happened = network.step(next);
        for side in 0..2 {
            for event in network.events(side) {
                match event {
                    Event::Incoming { call, .. } => {
                        assert!(!stories[side].incoming, "seed {seed}: it rang twice");
                        stories[side].incoming = true;
                        calls[side] = Some(call);
                        plan.push((network.now + Duration::from_millis(bob_after), side, bob));
                    }
                    Event::Answered { .. } => stories[side].answered = true,
                    Event::Ended { cause, .. } => {
                        assert_eq!(stories[side].ended, None, "seed {seed}: ended twice");
                        stories[side].ended = Some(cause);
                    }
                    _ => {}
                }
            }
        }
        if !happened {
            if plan.is_empty() {
                break;
            }
            let (_, side, act) = plan.remove(0);
            let (Some(call), agent) = (calls[side], &mut network.agents[side]) else { continue };
            // The call may be over, or past what was planned: then the person finds the button disabled.
            let _ = match act {
                Act::Answer => agent.answer(network.now, call, Body::sdp("answer")),
                Act::Reject => agent.reject(network.now, call, 486, None),
                Act::Hangup => agent.hangup(network.now, call),
            };
        }
    }
    for (side, agent) in network.agents.iter().enumerate() {
        assert_eq!(agent.live(), [0, 0, 0, 0], "seed {seed}, side {side}: {stories:?}");
        assert_eq!(agent.counters().malformed, 0);
    }
    stories
}

/// Whether the two ends tell the same story.
fn consistent([alice, bob]: &[Story; 2]) -> bool {
    use Cause::{Busy, Cancelled, Declined, LocalHangup, Missed, RemoteHangup};
    match (alice.ended, bob.ended) {
        // INVITE and CANCEL were both too late, or the CANCEL was never allowed to leave.
        (Some(Cancelled), None) => !bob.incoming,
        (Some(Cancelled), Some(Missed)) => !alice.answered && !bob.answered,
        // The answer crossed the CANCEL: the session was made, and ended by BYE from either side.
        (Some(Cancelled), Some(RemoteHangup | LocalHangup)) => !alice.answered,
        (Some(Cancelled | Busy), Some(Declined)) => !alice.answered && !bob.answered,
        (Some(LocalHangup), Some(RemoteHangup | LocalHangup)) => alice.answered,
        (Some(RemoteHangup), Some(LocalHangup)) => alice.answered,
        _ => false,
    }
}

#[test]
fn five_hundred_calls_through_a_storm_end_alike_on_both_sides() {
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..500 {
        let stories = one_call(seed, STORM);
        assert!(consistent(&stories), "seed {seed}: {stories:?}");
        let name = |story: &Story| story.ended.map_or("never rang", Cause::as_str);
        *ends.entry(format!("{} / {}", name(&stories[0]), name(&stories[1]))).or_default() += 1;
    }
    println!("{ends:#?}");
    // All the ways there are have been walked, and no call was lost to the weather.
    for way in [
        "busy / declined",
        "cancelled / missed",
        "cancelled / remote-hangup",
        "local-hangup / remote-hangup",
        "remote-hangup / local-hangup",
        "local-hangup / local-hangup",
    ] {
        assert!(ends.contains_key(way), "{way}: {ends:#?}");
    }
}

#[test]
fn one_seed_is_one_story() {
    for seed in [3, 77, 412] {
        assert_eq!(one_call(seed, STORM), one_call(seed, STORM));
    }
}

#[test]
fn a_dead_network_ends_every_call() {
    let dead = Weather { loss: 100, doubled: 0, delay: 10, jitter: 0 };
    for seed in 0..20 {
        let [alice, bob] = one_call(seed, dead);
        assert!(matches!(alice.ended, Some(Cause::Network | Cause::Cancelled)), "{alice:?}");
        assert_eq!(bob, Story::default());
    }
}
