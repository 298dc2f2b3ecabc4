//! The other end of an echo call: a WebRTC peer that sends numbered packets and keeps what comes back.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

/// One RTP packet as far as an echo must keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
}

impl Packet {
    /// The `index`th packet of 20 ms: every byte depends on it.
    pub fn numbered(index: u16, payload_type: u8, ticks: u32) -> Packet {
        let payload = (0..80_u16).map(|place| (index.wrapping_mul(31).wrapping_add(place) & 0xff) as u8).collect();
        // Close to the end of the range, so that the sequence numbers wrap on the way.
        let sequence = 65_520_u16.wrapping_add(index);
        Packet { payload_type, sequence, timestamp: 1_000 + u32::from(index) * ticks, marker: index == 0, payload }
    }
}

pub enum Action {
    Transmit(SocketAddr, Vec<u8>),
    Wait(Instant),
}

pub struct Peer {
    rtc: Rtc,
    local: SocketAddr,
    mid: Mid,
    pending: Option<SdpPendingOffer>,
    pub connected: bool,
    pub received: Vec<Packet>,
    sent: u64,
}

impl Peer {
    /// A peer that offers `codec` only.
    pub fn offer(now: Instant, local: SocketAddr, codec: Codec) -> (Peer, String) {
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(codec == Codec::Opus, false)
            .enable_pcmu(codec == Codec::PCMU, false)
            .enable_g722(codec == Codec::G722, false)
            .build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").unwrap());
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().unwrap();
        let peer = Peer { rtc, local, mid, pending: Some(pending), connected: false, received: Vec::new(), sent: 0 };
        (peer, offer.to_sdp_string())
    }

    pub fn accept(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    pub fn send(&mut self, now: Instant, packet: &Packet) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.mid, None).unwrap();
        // Beyond 16 bits the number tells how often it has wrapped, which encryption needs.
        let extended = 65_520 + self.sent;
        assert_eq!(extended as u16, packet.sequence);
        self.sent += 1;
        let payload = packet.payload.clone();
        let write = RtpWrite::new(packet.payload_type.into(), extended.into(), packet.timestamp, now, payload);
        stream.write_rtp(write.marker(packet.marker));
    }

    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, payload: &[u8]) {
        let Ok(contents) = payload.try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source, destination: self.local, contents };
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
    }

    pub fn poll(&mut self) -> Action {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(transmit) => {
                    return Action::Transmit(transmit.destination, transmit.contents.to_vec());
                }
                Output::Timeout(at) => return Action::Wait(at),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.received.push(Packet {
                    payload_type: *packet.header.payload_type,
                    sequence: packet.header.sequence_number,
                    timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload.to_vec(),
                }),
                Output::Event(_) => {}
            }
        }
    }
}
