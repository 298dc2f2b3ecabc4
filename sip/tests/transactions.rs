//! The four machines of RFC 3261 §17 and RFC 6026: exact outputs at exact times.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::brief;
use soft_phone_sip::transaction::{ClientKey, Event, Failure, Layer, ServerKey};
use soft_phone_sip::{Error, Flow, Instant, Message, Method, Request, Response, Timers, parse};

const FLOW: Flow = Flow(1);
const OTHER: Flow = Flow(2);

struct Bench {
    layer: Layer,
    now: Instant,
    reliable: bool,
}

/// What the layer says, in short.
fn name(event: &Event) -> String {
    match event {
        Event::Request { request, .. } => format!("request {}", request.method),
        Event::Ack { .. } => "ack".to_owned(),
        Event::Response { response, .. } => format!("response {}", response.status),
        Event::StrayResponse { response, .. } => format!("stray {}", response.status),
        Event::ClientFailed { failure, .. } | Event::ServerFailed { failure, .. } => {
            format!("failed {}", if *failure == Failure::Timeout { "timeout" } else { "transport" })
        }
        Event::ClientTerminated { .. } | Event::ServerTerminated { .. } => "terminated".to_owned(),
    }
}

impl Bench {
    fn new(reliable: bool) -> Bench {
        Bench { layer: Layer::new(Timers::default()), now: Instant::from_millis(1_000), reliable }
    }

    fn send(&mut self, method: &str) -> (ClientKey, Request) {
        let request = request(method, "z9hG4bKclient", 1);
        let key = self.layer.request(self.now, FLOW, self.reliable, request.clone()).unwrap();
        (key, request)
    }

    fn receive(&mut self, message: Message) {
        self.layer.handle_message(self.now, FLOW, self.reliable, message);
    }

    /// A request comes in and makes a transaction.
    fn serve(&mut self, method: &str) -> (ServerKey, Request) {
        let request = request(method, "z9hG4bKserver", 1);
        self.receive(Message::Request(request.clone()));
        match self.layer.poll_event() {
            Some(Event::Request { key, flow: FLOW, request: seen }) if seen == request => (key, request),
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, request: &Request, status: u16) {
        self.receive(Message::Response(Response::to_request(request, status, None, Some("peer"))));
    }

    fn respond(&mut self, key: ServerKey, request: &Request, status: u16) -> Result<(), Error> {
        self.layer.respond(self.now, &key, Response::to_request(request, status, None, Some("us")))
    }

    fn messages(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.layer.poll_transmit()).map(|transmit| parse(&transmit.payload).unwrap()).collect()
    }

    fn sent(&mut self) -> Vec<String> {
        self.messages().iter().map(brief).collect()
    }

    fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.layer.poll_event()).map(|event| name(&event)).collect()
    }

    /// Runs for `millis`; what happens, and when, in milliseconds.
    fn run(&mut self, millis: u64) -> Vec<(u64, String)> {
        let (start, end) = (self.now, self.now + Duration::from_millis(millis));
        let mut line = Vec::new();
        while let Some(at) = self.layer.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.layer.handle_timeout(at);
            let after = at.saturating_duration_since(start).as_millis() as u64;
            line.extend(self.sent().into_iter().map(|message| (after, message)));
            line.extend(self.events().into_iter().map(|event| (after, event)));
        }
        self.now = end;
        line
    }

    fn assert_empty(&self) {
        assert_eq!((self.layer.len(), self.layer.timers(), self.layer.poll_timeout()), (0, 0, None));
    }
}

fn request(method: &str, branch: &str, seq: u32) -> Request {
    let text = format!(
        "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch}\r\n\
         Route: <sip:proxy.example.com;lr>\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=alice\r\n\
         To: <sip:bob@example.com>\r\nCall-ID: call\r\nCSeq: {seq} {method}\r\nContent-Length: 0\r\n\r\n"
    );
    match parse(text.as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("not a request"),
    }
}

fn ack_of(request: &Request) -> Message {
    let mut ack = Request::new(Method::Ack, request.uri.clone());
    for name in ["Via", "From", "To", "Call-ID"] {
        ack.headers.push(name, request.headers.get(name).unwrap()).unwrap();
    }
    ack.headers.push("CSeq", "1 ACK").unwrap();
    Message::Request(ack)
}

fn line(entries: &[(u64, &str)]) -> Vec<(u64, String)> {
    entries.iter().map(|(at, what)| (*at, (*what).to_owned())).collect()
}

#[test]
fn invite_is_repeated_by_timer_a_until_timer_b() {
    let mut bench = Bench::new(false);
    bench.send("INVITE");
    assert_eq!(bench.sent(), ["INVITE 1"]);
    let repeated = [500, 1_500, 3_500, 7_500, 15_500, 31_500].map(|at| (at, "INVITE 1"));
    let mut expected = line(&repeated);
    expected.extend(line(&[(32_000, "failed timeout"), (32_000, "terminated")]));
    assert_eq!(bench.run(100_000), expected);
    bench.assert_empty();
}

#[test]
fn a_reliable_transport_is_not_helped_along() {
    for method in ["INVITE", "OPTIONS"] {
        let mut bench = Bench::new(true);
        bench.send(method);
        assert_eq!(bench.sent(), [format!("{method} 1")]);
        assert_eq!(bench.run(100_000), line(&[(32_000, "failed timeout"), (32_000, "terminated")]));
        bench.assert_empty();
    }
}

#[test]
fn a_provisional_answer_ends_the_repetition_of_invite_and_the_patience_with_it() {
    let mut bench = Bench::new(false);
    let (_, request) = bench.send("INVITE");
    bench.answer(&request, 100);
    bench.answer(&request, 180);
    bench.answer(&request, 180);
    assert_eq!(bench.events(), ["response 100", "response 180", "response 180"]);
    bench.sent();
    assert_eq!(bench.run(600_000), []);
}

#[test]
fn a_refusal_is_acknowledged_each_time_until_timer_d() {
    let mut bench = Bench::new(false);
    let (_, request) = bench.send("INVITE");
    bench.sent();
    bench.answer(&request, 486);
    assert_eq!(bench.events(), ["response 486"]);
    let acks = bench.messages();
    let [Message::Request(ack)] = acks.as_slice() else { panic!("{acks:?}") };
    // RFC 3261 §17.1.1.3.
    assert_eq!((&ack.method, &ack.uri), (&Method::Ack, &request.uri));
    for name in ["Via", "Route", "From", "Call-ID", "Max-Forwards"] {
        assert_eq!(ack.headers.get(name), request.headers.get(name), "{name}");
    }
    assert_eq!(ack.headers.get("To"), Some("<sip:bob@example.com>;tag=peer"));
    assert_eq!(ack.headers.get("CSeq"), Some("1 ACK"));
    bench.run(31_000);
    bench.answer(&request, 486);
    assert_eq!((bench.sent(), bench.events()), (vec!["ACK 1".to_owned()], vec![]));
    assert_eq!(bench.run(10_000), line(&[(1_000, "terminated")]));
    bench.assert_empty();
    bench.answer(&request, 486);
    assert_eq!(bench.events(), ["stray 486"]);
}

#[test]
fn a_reliable_transport_has_no_timer_d_and_no_timer_k() {
    for (method, acks) in [("INVITE", vec!["ACK 1".to_owned()]), ("OPTIONS", vec![])] {
        let mut bench = Bench::new(true);
        let (_, request) = bench.send(method);
        bench.sent();
        bench.answer(&request, 404);
        assert_eq!((bench.sent(), bench.events()), (acks, vec!["response 404".to_owned(), "terminated".to_owned()]));
        bench.assert_empty();
    }
}

#[test]
fn every_2xx_is_passed_on_until_timer_m() {
    for reliable in [false, true] {
        let mut bench = Bench::new(reliable);
        let (_, request) = bench.send("INVITE");
        bench.sent();
        bench.answer(&request, 180);
        bench.answer(&request, 200);
        bench.answer(&request, 200);
        bench.answer(&request, 180);
        bench.answer(&request, 486);
        assert_eq!(bench.events(), ["response 180", "response 200", "response 200"]);
        assert_eq!(bench.sent(), Vec::<String>::new(), "the ACK is the transaction user's");
        assert_eq!(bench.run(40_000), line(&[(32_000, "terminated")]));
        bench.assert_empty();
    }
}

#[test]
fn another_request_is_repeated_by_timer_e_up_to_t2_until_timer_f() {
    let mut bench = Bench::new(false);
    bench.send("OPTIONS");
    bench.sent();
    let times = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut expected = line(&times.map(|at| (at, "OPTIONS 1")));
    expected.extend(line(&[(32_000, "failed timeout"), (32_000, "terminated")]));
    assert_eq!(bench.run(100_000), expected);
    bench.assert_empty();
}

#[test]
fn a_provisional_answer_slows_timer_e_down_to_t2() {
    let mut bench = Bench::new(false);
    let (_, request) = bench.send("OPTIONS");
    bench.sent();
    bench.answer(&request, 100);
    assert_eq!(bench.events(), ["response 100"]);
    let times = [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500];
    let mut expected = line(&times.map(|at| (at, "OPTIONS 1")));
    expected.extend(line(&[(32_000, "failed timeout"), (32_000, "terminated")]));
    assert_eq!(bench.run(100_000), expected);
}

#[test]
fn a_final_answer_is_absorbed_until_timer_k() {
    let mut bench = Bench::new(false);
    let (_, request) = bench.send("OPTIONS");
    bench.sent();
    bench.answer(&request, 200);
    bench.answer(&request, 200);
    assert_eq!(bench.events(), ["response 200"]);
    assert_eq!(bench.run(10_000), line(&[(5_000, "terminated")]));
    bench.assert_empty();
}

#[test]
fn an_invite_without_an_answer_gets_100_after_200_ms() {
    let mut bench = Bench::new(true);
    let (key, request) = bench.serve("INVITE");
    assert_eq!(bench.run(1_000), line(&[(200, "100 INVITE 1")]));
    bench.receive(Message::Request(request.clone()));
    assert_eq!(bench.sent(), ["100 INVITE 1"]);
    bench.respond(key, &request, 180).unwrap();
    bench.receive(Message::Request(request));
    assert_eq!(bench.sent(), ["180 INVITE 1", "180 INVITE 1"]);
    assert_eq!((bench.run(100_000), bench.events()), (vec![], vec![]));
}

#[test]
fn a_refusal_is_repeated_by_timer_g_until_timer_h() {
    let mut bench = Bench::new(false);
    let (key, request) = bench.serve("INVITE");
    bench.respond(key, &request, 486).unwrap();
    assert_eq!(bench.sent(), ["486 INVITE 1"]);
    let times = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut expected = line(&times.map(|at| (at, "486 INVITE 1")));
    expected.extend(line(&[(32_000, "failed timeout"), (32_000, "terminated")]));
    assert_eq!(bench.run(100_000), expected);
    bench.assert_empty();
}

#[test]
fn an_ack_ends_timer_g_and_more_of_them_are_absorbed_until_timer_i() {
    let mut bench = Bench::new(false);
    let (key, request) = bench.serve("INVITE");
    bench.respond(key, &request, 486).unwrap();
    bench.receive(Message::Request(request.clone()));
    assert_eq!(bench.sent(), ["486 INVITE 1", "486 INVITE 1"]);
    bench.receive(ack_of(&request));
    bench.receive(ack_of(&request));
    bench.receive(Message::Request(request));
    assert_eq!((bench.sent(), bench.events()), (vec![], vec![]));
    assert_eq!(bench.run(100_000), line(&[(5_000, "terminated")]));
    bench.assert_empty();
}

#[test]
fn a_reliable_transport_has_timer_h_but_neither_g_nor_i() {
    let mut bench = Bench::new(true);
    let (key, request) = bench.serve("INVITE");
    bench.respond(key, &request, 486).unwrap();
    bench.sent();
    assert_eq!(bench.run(100_000), line(&[(32_000, "failed timeout"), (32_000, "terminated")]));

    let mut bench = Bench::new(true);
    let (key, request) = bench.serve("INVITE");
    bench.respond(key, &request, 486).unwrap();
    bench.receive(ack_of(&request));
    assert_eq!(bench.events(), ["terminated"]);
    bench.assert_empty();
}

#[test]
fn after_a_2xx_retransmissions_are_absorbed_and_acks_passed_on_until_timer_l() {
    for reliable in [false, true] {
        let mut bench = Bench::new(reliable);
        let (key, request) = bench.serve("INVITE");
        bench.respond(key, &request, 200).unwrap();
        bench.receive(Message::Request(request.clone()));
        bench.respond(key, &request, 200).unwrap();
        assert_eq!(bench.sent(), ["200 INVITE 1", "200 INVITE 1"], "the second is the transaction user's");
        assert_eq!(bench.respond(key, &request, 486), Err(Error::WrongState { state: "answered" }));
        bench.receive(ack_of(&request));
        assert_eq!(bench.events(), ["ack"]);
        assert_eq!(bench.run(100_000), line(&[(32_000, "terminated")]));
        bench.assert_empty();
    }
}

#[test]
fn another_request_is_answered_again_until_timer_j() {
    let mut bench = Bench::new(false);
    let (key, request) = bench.serve("OPTIONS");
    bench.receive(Message::Request(request.clone()));
    assert_eq!((bench.sent(), bench.events()), (vec![], vec![]), "Trying absorbs");
    bench.respond(key, &request, 200).unwrap();
    bench.receive(Message::Request(request.clone()));
    assert_eq!(bench.sent(), ["200 OPTIONS 1", "200 OPTIONS 1"]);
    assert_eq!(bench.respond(key, &request, 200), Err(Error::WrongState { state: "answered" }));
    assert_eq!(bench.run(100_000), line(&[(32_000, "terminated")]));
    assert_eq!(bench.respond(key, &request, 200), Err(Error::WrongState { state: "terminated" }));

    let mut bench = Bench::new(true);
    let (key, request) = bench.serve("OPTIONS");
    bench.respond(key, &request, 200).unwrap();
    assert_eq!(bench.events(), ["terminated"]);
    bench.assert_empty();
}

#[test]
fn cancel_waits_for_a_provisional_answer_and_then_for_64_t1() {
    let mut bench = Bench::new(true);
    let (key, request) = bench.send("INVITE");
    bench.sent();
    bench.layer.cancel(bench.now, &key, Some("SIP;cause=200")).unwrap();
    assert_eq!(bench.sent(), Vec::<String>::new());
    bench.answer(&request, 100);
    let cancels = bench.messages();
    let [Message::Request(cancel)] = cancels.as_slice() else { panic!("{cancels:?}") };
    // RFC 3261 §9.1.
    assert_eq!((&cancel.method, &cancel.uri), (&Method::Cancel, &request.uri));
    for name in ["Via", "Route", "From", "To", "Call-ID"] {
        assert_eq!(cancel.headers.get(name), request.headers.get(name), "{name}");
    }
    assert_eq!(cancel.headers.get("CSeq"), Some("1 CANCEL"));
    assert_eq!(cancel.headers.get("Reason"), Some("SIP;cause=200"));
    bench.layer.cancel(bench.now, &key, None).unwrap();
    assert_eq!(bench.sent(), Vec::<String>::new(), "once is enough");
    bench.answer(cancel, 200);
    assert_eq!(bench.events(), ["response 100"], "the answer to CANCEL is not reported");
    assert_eq!(bench.run(100_000), line(&[(32_000, "failed timeout"), (32_000, "terminated")]));
    bench.assert_empty();
}

#[test]
fn cancel_does_not_leave_after_a_final_answer() {
    for status in [200, 486] {
        let mut bench = Bench::new(false);
        let (key, request) = bench.send("INVITE");
        bench.layer.cancel(bench.now, &key, None).unwrap();
        bench.answer(&request, status);
        assert!(!bench.sent().contains(&"CANCEL 1".to_owned()));
        assert_eq!(bench.layer.cancel(bench.now, &key, None), Err(Error::WrongState { state: "answered" }));
    }
    let mut bench = Bench::new(false);
    let (key, _) = bench.send("OPTIONS");
    assert_eq!(bench.layer.cancel(bench.now, &key, None), Err(Error::WrongState { state: "answered" }));
    let (key, _) = bench.send("INVITE");
    let injected = bench.layer.cancel(bench.now, &key, Some("SIP\r\nX: y"));
    assert_eq!(injected, Err(Error::Injection { field: "Reason".to_owned() }));
}

#[test]
fn cancel_finds_its_invite_while_that_lives() {
    let mut bench = Bench::new(true);
    let (key, invite) = bench.serve("INVITE");
    let cancel = request("CANCEL", "z9hG4bKserver", 1);
    assert_eq!(bench.layer.invite_of_cancel(&cancel), Some(key));
    assert_eq!(bench.layer.invite_of_cancel(&request("CANCEL", "z9hG4bKother", 1)), None);
    bench.receive(Message::Request(cancel.clone()));
    assert_eq!(bench.events(), ["request CANCEL"], "a transaction of its own");
    bench.respond(key, &invite, 487).unwrap();
    bench.receive(ack_of(&invite));
    assert_eq!(bench.layer.invite_of_cancel(&cancel), None);
}

#[test]
fn responses_and_requests_find_only_their_own_transaction() {
    let mut bench = Bench::new(false);
    let (_, sent) = bench.send("INVITE");
    bench.sent();
    // RFC 3261 §17.1.3: branch and CSeq method.
    let mut other_branch = sent.clone();
    other_branch.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKother").unwrap();
    bench.answer(&other_branch, 200);
    let mut other_method = sent;
    other_method.headers.set("CSeq", "1 CANCEL").unwrap();
    bench.answer(&other_method, 200);
    assert_eq!(bench.events(), ["stray 200", "stray 200"]);

    // §17.2.3: branch, sent-by, method.
    let (_, served) = bench.serve("OPTIONS");
    for (name, value) in [
        ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKother"),
        ("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKserver"),
    ] {
        let mut other = served.clone();
        other.headers.set(name, value).unwrap();
        bench.receive(Message::Request(other));
        assert_eq!(bench.events(), ["request OPTIONS"], "{value}");
    }
    let mut upper = served;
    upper.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=Z9HG4BKSERVER").unwrap();
    bench.receive(Message::Request(upper));
    assert_eq!(bench.events(), Vec::<String>::new(), "branches have no case");
}

#[test]
fn a_client_of_rfc_2543_is_matched_by_all_that_it_sends() {
    let mut bench = Bench::new(false);
    let mut old = request("INVITE", "x", 1);
    old.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060").unwrap();
    bench.receive(Message::Request(old.clone()));
    bench.receive(Message::Request(old.clone()));
    let Some(Event::Request { key, .. }) = bench.layer.poll_event() else { panic!("no request") };
    assert_eq!(bench.events(), Vec::<String>::new());
    bench.respond(key, &old, 486).unwrap();
    bench.sent();
    bench.receive(ack_of(&old));
    assert_eq!(bench.run(100_000), line(&[(5_000, "terminated")]), "the ACK was found");
    let mut next = old.clone();
    next.headers.set("CSeq", "2 INVITE").unwrap();
    bench.receive(Message::Request(old));
    bench.receive(Message::Request(next));
    assert_eq!(bench.events(), ["request INVITE", "request INVITE"]);
}

#[test]
fn a_new_invite_is_never_swallowed_by_a_finished_transaction() {
    let mut bench = Bench::new(false);
    let (key, first) = bench.serve("INVITE");
    bench.respond(key, &first, 486).unwrap();
    bench.receive(ack_of(&first));
    bench.sent();
    // A careless client uses the branch again while timer I runs.
    let second = request("INVITE", "z9hG4bKserver", 2);
    bench.receive(Message::Request(second));
    assert_eq!(bench.events(), ["request INVITE"]);
    let mut third = request("INVITE", "z9hG4bKserver", 1);
    third.headers.set("Call-ID", "another").unwrap();
    bench.receive(Message::Request(third));
    assert_eq!(bench.events(), ["request INVITE"]);
}

#[test]
fn a_merged_request_is_known_by_from_tag_call_id_and_cseq() {
    let mut bench = Bench::new(true);
    let (first, invite) = bench.serve("INVITE");
    assert!(!bench.layer.is_merged(&invite, &first));
    let twin = request("INVITE", "z9hG4bKtwin", 1);
    bench.receive(Message::Request(twin.clone()));
    let Some(Event::Request { key, .. }) = bench.layer.poll_event() else { panic!("no request") };
    assert!(bench.layer.is_merged(&twin, &key));
    let next = request("INVITE", "z9hG4bKnext", 2);
    assert!(!bench.layer.is_merged(&next, &key));
}

#[test]
fn a_closed_connection_ends_what_runs_on_it() {
    let mut bench = Bench::new(true);
    bench.send("INVITE");
    bench.layer.request(bench.now, OTHER, true, request("OPTIONS", "z9hG4bKelsewhere", 9)).unwrap();
    let (key, served) = bench.serve("INVITE");
    bench.respond(key, &served, 180).unwrap();
    bench.sent();
    bench.layer.handle_flow_closed(bench.now, FLOW);
    assert_eq!(bench.events(), ["failed transport", "terminated", "failed transport", "terminated"]);
    assert_eq!((bench.sent(), bench.layer.len(), bench.layer.timers()), (vec![], 1, 1));
    assert_eq!(bench.respond(key, &served, 200), Err(Error::WrongState { state: "terminated" }));
}

#[test]
fn a_full_layer_refuses() {
    let mut bench = Bench::new(true);
    bench.layer.set_limit(2);
    bench.serve("INVITE");
    bench.layer.request(bench.now, FLOW, true, request("OPTIONS", "z9hG4bKa", 1)).unwrap();
    let refused = bench.layer.request(bench.now, FLOW, true, request("OPTIONS", "z9hG4bKb", 1));
    assert_eq!(refused, Err(Error::TooLong { what: "transactions", limit: 2 }));
    bench.sent();
    bench.receive(Message::Request(request("OPTIONS", "z9hG4bKc", 3)));
    let refusals = bench.messages();
    assert_eq!(refusals[0].headers().get("Retry-After"), Some("5"));
    assert_eq!((brief(&refusals[0]), bench.events(), bench.layer.len()), ("503 OPTIONS 3".to_owned(), vec![], 2));
}

#[test]
fn what_cannot_be_a_transaction_is_refused() {
    let mut bench = Bench::new(true);
    let ack = request("ACK", "z9hG4bKa", 1);
    assert_eq!(bench.layer.request(bench.now, FLOW, true, ack), Err(Error::Malformed { what: "method" }));
    for via in ["SIP/2.0/UDP 192.0.2.1", "SIP/2.0/UDP 192.0.2.1;branch=1", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"] {
        let mut request = request("OPTIONS", "x", 1);
        request.headers.set("Via", via).unwrap();
        let refused = bench.layer.request(bench.now, FLOW, true, request);
        assert_eq!(refused, Err(Error::Malformed { what: "Via branch" }), "{via}");
    }
    bench.assert_empty();
    assert_eq!(bench.sent(), Vec::<String>::new());
}
