//! What a stranger may send.

use std::time::Duration;

use soft_phone_demo::server::Event as ServerEvent;

use crate::network::{Network, first_lines, header};

/// A request of Alice's outside any call.
fn request(method: &str, uri: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK{method}\r\n\
         From: <sip:1001@soft-phone.test>;tag=1\r\nTo: <sip:1002@soft-phone.test>\r\nCall-ID: 1\r\n\
         CSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn requests_that_are_refused() {
    let tagged = |text: String| text.replace("To: <sip:1002@soft-phone.test>", "To: <sip:1002@soft-phone.test>;tag=2");
    let route = "Route: <sip:made-up@soft-phone.test;lr>\r\n";
    for (text, answer) in [
        (request("INVITE", "sip:1002@soft-phone.test", ""), "SIP/2.0 407 Proxy Authentication Required"),
        (request("MESSAGE", "sip:1002@soft-phone.test", ""), "SIP/2.0 407 Proxy Authentication Required"),
        (request("INVITE", "sip:1002@example.com", ""), "SIP/2.0 404 Not Found"),
        (request("INVITE", "sip:1002@soft-phone.test", "Proxy-Require: magic\r\n"), "SIP/2.0 420 Bad Extension"),
        (request("REGISTER", "sip:soft-phone.test", "Require: outbound\r\n"), "SIP/2.0 420 Bad Extension"),
        (tagged(request("BYE", "sip:x@y.invalid", "")), "SIP/2.0 481 Call/Transaction Does Not Exist"),
        (tagged(request("BYE", "sip:x@y.invalid", route)), "SIP/2.0 403 Forbidden"),
        (request("CANCEL", "sip:1002@soft-phone.test", ""), "SIP/2.0 481 Call/Transaction Does Not Exist"),
    ] {
        let mut network = Network::with(&["1002"]);
        let before = network.phones[0].received.len();
        let flow = network.open();
        network.send_raw(flow, &text);
        assert_eq!(first_lines(&network.raw[&flow]), [answer], "{text}");
        assert_eq!(network.phones[0].received.len(), before, "it reached the phone: {text}");
        network.advance(Duration::from_secs(60));
        assert_eq!(network.server.activity(), 0);
    }
}

#[test]
fn what_must_be_understood_is_named() {
    let mut network = Network::new();
    let flow = network.open();
    network.send_raw(flow, &request("INVITE", "sip:1002@soft-phone.test", "Proxy-Require: magic, more\r\n"));
    assert_eq!(header(&network.raw[&flow][0], "Unsupported"), Some("magic, more"));
}

#[test]
fn a_request_that_cannot_be_read_is_answered_where_it_can_be() {
    let mut network = Network::new();
    let flow = network.open();
    network.send_raw(flow, &request("OPTIONS", "sip:soft-phone.test", "").replace("1 OPTIONS", "1 INVITE"));
    assert!(first_lines(&network.raw[&flow])[0].starts_with("SIP/2.0 400 "));
}

#[test]
fn a_stranger_that_sends_noise_is_put_out() {
    let mut network = Network::new();
    let flow = network.open();
    for _ in 0..40 {
        network.send_raw(flow, "GET / HTTP/1.1\r\n\r\n");
    }
    let close = ServerEvent::Close { flow, reason: "too much that is not SIP" };
    assert_eq!(network.server_events, [close]);
    assert!(!network.raw.contains_key(&flow));
}

#[test]
fn nothing_that_is_cut_or_changed_stops_the_server() {
    let mut network = Network::with(&["1001", "1002"]);
    network.call(0, "1002");
    let messages: Vec<String> =
        network.phones.iter().flat_map(|phone| phone.sent.iter().chain(&phone.received)).cloned().collect();
    let mut state = 1_u32;
    for message in &messages {
        for round in 0..200 {
            // A linear congruential generator: the same noise each time.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut bytes = message.clone().into_bytes();
            let place = (state >> 8) as usize % bytes.len();
            if round % 2 == 0 {
                bytes.truncate(place)
            } else {
                bytes[place] = (state >> 3) as u8
            }
            let flow = network.open();
            network.server.handle_input(network.now, flow, &bytes);
            network.server.handle_disconnected(network.now, flow);
            while network.server.poll_transmit().is_some() {}
            while network.server.poll_event().is_some() {}
        }
    }
    network.advance(Duration::from_secs(300));
    assert_eq!(network.server.connections(), 2);
}

#[test]
fn connections_are_bounded() {
    let mut network = Network::new();
    let flows: Vec<_> = (0..16).map(|_| network.open()).collect();
    assert!(!network.server.handle_connected(soft_phone_sip::transaction::Flow(99)));
    assert!(!network.server.handle_connected(flows[0]));
    network.server.handle_disconnected(network.now, flows[0]);
    network.open();
}
