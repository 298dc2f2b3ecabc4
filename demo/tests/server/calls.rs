//! Calls through the proxy, and the numbers that the server answers itself.

use std::time::Duration;

use soft_phone_demo::server::Event as ServerEvent;
use soft_phone_sip::{Body, CallState, Cause, Event};

use crate::network::{Network, first_lines, header};

const MINUTE: Duration = Duration::from_secs(60);

/// After everything has ended, nothing is left in the server but the registrations.
fn assert_quiet(network: &mut Network) {
    network.advance(2 * MINUTE);
    assert_eq!(network.server.activity(), 0);
}

#[test]
fn two_phones_call_each_other_and_each_may_hang_up() {
    for hangs_up in [0, 1] {
        let mut network = Network::with(&["1001", "1002"]);
        let call = network.call(0, "1002");
        assert_eq!(network.phones[0].agent.get(call).unwrap().state(), CallState::Ringing);
        let answered = network.answer(1);
        assert_eq!(network.phones[0].agent.get(call).unwrap().state(), CallState::Active);
        assert_eq!(network.phones[1].agent.get(answered).unwrap().state(), CallState::Active);
        let remote = network.phones[1].agent.get(answered).unwrap().remote();
        assert_eq!(remote.uri.user.as_deref(), Some("1001"));
        network.advance(MINUTE);
        network.hangup(hangs_up, [call, answered][hangs_up]);
        let causes = [network.ended(0).unwrap().0, network.ended(1).unwrap().0];
        assert_eq!(causes[hangs_up], Cause::LocalHangup);
        assert_eq!(causes[1 - hangs_up], Cause::RemoteHangup);
        assert_quiet(&mut network);
    }
}

#[test]
fn an_invite_is_challenged_and_its_credentials_stay_here() {
    let mut network = Network::with(&["1001", "1002"]);
    network.phones[0].received.clear();
    network.call(0, "1002");
    let lines = first_lines(&network.phones[0].received);
    assert_eq!(lines, ["SIP/2.0 407 Proxy Authentication Required", "SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"]);
    let invite = network.phones[1].received.iter().find(|message| message.starts_with("INVITE")).unwrap();
    assert_eq!(header(invite, "Proxy-Authorization"), None);
    assert_eq!(header(invite, "Max-Forwards"), Some("69"));
    assert_eq!(invite.matches("Record-Route: ").count(), 2);
    assert!(invite.starts_with("INVITE sip:") && invite.lines().next().unwrap().contains(".invalid"));
}

#[test]
fn a_name_may_be_dialled_and_so_may_the_servers_other_names() {
    for target in ["bob", "sip:1002@127.0.0.1", "sip:bob@localhost"] {
        let mut network = Network::with(&["1001", "1002"]);
        network.call(0, target);
        network.incoming(1);
    }
}

#[test]
fn numbers_that_lead_nowhere() {
    for (target, cause, status) in [
        ("999", Cause::NotFound, 404),
        ("1003", Cause::Unavailable, 480),
        ("sip:1002@example.com", Cause::NotFound, 404),
        ("602", Cause::Busy, 486),
    ] {
        let mut network = Network::with(&["1001"]);
        network.call(0, target);
        assert_eq!(network.ended(0), Some((cause, Some(status))), "{target}");
        assert_quiet(&mut network);
    }
}

#[test]
fn a_declined_call() {
    let mut network = Network::with(&["1001", "1002"]);
    network.call(0, "1002");
    let incoming = network.incoming(1);
    network.phones[1].agent.reject(network.now, incoming, 603, None).unwrap();
    network.run();
    assert_eq!(network.ended(0), Some((Cause::Declined, Some(603))));
    assert_quiet(&mut network);
}

#[test]
fn a_cancelled_call_is_missed() {
    let mut network = Network::with(&["1001", "1002"]);
    let call = network.call(0, "1002");
    network.hangup(0, call);
    assert_eq!(network.ended(0).unwrap().0, Cause::Cancelled);
    assert_eq!(network.ended(1).unwrap().0, Cause::Missed);
    assert_quiet(&mut network);
}

#[test]
fn every_phone_of_a_user_rings_and_the_first_to_answer_wins() {
    let mut network = Network::with(&["1001", "1002", "1002", "1002"]);
    let call = network.call(0, "1002");
    for phone in [1, 2, 3] {
        network.incoming(phone);
    }
    network.answer(2);
    assert_eq!(network.phones[0].agent.get(call).unwrap().state(), CallState::Active);
    for phone in [1, 3] {
        assert_eq!(network.ended(phone).unwrap().0, Cause::AnsweredElsewhere);
        let cancel = network.phones[phone].received.iter().find(|message| message.starts_with("CANCEL")).unwrap();
        assert_eq!(header(cancel, "Reason"), Some(r#"SIP;cause=200;text="Call completed elsewhere""#));
    }
    assert_eq!(network.ended(2), None);
    network.hangup(0, call);
    assert_eq!(network.ended(2).unwrap().0, Cause::RemoteHangup);
    assert_quiet(&mut network);
}

#[test]
fn one_busy_phone_of_two_does_not_end_the_call_but_a_decline_everywhere_does() {
    let mut network = Network::with(&["1001", "1002", "1002"]);
    network.call(0, "1002");
    let first = network.incoming(1);
    network.phones[1].agent.reject(network.now, first, 486, None).unwrap();
    network.run();
    assert_eq!((network.ended(0), network.ended(2)), (None, None));
    let second = network.incoming(2);
    network.phones[2].agent.reject(network.now, second, 480, None).unwrap();
    network.run();
    assert_eq!(network.ended(0), Some((Cause::Busy, Some(486))));

    network.call(0, "1002");
    let first = network.incoming(1);
    network.phones[1].agent.reject(network.now, first, 603, None).unwrap();
    network.run();
    assert_eq!(network.ended(0), Some((Cause::Declined, Some(603))));
    assert!(network.ended(2).is_some());
    assert_quiet(&mut network);
}

#[test]
fn a_phone_that_vanishes_while_it_rings_is_unavailable() {
    let mut network = Network::with(&["1001", "1002"]);
    network.call(0, "1002");
    network.disconnect(1);
    assert_eq!(network.ended(0), Some((Cause::Unavailable, Some(480))));
    network.call(0, "1002");
    assert_eq!(network.ended(0), Some((Cause::Unavailable, Some(480))));
    assert_quiet(&mut network);
}

#[test]
fn a_caller_that_vanishes_stops_the_ringing() {
    let mut network = Network::with(&["1001", "1002"]);
    network.call(0, "1002");
    network.disconnect(0);
    assert_eq!(network.ended(1).unwrap().0, Cause::Missed);
    assert_quiet(&mut network);
}

#[test]
fn a_call_survives_the_reconnection_of_either_end() {
    for reconnects in [0, 1] {
        let mut network = Network::with(&["1001", "1002"]);
        let call = network.call(0, "1002");
        let answered = network.answer(1);
        network.disconnect(reconnects);
        network.connect(reconnects);
        network.advance(Duration::from_secs(5));
        // The other end reaches it by its old token: the phone is known by its instance.
        let other = 1 - reconnects;
        network.hangup(other, [call, answered][other]);
        assert_eq!(network.ended(reconnects).map(|ended| ended.0), Some(Cause::RemoteHangup));
        assert_quiet(&mut network);
    }
}

#[test]
fn a_phone_rings_for_three_minutes_at_most() {
    let mut network = Network::with(&["1001", "1002"]);
    network.call(0, "1002");
    network.advance(3 * MINUTE);
    assert_eq!((network.ended(0), network.ended(1)), (None, None));
    network.advance(Duration::from_secs(2));
    assert_eq!(network.ended(0), Some((Cause::NoAnswer, Some(408))));
    assert_eq!(network.ended(1).unwrap().0, Cause::Missed);
    assert_quiet(&mut network);
}

#[test]
fn two_phones_that_answer_at_once_both_reach_the_caller_which_keeps_one() {
    let mut network = Network::with(&["1001", "1002", "1002"]);
    let call = network.call(0, "1002");
    for phone in [1, 2] {
        let incoming = network.incoming(phone);
        network.phones[phone].agent.answer(network.now, incoming, Body::sdp("answer")).unwrap();
    }
    network.run();
    let answers = network.phones[0].received.iter().filter(|message| {
        message.starts_with("SIP/2.0 200") && header(message, "CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"))
    });
    assert_eq!(answers.count(), 2);
    let ended = [network.ended(1).map(|ended| ended.0), network.ended(2).map(|ended| ended.0)];
    assert_eq!(ended, [None, Some(Cause::RemoteHangup)]);
    network.hangup(0, call);
    assert_eq!(network.ended(1).map(|ended| ended.0), Some(Cause::RemoteHangup));
    assert_quiet(&mut network);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_hung_up() {
    let mut network = Network::with(&["1001", "1002"]);
    let call = network.call(0, "1002");
    let incoming = network.incoming(1);
    network.phones[1].agent.answer(network.now, incoming, Body::sdp("answer")).unwrap();
    network.phones[0].agent.hangup(network.now, call).unwrap();
    network.run();
    assert!(network.ended(0).is_some() && network.ended(1).is_some());
    assert_quiet(&mut network);
}

#[test]
fn number_603_rings_until_it_is_cancelled_or_for_three_minutes() {
    let mut network = Network::with(&["1001"]);
    let call = network.call(0, "603");
    network.advance(2 * MINUTE);
    assert_eq!(network.phones[0].agent.get(call).unwrap().state(), CallState::Ringing);
    network.hangup(0, call);
    assert_eq!(network.ended(0).unwrap().0, Cause::Cancelled);
    network.call(0, "603");
    network.advance(3 * MINUTE);
    assert_eq!(network.ended(0), Some((Cause::NoAnswer, Some(408))));
    assert_quiet(&mut network);
}

#[test]
fn number_600_is_answered_by_the_media_peer() {
    let mut network = Network::with(&["1001"]);
    let call = network.call(0, "600");
    let (echo, offer) = network.echo_offer();
    assert_eq!(offer, "offer");
    network.server.answer_echo(network.now, echo, Some("echo's answer".into()));
    network.run();
    assert_eq!(network.phones[0].agent.get(call).unwrap().state(), CallState::Active);
    assert!(network.phones[0].events.iter().any(|event| {
        matches!(event, Event::Answered { answer: Some(body), .. } if *body == Body::sdp("echo's answer"))
    }));
    network.advance(5 * MINUTE);
    let answers = network.phones[0].received.iter().filter(|message| message.contains("echo's answer")).count();
    assert_eq!(answers, 1, "the 200 came again though it was acknowledged");
    network.hangup(0, call);
    assert_eq!(network.server_events.last(), Some(&ServerEvent::EchoEnded { call: echo }));
    assert_quiet(&mut network);
}

#[test]
fn number_600_hangs_up_when_its_media_dies_and_when_the_server_stops() {
    let mut network = Network::with(&["1001", "1002"]);
    for phone in [0, 1] {
        network.call(phone, "600");
        let (echo, _) = network.echo_offer();
        network.server.answer_echo(network.now, echo, Some("answer".into()));
        network.run();
    }
    let ServerEvent::EchoOffer { call: first, .. } = network.server_events[0] else { panic!("no offer") };
    network.server.hang_up_echo(network.now, first);
    network.run();
    assert_eq!((network.ended(0).map(|ended| ended.0), network.ended(1)), (Some(Cause::RemoteHangup), None));
    network.server.shutdown(network.now);
    network.run();
    assert_eq!(network.ended(1).map(|ended| ended.0), Some(Cause::RemoteHangup));
    assert_quiet(&mut network);
}

#[test]
fn number_600_without_a_usable_offer() {
    let mut network = Network::with(&["1001"]);
    network.call(0, "600");
    let (echo, _) = network.echo_offer();
    network.server.answer_echo(network.now, echo, None);
    network.run();
    assert_eq!(network.ended(0).map(|ended| ended.1), Some(Some(488)));
    assert_quiet(&mut network);
}

#[test]
fn number_600_repeats_its_answer_until_it_is_acknowledged_and_then_hangs_up() {
    let mut network = Network::with(&["1001"]);
    network.call(0, "600");
    let (echo, _) = network.echo_offer();
    // The phone's connection is gone for the network, but nobody has noticed yet: no ACK comes.
    network.phones[0].flow = None;
    network.server.answer_echo(network.now, echo, Some("answer".into()));
    network.advance(MINUTE);
    let flow = *network.raw.keys().next().unwrap();
    let answers = network.raw[&flow].iter().filter(|message| message.starts_with("SIP/2.0 200 OK")).count();
    // 0, 0.5, 1.5, 3.5, 7.5, then every 4 s until 32 s.
    assert_eq!(answers, 11);
    assert!(network.raw[&flow].last().unwrap().starts_with("BYE sip:"));
    assert_eq!(network.server_events.last(), Some(&ServerEvent::EchoEnded { call: echo }));
}

/// A request within the echo call that `phone` has, made from the messages that began it.
fn within(network: &Network, phone: usize, method: &str, sequence: u32, body: &str) -> String {
    let find = |messages: &[String], start: &str| {
        messages.iter().rev().find(|message| message.starts_with(start)).unwrap().clone()
    };
    let invite = find(&network.phones[phone].sent, "INVITE");
    let answer = network.phones[phone].received.iter().find(|message| message.contains("answer")).unwrap();
    format!(
        "{method} sip:600@soft-phone.test SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK{method}{sequence}\r\n\
         Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {sequence} {method}\r\n\
         Contact: {}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        header(&invite, "From").unwrap(),
        header(answer, "To").unwrap(),
        header(&invite, "Call-ID").unwrap(),
        header(&invite, "Contact").unwrap(),
        body.len()
    )
}

#[test]
fn number_600_takes_further_offers_one_at_a_time_and_in_order() {
    let mut network = Network::with(&["1001"]);
    network.call(0, "600");
    let (echo, _) = network.echo_offer();
    network.server.answer_echo(network.now, echo, Some("answer".into()));
    network.run();
    let flow = network.phones[0].flow.unwrap();
    let last = |network: &Network| network.phones[0].received.last().unwrap().clone();

    let hold = within(&network, 0, "INVITE", 100, "hold");
    network.send_raw(flow, &hold);
    assert_eq!(network.echo_offer(), (echo, "hold"));
    let early = within(&network, 0, "INVITE", 101, "too early");
    network.send_raw(flow, &early);
    assert!(last(&network).starts_with("SIP/2.0 500"), "{}", last(&network));
    assert_eq!(header(&last(&network), "Retry-After"), Some("2"));
    network.server.answer_echo(network.now, echo, Some("held".into()));
    network.run();
    assert!(last(&network).starts_with("SIP/2.0 200 OK") && last(&network).ends_with("held"));
    let ack = within(&network, 0, "ACK", 100, "");
    network.send_raw(flow, &ack);

    let late = within(&network, 0, "INFO", 99, "");
    network.send_raw(flow, &late);
    assert!(last(&network).starts_with("SIP/2.0 500"));
    let info = within(&network, 0, "INFO", 102, "");
    network.send_raw(flow, &info);
    assert!(last(&network).starts_with("SIP/2.0 200"));
    let refer = within(&network, 0, "REFER", 103, "");
    network.send_raw(flow, &refer);
    assert!(last(&network).starts_with("SIP/2.0 405"));
    // An offer that cannot be met leaves the call as it was.
    let bad = within(&network, 0, "INVITE", 104, "bad");
    network.send_raw(flow, &bad);
    network.server.answer_echo(network.now, echo, None);
    network.run();
    assert!(last(&network).starts_with("SIP/2.0 488"));
    network.advance(MINUTE);
    assert_eq!(network.ended(0), None);
    let bye = within(&network, 0, "BYE", 105, "");
    network.send_raw(flow, &bye);
    assert_eq!(network.server_events.last(), Some(&ServerEvent::EchoEnded { call: echo }));
}
