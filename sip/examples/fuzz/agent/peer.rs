//! What the other ends say: messages with the headers by which the agent takes them for answers to its own requests, or for
//! requests in its dialogs.

use soft_phone_sip::{Message, Method, Request, Response, parse};

use super::{Case, Dice};

/// Where the input is no message.
const INVITE: &[u8] = include_bytes!("../../../tests/data/messages/invite.dat");

/// What a REFER or a NOTIFY may have; one of each line, or the input's own.
const REFER: [(&str, &[&str]); 4] = [
    ("Refer-To", &["<sip:carol@example.com>", "<sip:carol@192.0.2.3?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>", "x"]),
    ("Refer-Sub", &["false", "true"]),
    ("Event", &["refer", "refer;id=2", "presence", "dialog", "message-summary", "reg"]),
    (
        "Subscription-State",
        &[
            "active;expires=1",
            "active",
            "terminated;reason=noresource",
            "terminated;reason=timeout",
            "terminated;reason=giveup;retry-after=3",
            "pending",
        ],
    ),
];

/// What comes of it.
const FRAGMENTS: [&str; 4] = ["SIP/2.0 100 Trying", "SIP/2.0 200 OK", "SIP/2.0 486 Busy Here", "SIP/2.0"];

/// What changes the way of an agent most.
const STATUSES: [u16; 14] = [180, 183, 200, 200, 202, 302, 401, 407, 412, 422, 423, 481, 486, 491];

/// What a response may bring along.
const EXTRA: [(&str, &str); 8] = [
    ("WWW-Authenticate", "Digest realm=\"a\", nonce=\"n\", qop=\"auth\""),
    ("Proxy-Authenticate", "Digest realm=\"b\", nonce=\"m\", algorithm=SHA-256, stale=true"),
    ("Contact", "<sip:bob@192.0.2.9>;expires=60"),
    ("Min-SE", "1900"),
    ("Min-Expires", "4000"),
    ("SIP-ETag", "e1"),
    ("Expires", "30"),
    ("Session-Expires", "90;refresher=uac"),
];

const METHODS: [Method; 8] = [
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Invite,
    Method::Update,
    Method::Prack,
    Method::Options,
    Method::Message,
];

impl Case {
    /// A message that fits, made of the input's where that is one.
    pub(super) fn fit(&self, dice: &mut Dice, message: Option<&Message>) -> Option<Vec<u8>> {
        match message {
            Some(Message::Response(response)) if dice.below(2) == 0 => self.answer(dice, Some(response)),
            Some(Message::Request(request)) if dice.below(2) == 0 => self.request(dice, request.clone()),
            _ if dice.below(2) == 0 => self.answer(dice, None),
            _ => match parse(INVITE).ok()? {
                Message::Request(request) if dice.below(3) == 0 => Some(first(dice, request)),
                Message::Request(request) => self.request(dice, request),
                Message::Response(_) => None,
            },
        }
    }

    fn answer(&self, dice: &mut Dice, given: Option<&Response>) -> Option<Vec<u8>> {
        let tag = ["a", "b"][dice.below(2) as usize];
        let status = given.map(|given| given.status).or_else(|| dice.pick(&STATUSES).copied())?;
        let mut fitted = Response::to_request(dice.pick(&self.requests)?, status, None, Some(tag));
        for (name, value) in given.iter().flat_map(|given| given.headers.iter()) {
            if fitted.headers.get(name).is_none() {
                fitted.headers.push(name, value).ok()?;
            }
        }
        for (name, value) in EXTRA {
            if given.is_none() && dice.below(2) == 0 {
                fitted.headers.push(name, value).ok()?;
            }
        }
        if dice.below(3) == 0 {
            fitted.headers.set("Require", "100rel").ok()?;
            fitted.headers.set("RSeq", format!("{}", dice.below(4))).ok()?;
        }
        match given {
            Some(given) => fitted.body.clone_from(&given.body),
            None if dice.below(2) == 0 => describe(&mut fitted.headers, &mut fitted.body)?,
            None => {}
        }
        Some(fitted.to_bytes())
    }

    fn request(&self, dice: &mut Dice, mut fitted: Request) -> Option<Vec<u8>> {
        if dice.below(2) == 0 {
            fitted.method = dice.pick(&METHODS)?.clone();
        } else if dice.below(2) == 0 {
            fitted.method = [Method::Refer, Method::Notify, Method::Notify, Method::Info, Method::Subscribe]
                [dice.below(5) as usize]
                .clone();
            for (name, values) in REFER {
                let value = values.get(dice.below(values.len() as u64 + 1) as usize);
                value.and_then(|value| fitted.headers.set(name, *value).ok());
            }
            if let Some(text) = FRAGMENTS.get(dice.below(6) as usize) {
                fitted.headers.set("Content-Type", "message/sipfrag").ok()?;
                fitted.body = text.as_bytes().to_vec();
            }
        }
        if dice.below(4) == 0 {
            // Of a reliable answer, if it was one; an INVITE that wants some, and one that replaces.
            let last = dice.pick(&self.responses);
            let rseq = last.and_then(|last| last.headers.get("RSeq")).unwrap_or("1");
            fitted.headers.set("RAck", format!("{rseq} {} INVITE", dice.below(6))).ok()?;
            fitted.method = [Method::Prack, Method::Invite][dice.below(2) as usize].clone();
            fitted.headers.set(["Require", "Supported"][dice.below(2) as usize], "100rel").ok()?;
            if let Some(name) = self.replaces.as_ref().filter(|_| fitted.method == Method::Invite) {
                fitted.headers.set("Replaces", name.as_str()).ok()?;
            }
        }
        if dice.below(3) == 0 {
            describe(&mut fitted.headers, &mut fitted.body)?;
        }
        // Of an incoming dialog as the response shows it; of an outgoing one, the other way round.
        let (response, request) = (dice.pick(&self.responses), dice.pick(&self.requests));
        let tag = ["a", "b"][dice.below(2) as usize];
        let (to, from, call_id, seq) = match (response, request) {
            (Some(last), _) if dice.below(2) == 0 => {
                let seq = last.cseq().map_or(0, |cseq| cseq.seq);
                (last.headers.get("To")?.to_owned(), last.headers.get("From")?.to_owned(), last.call_id(), seq)
            }
            (_, Some(last)) => {
                let from = format!("{};tag={tag}", last.headers.get("To")?.split(';').next()?);
                (last.headers.get("From")?.to_owned(), from, last.call_id(), 0)
            }
            _ => return None,
        };
        fitted.headers.set("To", to).ok()?;
        fitted.headers.set("From", from).ok()?;
        fitted.headers.set("Call-ID", call_id).ok()?;
        let seq = if dice.below(2) == 0 { seq } else { dice.below(6) as u32 + seq };
        fitted.headers.set("CSeq", format!("{seq} {}", fitted.method)).ok()?;
        fitted.headers.set("Via", format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{}", dice.below(4))).ok()?;
        Some(fitted.to_bytes())
    }
}

/// A call that comes in, out of any dialog.
fn first(dice: &mut Dice, mut request: Request) -> Vec<u8> {
    for (name, value) in [("Supported", "100rel, timer"), ("Require", "100rel"), ("Session-Expires", "90")] {
        if dice.below(3) == 0 {
            // A name and a value of our own.
            let _ = request.headers.set(name, value);
        }
    }
    let number = dice.below(1_000);
    let _ = request.headers.set("Call-ID", format!("call-{number}"));
    let _ = request.headers.set("Via", format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKfirst{number}"));
    if dice.below(3) == 0 {
        request.body.clear();
        request.headers.remove("Content-Type");
    }
    request.to_bytes()
}

fn describe(headers: &mut soft_phone_sip::Headers, body: &mut Vec<u8>) -> Option<()> {
    headers.set("Content-Type", "application/sdp").ok()?;
    *body = b"v=0\r\no=- 2 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n".to_vec();
    Some(())
}
