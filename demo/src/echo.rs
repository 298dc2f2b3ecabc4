//! The media peer behind extension 600: a WebRTC end that sends every audio packet back, without socket or clock.
//!
//! One `Echo` is one call. Its owner feeds datagrams and time, then drains [`Echo::poll`] to the next deadline, as
//! str0m's run loop asks. The peer is ICE-lite (RFC 8445 §2.5): the browser does the checks, and this end answers from
//! the one address it has.

mod call;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

pub use call::{Call, Ended};

/// A peer that says nothing for this long is gone: consent has expired (RFC 7675 §5.1).
pub const CONSENT_EXPIRY: Duration = Duration::from_secs(30);

/// An offer longer than this is refused; a browser's offer of one audio line takes 2 to 6 kB.
const MAX_OFFER: usize = 32_768;

/// Why an offer could not be answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The offer is not SDP, or not one that WebRTC allows.
    Offer(String),
    /// The offer holds no audio that this peer can send back.
    NoAudio,
    /// The media engine refused.
    Engine(RtcError),
    /// No UDP socket could be had.
    Socket(std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Offer(reason) => write!(f, "the offer cannot be read: {reason}"),
            Error::NoAudio => write!(f, "the offer has no audio in Opus, G.722 or G.711"),
            Error::Engine(error) => write!(f, "the media engine refused: {error}"),
            Error::Socket(error) => write!(f, "no UDP socket: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<RtcError> for Error {
    fn from(error: RtcError) -> Self {
        Error::Engine(error)
    }
}

/// What the owner of an [`Echo`] has to do next.
#[derive(Debug)]
pub enum Action {
    /// Send a datagram from the local address.
    Transmit {
        /// Where to.
        destination: SocketAddr,
        /// What.
        payload: Vec<u8>,
    },
    /// Nothing until this moment; call [`Echo::handle_timeout`] then.
    Wait(Instant),
    /// The peer is gone; nothing will follow.
    Closed,
}

/// One call's media.
pub struct Echo {
    rtc: Rtc,
    local: SocketAddr,
    last_heard: Instant,
    echoed: u64,
    closed: bool,
}

impl Echo {
    /// Answers `offer`, with `local` as the only candidate; returns the peer and its answer.
    ///
    /// # Errors
    /// [`Error::Offer`] for what is not a WebRTC offer, [`Error::NoAudio`] when no codec fits.
    pub fn accept(now: Instant, local: SocketAddr, offer: &str) -> Result<(Echo, String), Error> {
        let mut rtc = Rtc::builder()
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_g722(true, false)
            .enable_pcma(true, false)
            .enable_pcmu(true, false)
            .build(now);
        let candidate = Candidate::host(local, "udp").map_err(|error| Error::Offer(error.to_string()))?;
        rtc.add_local_candidate(candidate);
        let mut echo = Echo { rtc, local, last_heard: now, echoed: 0, closed: false };
        let answer = echo.answer(offer)?;
        Ok((echo, answer))
    }

    /// Answers a further offer of the same call: hold, resume, an ICE restart.
    ///
    /// # Errors
    /// As [`Echo::accept`]; the call goes on as it was.
    pub fn reoffer(&mut self, offer: &str) -> Result<String, Error> {
        self.answer(offer)
    }

    /// How many RTP packets have been sent back.
    pub fn echoed(&self) -> u64 {
        self.echoed
    }

    /// Takes a datagram that reached the local address; what is not this call's is dropped.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, payload: &[u8]) {
        let Ok(contents) = payload.try_into() else { return };
        let input = Input::Receive(now, Receive { proto: Protocol::Udp, source, destination: self.local, contents });
        if !self.rtc.accepts(&input) {
            return;
        }
        self.last_heard = now;
        self.closed |= self.rtc.handle_input(input).is_err();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last_heard) >= CONSENT_EXPIRY {
            self.closed = true;
        }
        self.closed |= self.rtc.handle_input(Input::Timeout(now)).is_err();
    }

    /// The next thing to do; call again until it says [`Action::Wait`] or [`Action::Closed`].
    pub fn poll(&mut self) -> Action {
        while !self.closed && self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    return Action::Transmit { destination: transmit.destination, payload: transmit.contents.to_vec() };
                }
                Ok(Output::Timeout(at)) => return Action::Wait(at.min(self.last_heard + CONSENT_EXPIRY)),
                Ok(Output::Event(Event::RtpPacket(packet))) => self.send_back(&packet),
                Ok(Output::Event(Event::Closed)) | Err(_) => self.closed = true,
                Ok(Output::Event(_)) => {}
            }
        }
        Action::Closed
    }

    fn answer(&mut self, offer: &str) -> Result<String, Error> {
        if offer.len() > MAX_OFFER {
            return Err(Error::Offer(format!("longer than {MAX_OFFER} bytes")));
        }
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| Error::Offer(error.to_string()))?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?.to_sdp_string();
        let audio =
            answer.lines().filter(|line| line.starts_with("m=audio ")).any(|line| !line.starts_with("m=audio 0 "));
        if audio { Ok(answer) } else { Err(Error::NoAudio) }
    }

    /// Sends the payload of `packet` on the line it came from, with its own numbers and times: what the network lost
    /// on the way here stays lost on the way back, as on a wire.
    fn send_back(&mut self, packet: &RtpPacket) {
        let header = &packet.header;
        let mut api = self.rtc.direct_api();
        let Some(mid) = api.stream_rx(&header.ssrc).map(|stream| stream.mid()) else { return };
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return };
        let payload = packet.payload.clone();
        let write = RtpWrite::new(header.payload_type, packet.seq_no, header.timestamp, packet.timestamp, payload);
        stream.write_rtp(write.marker(header.marker));
        self.echoed += 1;
    }
}
