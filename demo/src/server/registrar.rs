//! Where users can be reached: the registrar and its location table (RFC 3261 §10.3).

use std::collections::BTreeMap;
use std::time::Duration;

use soft_phone_sip::transaction::Flow;
use soft_phone_sip::{Instant, NameAddr, Request, Response, Uri, value};

use super::random::Random;
use super::reply::{reply, with};

/// Without a wish of the phone, in seconds.
const DEFAULT_EXPIRES: u64 = 600;

/// The shortest life of a binding, in seconds: who wants less is told 423.
const MIN_EXPIRES: u64 = 60;

/// The longest life of a binding, in seconds: who wants more gets this.
const MAX_EXPIRES: u64 = 3_600;

/// Phones of one user.
const MAX_BINDINGS: usize = 10;

/// One phone of a user.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    /// The Request-URI of what is sent there. Its host is often `….invalid` (RFC 7118 §5): only the flow leads there.
    pub(super) contact: Uri,
    /// The connection that registered it.
    pub(super) flow: Flow,
    /// `+sip.instance`, which stays when a phone reconnects (RFC 5626 §4.1).
    pub(super) instance: Option<String>,
    call_id: String,
    sequence: u32,
    expires: Instant,
}

/// What a REGISTER wants for one contact.
struct Wish {
    contact: Uri,
    instance: Option<String>,
    expires: u64,
}

/// The bindings of all users, by number.
#[derive(Default)]
pub(super) struct Registrar {
    bindings: BTreeMap<String, Vec<Binding>>,
}

impl Registrar {
    /// Carries out a REGISTER of the user `number`, who has proved to be just that; returns what to answer. All of it
    /// is done or nothing (§10.3 step 7).
    pub(super) fn register(
        &mut self,
        now: Instant,
        random: &mut Random,
        flow: Flow,
        number: &str,
        request: &Request,
    ) -> Response {
        self.expire(now);
        let refuse = |random: &mut Random, status| reply(random, request, status);
        let Ok(sequence) = request.cseq().map(|cseq| cseq.seq) else { return refuse(random, 400) };
        let call_id = request.call_id();
        let mut bindings = self.bindings.get(number).cloned().unwrap_or_default();
        // §10.3 steps 6 and 7: the same phone's requests out of order change nothing.
        let is_late = |binding: &Binding| binding.call_id == call_id && binding.sequence >= sequence;

        if request.headers.get_list("Contact").any(|contact| contact.trim() == "*") {
            let alone = request.headers.get_list("Contact").count() == 1;
            if !alone || request.headers.get("Expires").and_then(value::decimal) != Some(0) {
                return refuse(random, 400);
            }
            if bindings.iter().any(is_late) {
                return refuse(random, 500);
            }
            bindings.clear();
        } else {
            let wishes = match wishes(request) {
                Ok(wishes) => wishes,
                Err(423) => return with(refuse(random, 423), "Min-Expires", MIN_EXPIRES.to_string()),
                Err(status) => return refuse(random, status),
            };
            for Wish { contact, instance, expires } in wishes {
                let same = |binding: &Binding| {
                    binding.contact.equivalent(&contact) || (instance.is_some() && binding.instance == instance)
                };
                if bindings.iter().any(|binding| same(binding) && is_late(binding)) {
                    return refuse(random, 500);
                }
                bindings.retain(|binding| !same(binding));
                if expires > 0 {
                    let expires = now + Duration::from_secs(expires);
                    let call_id = call_id.to_owned();
                    bindings.push(Binding { contact, flow, instance, call_id, sequence, expires });
                }
            }
            if bindings.len() > MAX_BINDINGS {
                return refuse(random, 403);
            }
        }

        let mut response = reply(random, request, 200);
        for binding in &bindings {
            if let Some(contact) = as_contact(now, binding) {
                response = with(response, "Contact", contact);
            }
        }
        self.bindings.insert(number.to_owned(), bindings);
        response
    }

    /// The phones of a user, in the order in which they registered.
    pub(super) fn lookup(&self, now: Instant, number: &str) -> impl Iterator<Item = &Binding> {
        self.bindings.get(number).into_iter().flatten().filter(move |binding| binding.expires > now)
    }

    /// The connection is gone, and with it every way to the phones behind it (RFC 5626 §5.3).
    pub(super) fn remove_flow(&mut self, flow: Flow) {
        for bindings in self.bindings.values_mut() {
            bindings.retain(|binding| binding.flow != flow);
        }
    }

    /// Forgets what has run out; returns when to do so again.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        for bindings in self.bindings.values_mut() {
            bindings.retain(|binding| binding.expires > now);
        }
        self.bindings.retain(|_, bindings| !bindings.is_empty());
        self.poll_timeout()
    }

    /// When the first binding runs out.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.bindings.values().flatten().map(|binding| binding.expires).min()
    }
}

/// The contacts of a REGISTER with the time each wants; the status that refuses them all.
fn wishes(request: &Request) -> Result<Vec<Wish>, u16> {
    // §20.19: an Expires that cannot be read counts as not there.
    let general = request.headers.get("Expires").and_then(value::decimal).unwrap_or(DEFAULT_EXPIRES);
    let mut wishes = Vec::new();
    for contact in request.headers.get_list("Contact") {
        let contact: NameAddr = contact.parse().map_err(|_| 400_u16)?;
        if !contact.uri.is_sip() || wishes.len() == MAX_BINDINGS {
            return Err(400);
        }
        let own = contact.param("expires").map(|value| value.and_then(value::decimal).unwrap_or(DEFAULT_EXPIRES));
        let expires = own.unwrap_or(general).min(MAX_EXPIRES);
        if (1..MIN_EXPIRES).contains(&expires) {
            return Err(423);
        }
        let instance = contact.param("+sip.instance").flatten().map(str::to_owned);
        wishes.push(Wish { contact: contact.uri, instance, expires });
    }
    Ok(wishes)
}

/// A binding as the 200 shows it (§10.3 step 8).
fn as_contact(now: Instant, binding: &Binding) -> Option<String> {
    let mut contact = NameAddr::new(None, binding.contact.clone()).ok()?;
    // Rounded up: a phone that refreshes when this has passed is not early.
    let left = binding.expires.saturating_duration_since(now).as_millis().div_ceil(1_000);
    contact.set_param("expires", Some(&left.to_string()));
    if let Some(instance) = &binding.instance {
        contact.set_param("+sip.instance", Some(instance));
    }
    Some(contact.to_string())
}

#[cfg(test)]
mod tests {
    use soft_phone_sip::{Message, parse};

    use super::*;

    const A: &str = "<sip:a@a1.invalid;transport=ws>";
    const B: &str = "<sip:b@b1.invalid;transport=ws>";

    struct Fixture {
        registrar: Registrar,
        random: Random,
        sequence: u32,
    }

    impl Fixture {
        fn new() -> Fixture {
            Fixture { registrar: Registrar::default(), random: Random::new([1; 32]), sequence: 0 }
        }

        fn register(&mut self, seconds: u64, flow: u64, headers: &str) -> Response {
            self.sequence += 1;
            self.register_as(seconds, flow, self.sequence, headers)
        }

        fn register_as(&mut self, seconds: u64, flow: u64, sequence: u32, headers: &str) -> Response {
            let text = format!(
                "REGISTER sip:soft-phone.test SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:1001@soft-phone.test>;tag=1\r\nTo: <sip:1001@soft-phone.test>\r\n\
                 Call-ID: 1\r\nCSeq: {sequence} REGISTER\r\n{headers}\r\n\r\n"
            );
            let Message::Request(request) = parse(text.as_bytes()).unwrap() else { panic!("a response") };
            let now = Instant::from_millis(seconds * 1_000);
            self.registrar.register(now, &mut self.random, Flow(flow), "1001", &request)
        }

        fn reachable(&self, seconds: u64) -> Vec<u64> {
            let now = Instant::from_millis(seconds * 1_000);
            self.registrar.lookup(now, "1001").map(|binding| binding.flow.0).collect()
        }
    }

    fn contacts(response: &Response) -> Vec<String> {
        assert_eq!(response.status, 200);
        response.headers.get_all("Contact").map(str::to_owned).collect()
    }

    #[test]
    fn a_binding_lives_as_long_as_was_promised() {
        let mut fixture = Fixture::new();
        let response = fixture.register(0, 1, &format!("Contact: {A};expires=120"));
        assert_eq!(contacts(&response), [format!("{A};expires=120")]);
        assert_eq!(fixture.registrar.poll_timeout(), Some(Instant::from_millis(120_000)));
        assert_eq!(fixture.reachable(119), [1]);
        assert_eq!(fixture.reachable(120), [] as [u64; 0]);
        assert_eq!(fixture.registrar.expire(Instant::from_millis(120_000)), None);
        assert!(fixture.registrar.bindings.is_empty());
    }

    #[test]
    fn the_wished_time_is_the_contacts_then_the_headers_then_ours_within_bounds() {
        let mut fixture = Fixture::new();
        let expires = |response: Response| contacts(&response)[0].rsplit_once('=').unwrap().1.to_owned();
        assert_eq!(expires(fixture.register(0, 1, &format!("Contact: {A};expires=70\r\nExpires: 90"))), "70");
        assert_eq!(expires(fixture.register(0, 1, &format!("Contact: {A}\r\nExpires: 90"))), "90");
        assert_eq!(expires(fixture.register(0, 1, &format!("Contact: {A}"))), "600");
        assert_eq!(expires(fixture.register(0, 1, &format!("Contact: {A};expires=99999999"))), "3600");
        assert_eq!(expires(fixture.register(0, 1, &format!("Contact: {A}\r\nExpires: soon"))), "600");
        let brief = fixture.register(0, 1, &format!("Contact: {A};expires=59"));
        assert_eq!((brief.status, brief.headers.get("Min-Expires")), (423, Some("60")));
    }

    #[test]
    fn zero_and_star_remove_and_a_query_shows() {
        let mut fixture = Fixture::new();
        fixture.register(0, 1, &format!("Contact: {A}"));
        let both = fixture.register(1, 2, &format!("Contact: {B}"));
        assert_eq!(contacts(&both), [format!("{A};expires=599"), format!("{B};expires=600")]);
        assert_eq!(contacts(&fixture.register(1, 2, "Subject: query")).len(), 2);
        assert_eq!(contacts(&fixture.register(1, 2, &format!("Contact: {A};expires=0"))), [format!("{B};expires=600")]);
        assert_eq!(contacts(&fixture.register(1, 2, "Contact: *\r\nExpires: 0")), [] as [&str; 0]);
        assert_eq!(fixture.register(1, 2, "Contact: *").status, 400);
        assert_eq!(fixture.register(1, 2, &format!("Contact: *\r\nContact: {A}\r\nExpires: 0")).status, 400);
    }

    #[test]
    fn a_phone_that_reconnects_replaces_itself() {
        let mut fixture = Fixture::new();
        let instance = r#";+sip.instance="<urn:uuid:1>""#;
        fixture.register(0, 1, &format!("Contact: {A}{instance}"));
        let response = fixture.register(0, 2, &format!("Contact: {B}{instance}"));
        assert_eq!(contacts(&response), [format!("{B};expires=600{instance}")]);
        assert_eq!(fixture.reachable(1), [2]);
        fixture.registrar.remove_flow(Flow(2));
        assert_eq!(fixture.reachable(1), [] as [u64; 0]);
    }

    #[test]
    fn requests_out_of_order_change_nothing() {
        let mut fixture = Fixture::new();
        fixture.register_as(0, 1, 5, &format!("Contact: {A}"));
        assert_eq!(fixture.register_as(0, 1, 5, &format!("Contact: {A};expires=0")).status, 500);
        assert_eq!(fixture.register_as(0, 1, 4, "Contact: *\r\nExpires: 0").status, 500);
        assert_eq!(fixture.reachable(1), [1]);
    }

    #[test]
    fn contacts_are_bounded_and_must_be_sip() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.register(0, 1, "Contact: <mailto:a@b>").status, 400);
        for index in 0..MAX_BINDINGS {
            assert_eq!(fixture.register(0, 1, &format!("Contact: <sip:{index}@a.invalid>")).status, 200);
        }
        assert_eq!(fixture.register(0, 1, "Contact: <sip:more@a.invalid>").status, 403);
        assert_eq!(fixture.reachable(1).len(), MAX_BINDINGS);
    }
}
