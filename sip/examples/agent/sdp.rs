//! The one session description that the tool makes: PCMU, keys, a direction.

use std::net::IpAddr;

use soft_phone_sip::Body;
use soft_phone_sip::sdp::{Media, Session as Description};

/// The description of one call.
pub struct Session {
    id: u64,
    version: u32,
    /// We have the peer on hold.
    held: bool,
    last: String,
}

impl Session {
    pub fn new(id: u64) -> Session {
        Session { id, version: 0, held: false, last: String::new() }
    }

    /// An offer of ours.
    pub fn offer(&mut self, local: IpAddr) -> Body {
        let direction = if self.held { "sendonly" } else { "sendrecv" };
        self.write(local, direction, Default::default())
    }

    /// An offer that puts the peer on hold, or takes it back (RFC 3264 §8.4).
    pub fn hold(&mut self, local: IpAddr, held: bool) -> Body {
        self.held = held;
        self.offer(local)
    }

    /// The answer to `offer`, or our offer where there is none (RFC 3264 §6.1).
    pub fn answer(&mut self, local: IpAddr, offer: Option<&Body>) -> Body {
        let Some(offer) = offer else { return self.offer(local) };
        let text = String::from_utf8_lossy(&offer.bytes);
        let has = |line: &str| text.lines().any(|it| it.trim_end() == line);
        // RFC 3264 §8.4: as the description of older phones says hold.
        let zero = text.lines().any(|line| line.trim_end() == "c=IN IP4 0.0.0.0");
        let (sends, receives) = match () {
            () if has("a=inactive") => (false, false),
            () if has("a=sendonly") => (true, zero),
            () if has("a=recvonly") => (false, true),
            () => (true, !zero),
        };
        let direction = match (receives, sends && !self.held) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        };
        self.write(local, direction, Session::refused(offer))
    }

    /// Whether an offer can be answered: it is a description, and has audio in PCMU.
    pub fn takes(offer: Option<&Body>) -> bool {
        offer.is_none_or(|offer| Description::parse(&offer.bytes).is_ok_and(|offer| offer.media().iter().any(is_ours)))
    }

    /// The media of an offer that we refuse, before and after the one that we take: an answer has as many, in the same
    /// order (RFC 3264 §6).
    fn refused(offer: &Body) -> [String; 2] {
        let Ok(offer) = Description::parse(&offer.bytes) else { return Default::default() };
        let ours = offer.media().iter().position(is_ours);
        let mut lines: [String; 2] = Default::default();
        for (place, media) in offer.media().iter().enumerate().filter(|(place, _)| Some(*place) != ours) {
            let formats: Vec<&str> = media.formats().collect();
            let line = format!("m={} 0 {} {}\r\n", media.kind(), media.protocol(), formats.join(" "));
            lines[usize::from(Some(place) > ours)].push_str(&line);
        }
        lines
    }

    fn write(&mut self, local: IpAddr, direction: &str, [before, after]: [String; 2]) -> Body {
        let media = format!(
            "{before}m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\na=ptime:20\r\na={direction}\r\n{after}"
        );
        // RFC 3264 §8: the version grows with each change, and only then.
        if self.last != media {
            self.version += 1;
            self.last.clone_from(&media);
        }
        let (id, version) = (self.id, self.version);
        let family = if local.is_ipv4() { "IP4" } else { "IP6" };
        Body::sdp(format!(
            "v=0\r\no=- {id} {version} IN {family} {local}\r\ns=-\r\nc=IN {family} {local}\r\nt=0 0\r\n{media}"
        ))
    }
}

fn is_ours(media: &Media) -> bool {
    media.kind() == "audio" && media.protocol() == "RTP/AVP" && media.formats().any(|format| format == "0")
}
