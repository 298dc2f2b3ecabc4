//! Candidates that are found after the description has left: they follow by INFO where both ends can (RFC 8840).
//!
//! Others get what was found until the description left, the first candidate that another machine can use at least.

use soft_phone_sip::sdp::{Fragment, Session};
use soft_phone_sip::{Body, CallId, Instant};

use super::phone::Phone;

/// Candidates that may wait for the dialog; a browser finds a dozen.
const MOST: usize = 64;

impl Phone {
    /// One more candidate, or `None`: it was the last.
    pub(super) fn on_candidate(&mut self, now: Instant, key: u64, candidate: Option<String>) {
        let Some(entry) = self.entry(key) else { return };
        if entry.candidates.len() < MOST {
            entry.candidates.push(candidate);
        }
        if let Some(call) = entry.sip {
            self.send_candidates(now, call);
        }
    }

    /// Sends what waits, once it is known that the far end takes it.
    pub(super) fn send_candidates(&mut self, now: Instant, call: CallId) {
        let Some(entry) = self.calls.iter_mut().find(|entry| entry.sip == Some(call)) else { return };
        let (Some(agent), Some(media), false) = (&mut self.agent, &entry.media, entry.candidates.is_empty()) else {
            return;
        };
        if !agent.get(call).is_some_and(soft_phone_sip::Call::trickle) {
            return;
        }
        let Some(fragment) = media.description().and_then(|sdp| fragment(&sdp, &entry.candidates)) else { return };
        let body = Body { content_type: Fragment::CONTENT_TYPE.to_owned(), bytes: fragment.to_string().into_bytes() };
        // Refused before there is a dialog: they wait for it.
        if agent.info(now, call, body, Some(Fragment::PACKAGE)).is_ok() {
            entry.candidates.clear();
        }
    }

    /// The far end's candidates.
    pub(super) fn on_info(&mut self, call: CallId, package: Option<&str>, body: &Body) {
        let trickled = package.is_some_and(|package| package.eq_ignore_ascii_case(Fragment::PACKAGE));
        let (Some(media), true) = (self.media(call), trickled) else { return };
        let Ok(fragment) = Fragment::parse(&body.bytes) else { return };
        for part in fragment.parts() {
            let ufrag = part.ice.map(|(ufrag, _)| ufrag);
            for candidate in part.candidates() {
                media.add_candidate(part.mid, candidate, ufrag);
            }
            if part.end_of_candidates() {
                media.add_candidate(part.mid, "", ufrag);
            }
        }
    }
}

/// The candidates as RFC 8840 §9 wants them. All media are bundled into the sound.
fn fragment(sdp: &str, candidates: &[Option<String>]) -> Option<Fragment> {
    let session = Session::parse(sdp).ok()?;
    let mut fragment = Fragment::new(&session).ok()?;
    let media = session.find("audio")?;
    for candidate in candidates {
        match candidate {
            Some(candidate) => fragment.add_candidate(&session, media, candidate),
            None => fragment.end_candidates(&session, media),
        }
        .ok()?;
    }
    Some(fragment)
}

#[cfg(test)]
mod tests {
    use super::fragment;

    const SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=audio 50000 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 192.0.2.7\r\na=ice-ufrag:Yfg1\r\na=ice-pwd:0123456789012345678901\r\n\
        a=mid:0\r\na=rtpmap:111 opus/48000/2\r\n";

    #[test]
    fn what_was_found_later_is_told_with_its_generation() {
        let candidate = "candidate:2 1 udp 1677729535 198.51.100.1 50001 typ srflx raddr 0.0.0.0 rport 0";
        let text = fragment(SDP, &[Some(candidate.to_owned()), None]).unwrap().to_string();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "a=group:BUNDLE 0",
                "a=ice-pwd:0123456789012345678901",
                "a=ice-ufrag:Yfg1",
                "m=audio 9 UDP/TLS/RTP/SAVPF 111",
                "a=mid:0",
                &format!("a={candidate}"),
                "a=end-of-candidates",
            ]
        );
        assert!(fragment("v=0\r\n", &[None]).is_none());
    }
}
