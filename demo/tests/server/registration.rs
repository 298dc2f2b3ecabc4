//! Signing in and out.

use std::time::Duration;

use soft_phone_sip::{Cause, Event, RegistrationState};

use crate::network::{Network, first_lines, header};

#[test]
fn a_phone_signs_in_by_the_strongest_challenge_and_out() {
    let mut network = Network::with(&["1001"]);
    let phone = &network.phones[0];
    assert_eq!(first_lines(&phone.received), ["SIP/2.0 401 Unauthorized", "SIP/2.0 200 OK"]);
    assert!(header(&phone.sent[1], "Authorization").unwrap().contains("algorithm=SHA-256"));
    network.phones[0].agent.unregister(network.now).unwrap();
    network.run();
    assert_eq!(network.phones[0].agent.registration(), RegistrationState::Offline);
    let contacts = network.phones[0].received.last().and_then(|message| header(message, "Contact"));
    assert_eq!(contacts, None);
}

#[test]
fn a_wrong_password_is_refused_and_not_tried_again() {
    let mut network = Network::new();
    let phone = network.add("1001", "guess");
    network.connect(phone);
    network.register(phone);
    network.advance(Duration::from_secs(3_600));
    let phone = &network.phones[phone];
    assert_eq!(phone.agent.registration(), RegistrationState::Failed);
    assert_eq!(first_lines(&phone.received), ["SIP/2.0 401 Unauthorized"; 2]);
    assert!(phone.events.iter().any(|event| {
        matches!(event, Event::Registration { cause: Some(Cause::Unauthorized), status: Some(401), .. })
    }));
}

#[test]
fn a_registration_is_refreshed_with_a_fresh_nonce_for_as_long_as_the_phone_is_there() {
    let mut network = Network::with(&["1001"]);
    network.advance(Duration::from_secs(4 * 3_600));
    let phone = &network.phones[0];
    assert_eq!(phone.agent.registration(), RegistrationState::Registered);
    let stale = phone.received.iter().filter(|message| message.contains("stale=true")).count();
    assert!(stale > 0, "every nonce lived on");
    let refused = phone.received.iter().filter(|message| !message.starts_with("SIP/2.0 200")).count();
    assert_eq!(refused, stale + 1, "only the first sign-in is asked without a reason");
}

#[test]
fn another_name_than_ones_own_is_forbidden() {
    let mut network = Network::with(&["1001"]);
    let phone = network.add("1001", "secret-1001");
    network.connect(phone);
    let flow = network.phones[phone].flow.unwrap();
    // Alice's credentials, Bob's name.
    network.register(phone);
    let request = network.phones[phone].sent[0].replace("To: <sip:1001@", "To: <sip:1002@");
    assert!(request.contains("1002"), "{request}");
    let challenge = header(&network.phones[phone].received[0], "WWW-Authenticate").unwrap().parse().unwrap();
    let credentials = soft_phone_sip::digest::Credentials {
        username: "1001".into(),
        secret: soft_phone_sip::digest::Secret::Password("secret-1001".into()),
    };
    let mut client = soft_phone_sip::digest::Client::new();
    // The phone used counts 1; this one comes after it.
    for _ in 0..2 {
        client.authorize(&challenge, &credentials, "REGISTER", "sip:soft-phone.test", b"", "c").unwrap();
    }
    let value = client.authorize(&challenge, &credentials, "REGISTER", "sip:soft-phone.test", b"", "c").unwrap();
    let request = request
        .replace("branch=z9hG4bK", "branch=z9hG4bKother")
        .replace("\r\n\r\n", &format!("\r\nAuthorization: {value}\r\n\r\n"));
    network.phones[phone].received.clear();
    network.send_raw(flow, &request);
    assert_eq!(first_lines(&network.phones[phone].received), ["SIP/2.0 403 Forbidden"]);
}

#[test]
fn pings_get_pongs() {
    let mut network = Network::new();
    let flow = network.open();
    network.send_raw(flow, "\r\n\r\n");
    network.send_raw(flow, "\r\n");
    network.send_raw(flow, "");
    assert_eq!(network.raw[&flow], ["\r\n"]);
}

#[test]
fn the_server_answers_options_for_itself_and_its_own_numbers() {
    for uri in ["sip:soft-phone.test", "sip:600@soft-phone.test"] {
        let mut network = Network::new();
        let flow = network.open();
        let request = format!(
            "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:1001@soft-phone.test>;tag=1\r\nTo: <{uri}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        network.send_raw(flow, &request);
        let answers = &network.raw[&flow];
        assert_eq!(first_lines(answers), ["SIP/2.0 200 OK"]);
        assert!(header(&answers[0], "Allow").unwrap().contains("INVITE"));
    }
}
