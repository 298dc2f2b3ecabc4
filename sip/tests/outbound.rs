//! Several connections for one account (RFC 5626): which are registered, what goes over which, and what happens when one
//! dies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice, brief, invite, sdp};
use soft_phone_sip::{
    Agent, CallOptions, Config, Error, Event, Flow, Instant, Message, RegistrationState, Request, Response, Transport,
    parse,
};

const ONE: Flow = Flow(11);
const TWO: Flow = Flow(12);
const INSTANCE: &str = "urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Bob of RFC 5626 §9, with two edge proxies.
fn bob() -> Config {
    let mut config = Config::new("sip:bob@example.com".parse().unwrap(), Transport::Tcp);
    config.display_name = Some("Bob".to_owned());
    config.sent_by = Some("192.0.2.2".to_owned());
    config.instance_id = Some(INSTANCE.to_owned());
    config.expires = secs(3_600);
    config.flows = 2;
    config
}

/// One agent with two connections, of which the test writes the other ends.
struct Two {
    phone: Phone,
}

impl Two {
    /// Wants to be registered, has no connection yet.
    fn new() -> Two {
        let agent = Agent::new(bob(), [3; 32]).unwrap();
        let mut phone = Phone { agent, now: Instant::from_millis(1_000), flow: ONE };
        phone.agent.register(phone.now).unwrap();
        Two { phone }
    }

    /// Registered over both.
    fn registered() -> Two {
        let mut two = Two::new();
        two.connect(ONE, 1);
        let register = two.request(ONE);
        two.accept(ONE, &register);
        two.connect(TWO, 2);
        let register = two.request(TWO);
        two.accept(TWO, &register);
        two.phone.events();
        two
    }

    fn connect(&mut self, flow: Flow, reg_id: u8) {
        self.phone.agent.handle_connected_as(self.phone.now, flow, reg_id);
    }

    fn disconnect(&mut self, flow: Flow) {
        self.phone.agent.handle_disconnected(self.phone.now, flow);
    }

    fn messages(&mut self) -> Vec<(Flow, Message)> {
        let agent = &mut self.phone.agent;
        std::iter::from_fn(|| agent.poll_transmit()).map(|it| (it.flow, parse(&it.payload).unwrap())).collect()
    }

    /// Lets time pass until something is sent.
    fn next(&mut self) -> (Flow, Message) {
        loop {
            if let Some(message) = self.messages().into_iter().next() {
                return message;
            }
            self.phone.now = self.phone.agent.poll_timeout().unwrap();
            self.phone.agent.handle_timeout(self.phone.now);
        }
    }

    fn sent(&mut self) -> Vec<(Flow, String)> {
        self.messages().iter().map(|(flow, message)| (*flow, brief(message))).collect()
    }

    /// The one request that was sent, over that connection.
    fn request(&mut self, flow: Flow) -> Request {
        match self.messages().as_slice() {
            [(over, Message::Request(request))] if *over == flow => request.clone(),
            other => panic!("{:?}", other.iter().map(|(flow, it)| (*flow, brief(it))).collect::<Vec<_>>()),
        }
    }

    fn answer(&mut self, flow: Flow, request: &Request, status: u16, headers: &[(&str, &str)]) {
        self.phone.flow = flow;
        self.phone.answer(request, status, "r", headers, None);
    }

    /// As a registrar that knows RFC 5626.
    fn accept(&mut self, flow: Flow, register: &Request) {
        let contact = format!("{};expires=3600", register.headers.get("Contact").unwrap());
        self.answer(flow, register, 200, &[("Require", "outbound"), ("Contact", &contact)]);
    }

    fn states(&self) -> Vec<(u8, Option<Flow>, RegistrationState)> {
        self.phone.agent.flows().collect()
    }
}

/// RFC 5626 §9.2 to §9.5: registered through two edge proxies, the first crashes, a call comes in over the second, the
/// first is back, a call goes out over it.
#[test]
fn the_flow_of_rfc_5626_section_9() {
    let mut two = Two::new();
    two.connect(ONE, 1);
    let first = two.request(ONE);
    assert_eq!(first.uri.to_string(), "sip:example.com");
    assert_eq!(first.headers.get("CSeq"), Some("1 REGISTER"));
    assert_eq!(first.headers.get("Supported"), Some("path, gruu, outbound"));
    assert_eq!(
        first.headers.get("Contact"),
        Some(format!("<sip:bob@192.0.2.2;transport=tcp>;reg-id=1;+sip.instance=\"<{INSTANCE}>\"").as_str())
    );
    two.accept(ONE, &first);
    two.connect(TWO, 2);
    // "Other than the Call-ID has changed, the reg-id is 2" and the way, the second is the same.
    let second = two.request(TWO);
    assert_eq!(
        second.headers.get("Contact"),
        Some(format!("<sip:bob@192.0.2.2;transport=tcp>;reg-id=2;+sip.instance=\"<{INSTANCE}>\"").as_str())
    );
    assert_eq!(second.headers.get("CSeq"), Some("1 REGISTER"));
    assert_ne!(second.call_id(), first.call_id());
    two.accept(TWO, &second);
    assert_eq!(two.phone.events(), ["registering", "registered"], "one account, whatever the number of flows");
    assert_eq!(
        two.states(),
        [(1, Some(ONE), RegistrationState::Registered), (2, Some(TWO), RegistrationState::Registered)]
    );

    // §9.3: the first proxy has crashed, Bob has not seen it yet. The call comes over the second.
    two.phone.flow = TWO;
    two.phone.receive(&invite("klmvCxVWGp6MxJp2T2mb", "z9hG4bKbiba", Some("offer")));
    assert_eq!(two.sent(), [(TWO, "180 INVITE 1".to_owned())]);
    let call = two.phone.agent.calls().next().unwrap().id();
    two.phone.agent.answer(two.phone.now, call, sdp("answer")).unwrap();
    let messages = two.messages();
    let (TWO, Message::Response(ok)) = &messages[0] else { panic!("{messages:?}") };
    assert_eq!(ok.headers.get("Contact"), Some("<sip:bob@192.0.2.2;transport=tcp;ob>"));

    // §9.4: Bob sees it. He stays registered, and comes back with the same Call-ID and reg-id.
    two.phone.events();
    two.disconnect(ONE);
    assert_eq!((two.sent(), two.phone.events()), (vec![], vec![]));
    two.connect(Flow(13), 1);
    let again = two.request(Flow(13));
    assert_eq!((again.call_id(), again.headers.get("CSeq")), (first.call_id(), Some("2 REGISTER")));
    assert_eq!(again.headers.get("Contact"), first.headers.get("Contact"));
    two.accept(Flow(13), &again);
    assert_eq!(two.phone.events(), Vec::<String>::new());

    // §9.5: out over the first, asking for what follows in the dialog over the same flow.
    two.phone.agent.call(two.phone.now, "sip:alice@a.example", sdp("offer"), CallOptions::default()).unwrap();
    let out = two.request(Flow(13));
    assert_eq!(out.headers.get("Contact"), Some("<sip:bob@192.0.2.2;transport=tcp;ob>"));
}

#[test]
fn several_flows_need_an_instance_and_there_are_not_many() {
    let mut config = bob();
    config.instance_id = None;
    assert_eq!(Agent::new(config, [1; 32]).unwrap_err(), Error::Malformed { what: "instance id" });
    let mut config = bob();
    config.flows = 5;
    assert_eq!(Agent::new(config, [1; 32]).unwrap_err(), Error::TooLong { what: "flows", limit: 4 });
}

#[test]
fn the_second_flow_waits_for_the_word_that_each_has_its_binding() {
    let mut two = Two::new();
    two.connect(ONE, 1);
    two.connect(TWO, 2);
    let first = two.request(ONE);
    two.accept(ONE, &first);
    let second = two.request(TWO);
    assert!(second.headers.get("Contact").unwrap().contains(";reg-id=2;"));

    // Without it there is one binding for one Contact: the second flow would take it from the first.
    let mut two = Two::new();
    two.connect(TWO, 2);
    let second = two.request(TWO);
    two.answer(TWO, &second, 200, &[]);
    two.connect(ONE, 1);
    let first = two.request(ONE);
    two.answer(ONE, &first, 200, &[]);
    assert_eq!(two.phone.events(), ["registering", "registered"]);
    assert_eq!(
        two.states(),
        [(1, Some(ONE), RegistrationState::Registered), (2, Some(TWO), RegistrationState::Offline)]
    );
    // It is there when the first is gone.
    two.disconnect(ONE);
    let again = two.request(TWO);
    assert_eq!((again.call_id(), again.headers.get("CSeq")), (second.call_id(), Some("2 REGISTER")));
    two.answer(TWO, &again, 200, &[]);
    assert_eq!(two.phone.events(), ["offline(network)", "registering", "registered"]);
}

#[test]
fn one_flow_that_fails_leaves_the_phone_registered() {
    let mut two = Two::registered();
    let mut refused_at = two.phone.now;
    // Each flow is refreshed at its own time; the first is refused.
    for _ in 0..2 {
        let (flow, message) = two.next();
        let Message::Request(register) = message else { panic!("{message:?}") };
        if flow == ONE {
            refused_at = two.phone.now;
            two.answer(ONE, &register, 503, &[]);
        } else {
            two.accept(TWO, &register);
        }
    }
    assert_eq!((two.phone.agent.registration(), two.phone.events()), (RegistrationState::Registered, vec![]));
    // New requests leave over the one that works.
    two.phone.agent.options(two.phone.now, "600").unwrap();
    two.request(TWO);
    // RFC 5626 §4.5: 90 s and not 30, as another flow works; half of it at random.
    let failed = two.phone.agent.flows().next();
    assert_eq!(failed, Some((1, Some(ONE), RegistrationState::Failed)));
    let (ONE, again) = two.next() else { panic!() };
    assert_eq!(brief(&again), "REGISTER 3");
    let pause = two.phone.now.saturating_duration_since(refused_at);
    assert!((45..=90).contains(&pause.as_secs()), "{pause:?}");

    // The other one goes too: now it is news.
    two.disconnect(TWO);
    assert_eq!(two.phone.events(), ["registering(network)", "options(None)"]);
    two.disconnect(ONE);
    assert_eq!(two.phone.events(), ["offline(network)"]);
}

#[test]
fn a_dialog_keeps_its_flow_and_moves_when_that_dies() {
    let mut two = Two::registered();
    // Over the second flow, though new requests take the first.
    two.phone.flow = TWO;
    two.phone.receive(&invite("in-2", "z9hG4bKin2", Some("offer")));
    let call = two.phone.agent.calls().next().unwrap().id();
    two.phone.agent.answer(two.phone.now, call, sdp("answer")).unwrap();
    let Some((TWO, Message::Response(ok))) = two.messages().pop() else { panic!() };
    let tag = ok.to().unwrap().tag().unwrap().to_owned();
    two.phone.receive(&phone::request(soft_phone_sip::Method::Ack, "in-2", "z9hG4bKack", 1, &tag, None));
    two.phone.agent.options(two.phone.now, "600").unwrap();
    two.request(ONE);
    two.phone.agent.hangup(two.phone.now, call).unwrap();
    let bye = two.request(TWO);
    assert_eq!(bye.method, soft_phone_sip::Method::Bye);

    let mut two = Two::registered();
    let call =
        two.phone.agent.call(two.phone.now, "sip:alice@a.example", sdp("offer"), CallOptions::default()).unwrap();
    let out = two.request(ONE);
    two.answer(ONE, &out, 200, &[("Contact", "<sip:alice@192.0.2.9>")]);
    assert_eq!(two.sent(), [(ONE, "ACK 1".to_owned())]);
    two.disconnect(ONE);
    two.phone.agent.hangup(two.phone.now, call).unwrap();
    assert_eq!(two.sent(), [(TWO, "BYE 2".to_owned())]);
}

#[test]
fn signing_out_takes_every_flow_along() {
    let mut two = Two::registered();
    two.phone.agent.unregister(two.phone.now).unwrap();
    let removals = two.messages();
    assert_eq!(removals.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(), [ONE, TWO]);
    for (n, (flow, message)) in removals.into_iter().enumerate() {
        let Message::Request(request) = message else { panic!("{message:?}") };
        assert_eq!(request.headers.get("Expires"), Some("0"));
        assert!(request.headers.get("Contact").unwrap().contains(&format!(";reg-id={};", n + 1)));
        two.answer(flow, &request, 200, &[]);
    }
    assert_eq!(two.phone.events(), ["unregistering", "offline"]);
    two.phone.assert_idle();

    let mut two = Two::registered();
    two.phone.agent.shutdown(two.phone.now);
    assert_eq!(two.sent(), [(ONE, "REGISTER 2".to_owned()), (TWO, "REGISTER 2".to_owned())]);
}

#[test]
fn a_first_hop_without_outbound_gets_a_plain_registration_once() {
    let mut config = alice(Transport::Wss);
    config.instance_id = Some(INSTANCE.to_owned());
    let mut phone = Phone::new(config);
    phone.agent.register(phone.now).unwrap();
    let register = phone.request();
    phone.answer(&register, 439, "r", &[], None);
    let plain = phone.request();
    assert_eq!(plain.headers.get("Supported"), Some("path, gruu"));
    let contact = plain.headers.get("Contact").unwrap();
    assert!(!contact.contains("reg-id") && contact.contains("+sip.instance"), "{contact}");
    // The registrar's word alone means nothing then.
    phone.answer(&plain, 200, "r", &[("Require", "outbound"), ("Expires", "600")], None);
    assert_eq!(phone.events(), ["registering", "registered"]);
    phone.dial("600");
    assert!(!phone.request().headers.get("Contact").unwrap().contains(";ob"));
    // A proxy that goes on like this is not asked for ever.
    let mut config = alice(Transport::Wss);
    config.instance_id = Some(INSTANCE.to_owned());
    let mut phone = Phone::new(config);
    phone.agent.register(phone.now).unwrap();
    for _ in 0..2 {
        let register = phone.request();
        phone.answer(&register, 439, "r", &[], None);
    }
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["registering".to_owned(), "failed(failed)".to_owned()]));
    // Another connection, another first hop.
    phone.agent.register(phone.now).unwrap();
    phone.messages();
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    assert_eq!(phone.request().headers.get("Supported"), Some("path, gruu, outbound"));
}

#[test]
fn the_flow_timer_is_told_once_for_each_connection_and_value() {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.agent.register(phone.now).unwrap();
    let mut told: Vec<Vec<Event>> = Vec::new();
    for timer in ["120", "120", "90", "0", "x"] {
        let register = phone.request();
        phone.answer(&register, 200, "r", &[("Flow-Timer", timer), ("Expires", "600")], None);
        told.push(phone.raw_events().into_iter().filter(|it| matches!(it, Event::KeepAlive { .. })).collect());
        phone.advance(secs(540));
    }
    let every = |seconds| vec![Event::KeepAlive { flow: phone.flow, every: secs(seconds) }];
    assert_eq!(told, [every(120), vec![], every(90), vec![], vec![]]);
    phone.messages();
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    let register = phone.request();
    phone.answer(&register, 200, "r", &[("Flow-Timer", "90")], None);
    assert!(phone.raw_events().contains(&Event::KeepAlive { flow: Flow(2), every: secs(90) }));
}

#[test]
fn an_answer_for_the_other_flow_is_nothing() {
    let mut two = Two::registered();
    two.phone.agent.unregister(two.phone.now).unwrap();
    let Some((TWO, Message::Request(second))) = two.messages().pop() else { panic!() };
    two.disconnect(TWO);
    let late = Response::to_request(&second, 403, None, Some("r"));
    two.phone.receive_bytes(&late.to_bytes());
    assert_eq!(two.phone.agent.registration(), RegistrationState::Unregistering);
    assert_eq!(two.sent(), []);
}
