//! Registration: what is sent, when it is renewed, and what a refusal does (RFC 3261 §10, RFC 5626, RFC 7118, RFC 8760).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice};
use soft_phone_sip::digest::{Credentials, Secret, verify};
use soft_phone_sip::{Cause, Config, Event, Flow, Message, RegistrationState, Request, Transport};

const MD5: &str = r#"Digest realm="pbx", nonce="n1", qop="auth", algorithm=MD5"#;
const SHA: &str = r#"Digest realm="pbx", nonce="n2", qop="auth", algorithm=SHA-256"#;
const STALE: &str = r#"Digest realm="pbx", nonce="n3", qop="auth", stale=true"#;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn registering(config: Config) -> (Phone, Request) {
    let mut phone = Phone::new(config);
    phone.agent.register(phone.now).unwrap();
    let register = phone.request();
    assert_eq!(phone.events(), ["registering"]);
    (phone, register)
}

/// Registered for 600 s after a challenge.
fn registered() -> Phone {
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 401, "r", &[("WWW-Authenticate", MD5)], None);
    let register = phone.request();
    phone.answer(&register, 200, "r", &[("Expires", "600")], None);
    assert_eq!(phone.events(), ["registered"]);
    phone
}

fn proves(request: &Request, header: &str) -> bool {
    let secret = Secret::Password("secret".to_owned());
    let authorization = request.headers.get(header).unwrap().parse().unwrap();
    verify(&authorization, request.method.as_str(), &request.body, &secret)
}

fn retry_at(phone: &mut Phone) -> Option<u64> {
    let now = phone.now;
    phone.raw_events().iter().rev().find_map(|event| match event {
        Event::Registration { retry_at, .. } => Some(retry_at.map(|at| at.saturating_duration_since(now).as_secs())),
        _ => None,
    })?
}

#[test]
fn a_register_names_the_account_and_where_it_is_reached() {
    let mut config = alice(Transport::Wss);
    config.instance_id = Some("urn:uuid:00000000-0000-1000-8000-000A95A0E128".to_owned());
    let (_, register) = registering(config);
    assert_eq!(register.uri.to_string(), "sip:example.com");
    assert_eq!(register.to().unwrap().uri.to_string(), "sip:alice@example.com");
    assert_eq!(register.from().unwrap().uri.to_string(), "sip:alice@example.com");
    assert_eq!((register.headers.get("CSeq"), register.headers.get("Expires")), (Some("1 REGISTER"), Some("600")));
    assert_eq!(register.headers.get("Supported"), Some("path, gruu, outbound"));
    let contact = &register.contacts()[0];
    assert!(contact.uri.host.ends_with(".invalid"));
    assert_eq!(contact.uri.param("transport"), Some(Some("ws")));
    assert_eq!(contact.param("reg-id"), Some(Some("1")));
    assert_eq!(contact.param("+sip.instance").flatten(), Some("\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\""));

    let mut config = alice(Transport::Udp);
    config.sent_by = Some("192.0.2.7:5062".to_owned());
    let (_, register) = registering(config);
    assert_eq!(register.headers.get("Contact"), Some("<sip:alice@192.0.2.7:5062>"));
    assert!(register.headers.get("Via").unwrap().starts_with("SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK"));
    assert!(register.headers.get("Via").unwrap().ends_with(";rport"));
    assert_eq!(register.headers.get("Supported"), Some("path"));
}

#[test]
fn every_register_of_a_registration_has_one_call_id_and_a_growing_cseq() {
    let (mut phone, first) = registering(alice(Transport::Wss));
    phone.answer(&first, 401, "r", &[("WWW-Authenticate", MD5)], None);
    let second = phone.request();
    assert!(proves(&second, "Authorization"));
    phone.answer(&second, 200, "r", &[("Expires", "600")], None);
    phone.advance(secs(540));
    let third = phone.request();
    phone.answer(&third, 200, "r", &[("Expires", "600")], None);
    phone.agent.unregister(phone.now).unwrap();
    let fourth = phone.request();
    for (request, seq) in [(&first, 1), (&second, 2), (&third, 3), (&fourth, 4)] {
        assert_eq!((request.call_id(), request.cseq().unwrap().seq), (first.call_id(), seq));
        assert_eq!(request.from().unwrap().tag(), first.from().unwrap().tag());
        assert_eq!(request.to().unwrap().tag(), None);
    }
    // The nonce is used again, with a growing count (RFC 7616 §3.4).
    for (request, count) in [(&second, "nc=00000001"), (&third, "nc=00000002"), (&fourth, "nc=00000003")] {
        assert!(request.headers.get("Authorization").unwrap().contains(count));
        assert!(proves(request, "Authorization"));
    }
    assert_eq!((fourth.headers.get("Expires"), fourth.contacts().len()), (Some("0"), 1));
    assert_eq!(phone.events(), ["registered", "unregistering"], "a refresh is not seen");
    phone.answer(&fourth, 200, "r", &[], None);
    assert_eq!(phone.events(), ["offline"]);
    phone.assert_idle();
}

#[test]
fn the_strongest_challenge_of_several_is_answered() {
    let unknown = r#"Digest realm="pbx", nonce="n9", algorithm=SHA-3"#;
    let (mut phone, register) = registering(alice(Transport::Wss));
    let headers = [MD5, unknown, SHA].map(|challenge| ("WWW-Authenticate", challenge));
    phone.answer(&register, 401, "r", &headers, None);
    let answer = phone.request();
    assert_eq!(answer.headers.get_all("Authorization").count(), 1);
    assert!(answer.headers.get("Authorization").unwrap().contains("algorithm=SHA-256"));
    assert!(proves(&answer, "Authorization"));

    // A proxy and the registrar, each with its realm (RFC 3261 §22.3).
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 407, "r", &[("Proxy-Authenticate", r#"Digest realm="edge", nonce="p1""#)], None);
    let second = phone.request();
    assert!(proves(&second, "Proxy-Authorization"));
    phone.answer(&second, 401, "r", &[("WWW-Authenticate", MD5)], None);
    let third = phone.request();
    assert!(proves(&third, "Proxy-Authorization") && proves(&third, "Authorization"));
    phone.answer(&third, 200, "r", &[], None);
    assert_eq!(phone.events(), ["registered"]);
}

#[test]
fn a_wrong_password_is_tried_once_and_then_never_by_itself() {
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 401, "r", &[("WWW-Authenticate", MD5)], None);
    let second = phone.request();
    phone.answer(&second, 401, "r", &[("WWW-Authenticate", SHA)], None);
    assert_eq!(phone.sent(), Vec::<String>::new());
    let events = phone.raw_events();
    assert_eq!(
        events,
        [Event::Registration {
            state: RegistrationState::Failed,
            cause: Some(Cause::Unauthorized),
            status: Some(401),
            reason: Some("Unauthorized".to_owned()),
            retry_at: None,
            expires: None,
        }]
    );
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    assert_eq!(phone.timeline(secs(86_400)), [], "no storm, not by time and not by a new connection");

    // Other credentials are another matter.
    let right = Credentials { username: "alice".to_owned(), secret: Secret::Password("right".to_owned()) };
    phone.agent.set_credentials(phone.now, Some(right));
    let again = phone.request();
    assert_eq!(again.headers.get("Authorization"), None);
    phone.answer(&again, 401, "r", &[("WWW-Authenticate", MD5)], None);
    let proof = phone.request();
    phone.answer(&proof, 200, "r", &[("Expires", "600")], None);
    assert_eq!(phone.events(), ["registering", "registered"]);
}

#[test]
fn nothing_answers_a_challenge_that_cannot_be_answered() {
    for (status, header, challenge) in [
        (401, "WWW-Authenticate", "Basic realm=\"pbx\""),
        (401, "WWW-Authenticate", "Digest realm=\"pbx\", nonce=\"n\", qop=\"other\""),
        (401, "X-None", "x"),
        (403, "X-None", "x"),
        (407, "Proxy-Authenticate", "Digest"),
    ] {
        let (mut phone, register) = registering(alice(Transport::Wss));
        phone.answer(&register, status, "r", &[(header, challenge)], None);
        assert_eq!((phone.sent(), phone.events()), (vec![], vec!["failed(unauthorized)".to_owned()]), "{challenge}");
        assert_eq!(phone.timeline(secs(86_400)), []);
    }
    let mut config = alice(Transport::Wss);
    config.credentials = None;
    let (mut phone, register) = registering(config);
    phone.answer(&register, 401, "r", &[("WWW-Authenticate", MD5)], None);
    assert_eq!(phone.events(), ["failed(unauthorized)"]);
}

#[test]
fn a_stale_nonce_is_no_wrong_password() {
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 401, "r", &[("WWW-Authenticate", MD5)], None);
    let second = phone.request();
    phone.answer(&second, 401, "r", &[("WWW-Authenticate", STALE)], None);
    let third = phone.request();
    assert!(proves(&third, "Authorization"));
    assert!(third.headers.get("Authorization").unwrap().contains("nonce=\"n3\""));
    // A server that calls every nonce stale is not followed for ever.
    let (mut answer, mut rounds) = (third, 0);
    loop {
        phone.answer(&answer, 401, "r", &[("WWW-Authenticate", STALE)], None);
        match phone.messages().pop() {
            Some(Message::Request(request)) => answer = request,
            _ => break,
        }
        rounds += 1;
    }
    assert_eq!((rounds, phone.events()), (2, vec!["failed(unauthorized)".to_owned()]));
}

#[test]
fn a_nonce_that_ran_out_between_two_registers_costs_one_more_round() {
    let mut phone = registered();
    phone.advance(secs(540));
    let refresh = phone.request();
    assert!(refresh.headers.get("Authorization").unwrap().contains("nc=00000002"));
    // Many servers forget to say stale=true.
    phone.answer(&refresh, 401, "r", &[("WWW-Authenticate", SHA)], None);
    let again = phone.request();
    assert!(proves(&again, "Authorization"));
    phone.answer(&again, 200, "r", &[("Expires", "600")], None);
    assert_eq!((phone.events(), phone.agent.registration()), (vec![], RegistrationState::Registered));
}

#[test]
fn a_registration_is_renewed_in_time() {
    // 540 s, less up to 30 s of jitter.
    let mut phone = registered();
    let line = phone.timeline(secs(541));
    assert_eq!(line.len(), 1);
    assert!((510_000..=540_000).contains(&line[0].0), "{line:?}");

    // The registrar's own words: our Contact's expiry, else Expires, else what we asked.
    for (headers, expires) in [
        (vec![("Contact", "<sip:alice@OURS>;expires=60"), ("Expires", "600")], 60),
        (vec![("Contact", "<sip:other@192.0.2.9>;expires=60, <sip:alice@OURS>;expires=120")], 120),
        (vec![("Contact", "<sip:other@192.0.2.9>;expires=60"), ("Expires", "300")], 300),
        (vec![], 600),
        (vec![("Expires", "99999999999999999999999")], 600),
        (vec![("Expires", "18446744073709551615")], 4_294_967_295),
    ] {
        let (mut phone, register) = registering(alice(Transport::Wss));
        let ours = register.contacts()[0].uri.host.clone();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.replace("OURS", &ours))).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        phone.answer(&register, 200, "r", &headers, None);
        let granted = phone.raw_events().iter().find_map(|event| match event {
            Event::Registration { expires, .. } => *expires,
            _ => None,
        });
        assert_eq!(granted, Some(secs(expires)), "{headers:?}");
        if expires > 600 {
            continue;
        }
        let line = phone.timeline(secs(expires));
        assert_eq!(line[0].1, "REGISTER 2");
        assert!(line[0].0 < expires * 1_000, "before its end: {line:?}");
    }
}

#[test]
fn a_registrar_without_limits_is_not_asked_all_the_time() {
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 200, "r", &[("Expires", "0")], None);
    assert_eq!(phone.timeline(secs(6)), [(5_000, "REGISTER 2".to_owned())]);
}

#[test]
fn too_brief_is_asked_again_once_with_what_the_registrar_wants() {
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 423, "r", &[("Min-Expires", "1800")], None);
    let longer = phone.request();
    assert_eq!(longer.headers.get("Expires"), Some("1800"));
    phone.answer(&longer, 423, "r", &[("Min-Expires", "1800")], None);
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["failed(failed)".to_owned()]));
    assert_eq!(phone.timeline(secs(86_400)), []);
}

#[test]
fn a_server_in_trouble_is_left_alone_for_longer_and_longer() {
    let (mut phone, mut register) = registering(alice(Transport::Wss));
    let mut pauses = Vec::new();
    for _ in 0..8 {
        phone.answer(&register, 503, "r", &[], None);
        pauses.push(retry_at(&mut phone).unwrap());
        phone.advance(secs(pauses[pauses.len() - 1] + 1));
        register = phone.request();
    }
    for (n, pause) in pauses.iter().enumerate() {
        let longest = (30 << n).min(1_800);
        assert!((longest / 2..=longest).contains(pause), "{pauses:?}");
    }
    // Once it works again, the next trouble begins from the start.
    phone.answer(&register, 200, "r", &[("Expires", "600")], None);
    phone.raw_events();
    phone.advance(secs(540));
    let refresh = phone.request();
    phone.answer(&refresh, 500, "r", &[], None);
    assert!(retry_at(&mut phone).unwrap() <= 30);
}

#[test]
fn retry_after_is_obeyed_also_on_a_new_connection() {
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 503, "r", &[("Retry-After", "120 (maintenance);duration=60")], None);
    assert_eq!(retry_at(&mut phone), Some(120));
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.agent.handle_connected(phone.now, phone.flow);
    assert_eq!(phone.timeline(secs(121)), [(120_000, "REGISTER 2".to_owned())]);
}

#[test]
fn a_silent_registrar_is_tried_again() {
    let (mut phone, _) = registering(alice(Transport::Wss));
    phone.advance(secs(32));
    assert!((15..=30).contains(&retry_at(&mut phone).unwrap()));
    assert_eq!(phone.timeline(secs(31)).len(), 1);
}

#[test]
fn a_new_connection_renews_the_registration() {
    let mut phone = registered();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.events(), ["offline(network)"]);
    assert_eq!(phone.timeline(secs(1_000)), []);
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    let register = phone.request();
    phone.answer(&register, 200, "r", &[("Expires", "600")], None);
    assert_eq!(phone.events(), ["registering", "registered"]);

    // The next one, before the old one is seen to be closed.
    phone.flow = Flow(3);
    phone.agent.handle_connected(phone.now, phone.flow);
    let register = phone.request();
    phone.agent.handle_disconnected(phone.now, Flow(2));
    phone.answer(&register, 200, "r", &[("Expires", "600")], None);
    assert_eq!(phone.events(), ["registering", "registered"]);
}

#[test]
fn a_wish_waits_for_a_connection_and_a_running_register() {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.agent.register(phone.now).unwrap();
    assert_eq!((phone.sent(), phone.agent.registration()), (vec![], RegistrationState::Offline));
    phone.agent.handle_connected(phone.now, phone.flow);
    let register = phone.request();
    phone.agent.register(phone.now).unwrap();
    phone.agent.unregister(phone.now).unwrap();
    assert_eq!(phone.sent(), Vec::<String>::new(), "one at a time (RFC 3261 §10.2)");
    phone.answer(&register, 200, "r", &[("Expires", "600")], None);
    let remove = phone.request();
    assert_eq!(remove.headers.get("Expires"), Some("0"));
    phone.agent.register(phone.now).unwrap();
    phone.answer(&remove, 200, "r", &[], None);
    let register = phone.request();
    phone.answer(&register, 200, "r", &[], None);
    assert_eq!(phone.events(), ["registering", "unregistering", "offline", "registering", "registered"]);
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.agent.unregister(phone.now).unwrap();
    assert_eq!(phone.events(), ["offline(network)"]);
    phone.assert_idle();
}

#[test]
fn late_answers_to_an_old_register_are_nothing() {
    let (mut phone, old) = registering(alice(Transport::Wss));
    phone.agent.handle_connected(phone.now, phone.flow);
    let new = phone.request();
    phone.answer(&old, 401, "r", &[("WWW-Authenticate", MD5)], None);
    phone.answer(&old, 403, "r", &[], None);
    assert_eq!((phone.sent(), phone.events()), (vec![], vec![]));
    phone.answer(&new, 200, "r", &[], None);
    assert_eq!(phone.events(), ["registered"]);
}
