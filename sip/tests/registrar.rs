//! What the registrar's answers bring along: routes (RFC 3327, RFC 3608), names (RFC 5627), other phones' contacts,
//! redirections; and the registration flows of RFC 3665.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice, invite, sdp};
use soft_phone_sip::digest::{Credentials, Secret, verify};
use soft_phone_sip::{CallOptions, Cause, Config, Event, Flow, Message, RegistrationState, Request, Transport};

const INSTANCE: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

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

fn with_instance() -> Config {
    let mut config = alice(Transport::Wss);
    config.instance_id = Some(INSTANCE.to_owned());
    config
}

/// The phone of RFC 3608 §6.4 and RFC 3327 §5.5: `sip:UA1@192.0.2.4`, home.example.com.
fn ua1() -> Config {
    let mut config = Config::new("sip:UA1@home.example.com".parse().unwrap(), Transport::Udp);
    config.sent_by = Some("192.0.2.4".to_owned());
    config
}

/// RFC 3608 §6.4.2: the registration through P1 and P2, then a call that passes P2 and the home service proxy HSP.
#[test]
fn the_flow_of_rfc_3608_section_6_4() {
    let (mut phone, register) = registering(ua1());
    // RFC 3327 §5.5.1: the phone says that it understands Path; the proxies add theirs behind it.
    assert_eq!(register.headers.get("Supported"), Some("path"));
    assert_eq!(register.headers.get("Contact"), Some("<sip:UA1@192.0.2.4>"));
    let answer = [
        ("Contact", "<sip:UA1@192.0.2.4>;expires=3600"),
        ("Path", "<sip:P3.EXAMPLEHOME.COM;lr>,<sip:P1.EXAMPLEVISITED.COM;lr>"),
        ("Service-Route", "<sip:P2.HOME.EXAMPLE.COM;lr>, <sip:HSP.HOME.EXAMPLE.COM;lr>"),
    ];
    phone.answer(&register, 200, "981211", &answer, None);
    assert_eq!(phone.events(), ["registered"]);

    phone.agent.call(phone.now, "sip:user@example.com", sdp("offer"), CallOptions::default()).unwrap();
    let call = phone.request();
    let route: Vec<&str> = call.headers.get_list("Route").collect();
    assert_eq!(route, ["<sip:P2.HOME.EXAMPLE.COM;lr>", "<sip:HSP.HOME.EXAMPLE.COM;lr>"], "in this order");
    assert_eq!(call.uri.to_string(), "sip:user@example.com");
    // So does every request outside a dialog; CANCEL goes the way of its INVITE, and REGISTER none of it.
    phone.agent.options(phone.now, "sip:user@example.com").unwrap();
    assert_eq!(phone.request().headers.get_list("Route").count(), 2);
    phone.answer(&call, 180, "bob", &[], None);
    let id = phone.agent.calls().next().unwrap().id();
    phone.agent.hangup(phone.now, id).unwrap();
    assert_eq!(phone.request().headers.get_list("Route").count(), 2);
    phone.answer(&call, 487, "bob", &[], None);
    let ack = phone.request();
    assert_eq!((ack.method.as_str(), ack.headers.get_list("Route").count()), ("ACK", 2), "RFC 3261 §17.1.1.3");
    phone.advance(secs(3_240));
    let again = phone.messages().pop();
    let Some(Message::Request(refresh)) = again else { panic!("{again:?}") };
    assert_eq!((refresh.method.as_str(), refresh.headers.get("Route")), ("REGISTER", None));
}

#[test]
fn a_dialog_has_its_own_route_and_each_answer_to_register_a_new_one() {
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 200, "r", &[("Service-Route", "<sip:hsp.example.com;lr>"), ("Expires", "600")], None);
    let call = phone.dial("600");
    let out = phone.request();
    let headers = [("Contact", "<sip:bob@192.0.2.4>"), ("Record-Route", "<sip:edge.example.com;lr>")];
    phone.answer(&out, 200, "bob", &headers, Some("answer"));
    let ack = phone.request();
    assert_eq!(ack.headers.get_all("Route").collect::<Vec<_>>(), ["<sip:edge.example.com;lr>"]);
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.request().headers.get_all("Route").collect::<Vec<_>>(), ["<sip:edge.example.com;lr>"]);

    // A challenge is answered on the same way, once.
    let challenge = [("Proxy-Authenticate", r#"Digest realm="edge", nonce="p1""#)];
    phone.dial("601");
    let out = phone.request();
    phone.answer(&out, 407, "p", &challenge, None);
    let Some(Message::Request(again)) = phone.messages().pop() else { panic!() };
    assert_eq!(again.headers.get_all("Route").collect::<Vec<_>>(), ["<sip:hsp.example.com;lr>"]);

    for (route, wanted) in [
        ("<sip:other.example.com;lr>", 1),
        // A strict router would have to stand in the Request-URI, and nobody else there; what is not SIP, nowhere.
        ("<sip:strict.example.com>", 0),
        ("<sip:other.example.com;lr>", 1),
        ("<tel:112>", 0),
    ] {
        phone.agent.register(phone.now).unwrap();
        let register = phone.request();
        phone.answer(&register, 200, "r", &[("Service-Route", route), ("Expires", "600")], None);
        phone.agent.options(phone.now, "600").unwrap();
        assert_eq!(phone.request().headers.get_all("Route").count(), wanted, "{route}");
    }
    // None in the answer: none from then on (RFC 3608 §5). And none after the registration.
    for (status, expires) in [(200, "600"), (200, "0")] {
        phone.agent.register(phone.now).unwrap();
        let Some(Message::Request(register)) = phone.messages().pop() else { panic!() };
        if expires == "0" {
            phone.answer(&register, 200, "r", &[("Service-Route", "<sip:hsp.example.com;lr>")], None);
            phone.agent.unregister(phone.now).unwrap();
            let removal = phone.request();
            phone.answer(&removal, status, "r", &[("Service-Route", "<sip:hsp.example.com;lr>")], None);
        } else {
            phone.answer(&register, status, "r", &[("Expires", expires)], None);
        }
        phone.agent.options(phone.now, "600").unwrap();
        assert_eq!(phone.request().headers.get("Route"), None, "{expires}");
    }
}

/// RFC 5627 §9.1: registration with an instance, the two names that the registrar gives, and a call with each.
#[test]
fn the_flow_of_rfc_5627_section_9() {
    let (mut phone, register) = registering(with_instance());
    assert!(register.headers.lists("Supported", "gruu"));
    let own = register.headers.get("Contact").unwrap().to_owned();
    assert!(own.ends_with(&format!(";+sip.instance=\"<{INSTANCE}>\"")), "{own}");
    let public = "sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let temporary = "sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr";
    let contact = format!("{own};pub-gruu=\"{public}\";temp-gruu=\"{temporary}\";expires=3600");
    phone.answer(&register, 200, "r", &[("Contact", &contact)], None);
    assert_eq!(phone.events(), ["registered"]);
    // The name is where the other end finds this phone again, from anywhere, whoever else the account rings.
    phone.dial("600");
    let call = phone.request();
    assert_eq!(call.headers.get("Contact"), Some(format!("<{public}>").as_str()));
    assert!(call.headers.lists("Supported", "gruu"));
    // Nor does it say whose phone it is, for who does not want to be known (RFC 5627 §3.1.2).
    let hidden = CallOptions { anonymous: true, ..CallOptions::default() };
    phone.agent.call(phone.now, "601", sdp("offer"), hidden).unwrap();
    assert_eq!(phone.request().headers.get("Contact"), Some(format!("<{temporary}>").as_str()));
    phone.receive(&invite("in-1", "z9hG4bKin1", Some("offer")));
    assert_eq!(phone.response().headers.get("Contact"), Some(format!("<{public}>").as_str()));
    // The registrar needs the address behind it.
    phone.agent.register(phone.now).unwrap();
    let refresh = phone.request();
    assert_eq!(refresh.headers.get("Contact"), Some(own.as_str()));
    // Gone with the registration.
    phone.answer(&refresh, 200, "r", &[("Contact", &contact)], None);
    phone.agent.unregister(phone.now).unwrap();
    let removal = phone.request();
    phone.answer(&removal, 200, "r", &[], None);
    phone.dial("601");
    assert!(phone.request().headers.get("Contact").unwrap().contains(".invalid"));
}

#[test]
fn a_name_is_taken_only_when_it_is_one_and_ours() {
    let other = "urn:uuid:00000000-0000-1000-8000-000000000000";
    for (instance, gruu) in [
        (INSTANCE, "tel:112"),
        (INSTANCE, "sip:alice@example.com"),
        (INSTANCE, "sip:a@b c;gr"),
        (other, "sip:alice@example.com;gr=x"),
    ] {
        let (mut phone, register) = registering(with_instance());
        let contact = format!("<sip:alice@x.invalid>;+sip.instance=\"<{instance}>\";pub-gruu=\"{gruu}\";expires=600");
        phone.answer(&register, 200, "r", &[("Contact", &contact)], None);
        phone.dial("600");
        let contact = phone.request().headers.get("Contact").unwrap().to_owned();
        assert!(contact.contains(".invalid"), "{gruu}: {contact}");
    }
}

#[test]
fn the_other_phones_of_the_account_are_listed_and_ours_is_known() {
    let (mut phone, register) = registering(with_instance());
    let contacts = format!(
        "<sip:alice@192.0.2.9>;expires=60;+sip.instance=\"<urn:uuid:0>\";reg-id=1, \
         <sip:alice@a.invalid;transport=ws>;reg-id=2;expires=70;+sip.instance=\"<{INSTANCE}>\", \
         <sip:alice@b.invalid;transport=ws>;reg-id=1;expires=120;+sip.instance=\"<{}>\", <mailto:alice@example.com>",
        INSTANCE.to_ascii_uppercase()
    );
    phone.answer(&register, 200, "r", &[("Contact", &contacts), ("Expires", "600")], None);
    let told: Vec<_> = phone.raw_events();
    let Some(Event::Registration { expires: Some(granted), .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!(*granted, secs(120), "by instance and reg-id, not by the address");
    let listed: Vec<_> = phone
        .agent
        .bindings()
        .iter()
        .map(|it| (it.uri.host.as_str(), it.expires.unwrap().as_secs(), it.reg_id, it.ours))
        .collect();
    assert_eq!(
        listed,
        [("192.0.2.9", 60, Some(1), false), ("a.invalid", 70, Some(2), true), ("b.invalid", 120, Some(1), true)]
    );
    assert_eq!(phone.agent.bindings()[0].instance.as_deref(), Some("urn:uuid:0"));
    phone.agent.unregister(phone.now).unwrap();
    let removal = phone.request();
    phone.answer(&removal, 200, "r", &[("Contact", "<sip:alice@192.0.2.9>;expires=60")], None);
    assert_eq!(phone.agent.bindings(), []);

    // A registrar without bounds.
    let (mut phone, register) = registering(with_instance());
    let many: Vec<String> = (0..100).map(|n| format!("<sip:alice@h{n}.example.com>")).collect();
    phone.answer(&register, 200, "r", &[("Contact", &many.join(","))], None);
    assert_eq!(phone.agent.bindings().len(), 64);
}

#[test]
fn a_registrar_of_the_same_domain_is_asked_once_over_the_same_connection() {
    for status in [301, 302] {
        let (mut phone, register) = registering(alice(Transport::Wss));
        let target = [("Contact", "<sip:registrar2@EXAMPLE.com:5070;transport=ws;method=INVITE?Subject=x>")];
        phone.answer(&register, status, "r", &target, None);
        let second = phone.request();
        assert_eq!(second.uri.to_string(), "sip:EXAMPLE.com:5070;transport=ws");
        assert_eq!(second.headers.get("CSeq"), Some("2 REGISTER"));
        phone.answer(&second, status, "r", &target, None);
        assert_eq!(phone.sent(), Vec::<String>::new());
        assert_eq!(phone.events()[0], "failed(redirected)");
        assert_eq!(phone.timeline(secs(86_400)), []);
        // A command begins from the start.
        phone.agent.register(phone.now).unwrap();
        let third = phone.request();
        assert_eq!(third.uri.to_string(), "sip:example.com");
        phone.answer(&third, status, "r", &target, None);
        let fourth = phone.request();
        phone.answer(&fourth, 200, "r", &[("Expires", "600")], None);
        phone.advance(secs(540));
        assert_eq!(phone.request().uri.to_string(), "sip:EXAMPLE.com:5070;transport=ws", "as long as it works");
    }
}

#[test]
fn another_host_is_the_drivers_business() {
    for (status, permanent, contact) in [
        (301, true, "<sip:elsewhere.example.net;transport=ws>"),
        (302, false, "<sip:elsewhere.example.net;transport=ws>"),
        (305, false, "<sip:example.com;lr>"),
    ] {
        let (mut phone, register) = registering(alice(Transport::Wss));
        phone.answer(&register, status, "r", &[("Contact", contact)], None);
        let events = phone.raw_events();
        let [
            Event::Registration {
                state: RegistrationState::Failed,
                cause: Some(Cause::Redirected),
                retry_at: None,
                ..
            },
            Event::RegistrationRedirect { flow, target, permanent: told },
        ] = events.as_slice()
        else {
            panic!("{events:?}")
        };
        assert_eq!((*flow, *told), (phone.flow, permanent));
        assert_eq!(format!("<{target}>"), contact);
        assert_eq!(phone.timeline(secs(86_400)), [], "nothing by itself");
        phone.agent.handle_disconnected(phone.now, phone.flow);
        phone.flow = Flow(2);
        phone.agent.handle_connected(phone.now, phone.flow);
        assert_eq!(phone.request().uri.to_string(), "sip:example.com");
    }
    // Nowhere to go.
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 302, "r", &[], None);
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["failed(redirected)".to_owned()]));
}

#[test]
fn who_says_when_to_come_back_is_asked_then() {
    for (status, cause) in
        [(404, "not-found"), (480, "unavailable"), (486, "busy"), (503, "unavailable"), (600, "busy")]
    {
        let (mut phone, register) = registering(alice(Transport::Wss));
        phone.answer(&register, status, "r", &[("Retry-After", "40")], None);
        assert_eq!(phone.events(), [format!("failed({cause})")]);
        assert_eq!(phone.timeline(secs(41)), [(40_000, "REGISTER 2".to_owned())], "{status}");
    }
    // Not with a password that was refused.
    let (mut phone, register) = registering(alice(Transport::Wss));
    phone.answer(&register, 403, "r", &[("Retry-After", "40")], None);
    assert_eq!(phone.timeline(secs(86_400)), []);
}

/// Bob of RFC 3665 §2.
fn bob() -> Config {
    let mut config = Config::new("sips:bob@biloxi.example.com".parse().unwrap(), Transport::Tls);
    config.display_name = Some("Bob".to_owned());
    config.sent_by = Some("client.biloxi.example.com:5061".to_owned());
    config.expires = secs(3_600);
    config.credentials =
        Some(Credentials { username: "bob".to_owned(), secret: Secret::Password("zanzibar".to_owned()) });
    config
}

/// F2 of RFC 3665 §2.1.
const F2: &str = "Digest realm=\"atlanta.example.com\", qop=\"auth\", nonce=\"ea9c8e88df84f1cec4341ae6cbe5a359\", \
                  opaque=\"\", stale=FALSE, algorithm=MD5";

fn proves(request: &Request) -> bool {
    let authorization = request.headers.get("Authorization").unwrap().parse().unwrap();
    verify(&authorization, "REGISTER", b"", &Secret::Password("zanzibar".to_owned()))
}

/// RFC 3665 §2.1, successful new registration, and §2.4, cancellation of it.
#[test]
fn the_flows_of_rfc_3665_sections_2_1_and_2_4() {
    let (mut phone, f1) = registering(bob());
    assert!(f1.headers.get("Via").unwrap().starts_with("SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bK"));
    assert_eq!(f1.headers.get("Max-Forwards"), Some("70"));
    assert!(f1.headers.get("From").unwrap().starts_with("\"Bob\" <sips:bob@biloxi.example.com>;tag="));
    assert_eq!(f1.headers.get("To"), Some("\"Bob\" <sips:bob@biloxi.example.com>"));
    assert_eq!(f1.headers.get("CSeq"), Some("1 REGISTER"));
    assert_eq!(f1.contacts()[0].uri.host, "client.biloxi.example.com");
    phone.answer(&f1, 401, "1410948204", &[("WWW-Authenticate", F2)], None);
    let f3 = phone.request();
    assert_eq!((f3.headers.get("CSeq"), f3.call_id()), (Some("2 REGISTER"), f1.call_id()));
    let authorization = f3.headers.get("Authorization").unwrap();
    for part in ["username=\"bob\"", "realm=\"atlanta.example.com\"", "opaque=\"\"", "uri=\"sips:biloxi.example.com\""]
    {
        assert!(authorization.contains(part), "{authorization}");
    }
    assert!(proves(&f3));
    let contact = format!("{};expires=3600", f1.headers.get("Contact").unwrap());
    phone.answer(&f3, 200, "37GkEhwl6", &[("Contact", &contact)], None);
    assert_eq!(phone.events(), ["registered"]);

    // §2.4. The RFC's Bob takes every contact away; ours only its own.
    phone.agent.unregister(phone.now).unwrap();
    let f1 = phone.request();
    assert_eq!((f1.headers.get("Expires"), f1.contacts()), (Some("0"), f3.contacts()));
    assert!(proves(&f1));
    phone.answer(&f1, 200, "1418nmdsrf", &[], None);
    assert_eq!(phone.events(), ["unregistering", "offline"]);
    phone.assert_idle();
}

/// RFC 3665 §2.2: the answer lists what else the account has, a mail address among it.
#[test]
fn the_flow_of_rfc_3665_section_2_2() {
    let (mut phone, f1) = registering(bob());
    let contacts = [
        ("Contact", "\"Bob\" <sips:bob@client.biloxi.example.com:5061;transport=tls>;expires=3600"),
        ("Contact", "\"Bob\" <sips:+1-972-555-2222@gw.biloxi.example.com;user=phone>;expires=3600"),
        ("Contact", "<mailto:bob@biloxi.example.com>;expires=4294967295"),
    ];
    phone.answer(&f1, 200, "jqoiweu75", &contacts, None);
    let listed: Vec<_> = phone.agent.bindings().iter().map(|it| (it.uri.host.as_str(), it.ours)).collect();
    assert_eq!(listed, [("client.biloxi.example.com", true), ("gw.biloxi.example.com", false)]);
    assert_eq!(phone.events(), ["registered"]);
}

/// RFC 3665 §2.3: what contacts the account has, asked without one in the request.
#[test]
fn the_flow_of_rfc_3665_section_2_3() {
    let mut phone = Phone::new(bob());
    phone.agent.query_bindings(phone.now).unwrap();
    let f1 = phone.request();
    assert_eq!((f1.uri.to_string().as_str(), f1.headers.get("CSeq")), ("sips:biloxi.example.com", Some("1 REGISTER")));
    assert_eq!((f1.headers.get("Contact"), f1.headers.get("Expires")), (None, None));
    phone.answer(&f1, 401, "jqoiweu75", &[("WWW-Authenticate", F2)], None);
    let f1 = phone.request();
    assert!(proves(&f1));
    let contacts = [
        ("Contact", "\"Bob\" <sips:bob@client.biloxi.example.com>;expires=3600"),
        ("Contact", "<mailto:bob@biloxi.example.com>;expires=4294967295"),
    ];
    phone.answer(&f1, 200, "jqoiweu75", &contacts, None);
    assert_eq!(phone.events(), ["bindings(Some(200))"]);
    assert_eq!(phone.agent.bindings().len(), 1);
    assert_eq!(phone.agent.registration(), RegistrationState::Offline, "to ask is not to register");
    // A refusal, and silence.
    phone.agent.query_bindings(phone.now).unwrap();
    let query = phone.request();
    phone.answer(&query, 403, "r", &[], None);
    phone.agent.query_bindings(phone.now).unwrap();
    phone.advance(secs(32));
    assert_eq!(phone.events(), ["bindings(Some(403))", "bindings(None)"]);
    phone.assert_idle();
}

/// RFC 3665 §2.5: the wrong password.
#[test]
fn the_flow_of_rfc_3665_section_2_5() {
    let mut config = bob();
    config.credentials = Some(Credentials { username: "bob".to_owned(), secret: Secret::Password("wrong".to_owned()) });
    let (mut phone, f1) = registering(config);
    phone.answer(&f1, 401, "1410948204", &[("WWW-Authenticate", F2)], None);
    let f3 = phone.request();
    assert!(!proves(&f3));
    let f4 = F2.replace("ea9c8e88df84f1cec4341ae6cbe5a359", "f1cec4341ae6cbe5a359ea9c8e88df84");
    phone.answer(&f3, 401, "1410948204", &[("WWW-Authenticate", &f4)], None);
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["failed(unauthorized)".to_owned()]));
    phone.assert_idle();
}
