//! Extension 600: what is sent comes back, in virtual time for each codec and once over real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use soft_phone_demo::echo::{self, Action as EchoAction, CONSENT_EXPIRY, Echo};
use soft_phone_sip::{Body, CallOptions, Cause, Event};
use str0m::format::Codec;
use tokio::net::UdpSocket;
use tokio::time::{sleep_until, timeout};

use crate::peer::{Action, Packet, Peer};
use crate::phone::{PATIENCE, Phone};
use crate::site::Site;

const PACKET: Duration = Duration::from_millis(20);

/// A peer, the echo, and a network between them that takes no time.
struct Pair {
    now: Instant,
    peer: Peer,
    echo: Echo,
    answer: String,
    peer_wait: Instant,
    echo_wait: Option<Instant>,
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Pair {
    fn new(codec: Codec) -> Pair {
        let now = Instant::now();
        let (mut peer, offer) = Peer::offer(now, address(1), codec);
        let (echo, answer) = Echo::accept(now, address(2), &offer).unwrap();
        peer.accept(&answer);
        Pair { now, peer, echo, answer, peer_wait: now, echo_wait: Some(now) }
    }

    /// Carries datagrams until both wait.
    fn run(&mut self) {
        loop {
            match self.peer.poll() {
                Action::Transmit(_, payload) => {
                    self.echo.handle_datagram(self.now, address(1), &payload);
                    self.run_echo();
                }
                Action::Wait(at) => {
                    self.peer_wait = at;
                    break;
                }
            }
        }
        self.run_echo();
    }

    fn run_echo(&mut self) {
        loop {
            match self.echo.poll() {
                EchoAction::Transmit { payload, .. } => {
                    self.peer.handle_datagram(self.now, address(2), &payload);
                    while let Action::Transmit(_, payload) = self.peer.poll() {
                        self.echo.handle_datagram(self.now, address(1), &payload);
                    }
                }
                EchoAction::Wait(at) => {
                    self.echo_wait = Some(at);
                    break;
                }
                EchoAction::Closed => {
                    self.echo_wait = None;
                    break;
                }
            }
        }
    }

    fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let next = self.echo_wait.map_or(self.peer_wait, |at| at.min(self.peer_wait));
            if next > end {
                break;
            }
            self.now = self.now.max(next) + Duration::from_millis(1);
            self.peer.handle_timeout(self.now);
            self.run();
            self.echo.handle_timeout(self.now);
            self.run();
        }
        self.now = self.now.max(end);
    }
}

#[test]
fn every_codec_comes_back_bit_for_bit() {
    for (codec, payload_type, ticks, line) in [
        (Codec::Opus, 111, 960, "a=rtpmap:111 opus/48000/2"),
        (Codec::G722, 9, 160, "a=rtpmap:9 G722/8000"),
        (Codec::PCMU, 0, 160, "a=rtpmap:0 PCMU/8000"),
    ] {
        let mut pair = Pair::new(codec);
        assert!(pair.answer.contains(line), "{}", pair.answer);
        assert!(pair.answer.contains("a=ice-lite") && pair.answer.contains("127.0.0.1 2 typ host"), "{}", pair.answer);
        pair.advance(Duration::from_secs(5));
        assert!(pair.peer.connected);
        let sent: Vec<Packet> = (0..100).map(|index| Packet::numbered(index, payload_type, ticks)).collect();
        for packet in &sent {
            let now = pair.now;
            pair.peer.send(now, packet);
            pair.run();
            pair.advance(PACKET);
        }
        assert_eq!(pair.echo.echoed(), 100, "{codec}");
        assert_eq!(pair.peer.received, sent, "{codec}");
    }
}

#[test]
fn an_offer_that_cannot_be_met_is_refused() {
    let now = Instant::now();
    let refused = |offer: &str| Echo::accept(now, address(2), offer).err().expect("an answer");
    assert!(matches!(refused("not SDP"), echo::Error::Offer(_)));
    assert!(matches!(refused(&"x".repeat(100_000)), echo::Error::Offer(_)));
    let (_, offer) = Peer::offer(now, address(1), Codec::PCMU);
    let foreign = offer.replace("SAVPF 0", "SAVPF 97").replace(":0 PCMU", ":97 iLBC").replace("fb:0 ", "fb:97 ");
    assert!(foreign.contains("a=rtpmap:97 iLBC/8000"), "{foreign}");
    let error = refused(&foreign);
    assert!(matches!(error, echo::Error::NoAudio), "{error}");
}

#[test]
fn a_peer_that_falls_silent_is_given_up() {
    let mut pair = Pair::new(Codec::Opus);
    pair.advance(Duration::from_secs(5));
    assert!(pair.peer.connected);
    // Nothing of the peer arrives any more.
    let silence = pair.now;
    let mut now = silence;
    while let EchoAction::Wait(at) = drain(&mut pair.echo) {
        now = now.max(at) + Duration::from_millis(1);
        pair.echo.handle_timeout(now);
        assert!(now < silence + CONSENT_EXPIRY + Duration::from_secs(6), "it waits for ever");
    }
    assert!(now > silence + CONSENT_EXPIRY - Duration::from_secs(6), "it gave up too early");
}

fn drain(echo: &mut Echo) -> EchoAction {
    loop {
        match echo.poll() {
            EchoAction::Transmit { .. } => {}
            action => return action,
        }
    }
}

#[tokio::test]
async fn a_phone_hears_its_own_packets() {
    let mut site = Site::start().await;
    let mut phone = Phone::registered(site.addr, "1001").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (mut peer, offer) = Peer::offer(Instant::now(), socket.local_addr().unwrap(), Codec::Opus);

    let now = phone.now();
    phone.agent.call(now, "600", Body::sdp(offer), CallOptions::default()).unwrap();
    let Event::Answered { answer: Some(answer), .. } =
        phone.until(|event| matches!(event, Event::Answered { .. })).await
    else {
        panic!("no answer")
    };
    phone.flush().await;
    peer.accept(std::str::from_utf8(&answer.bytes).unwrap());

    let sent: Vec<Packet> = (0..50).map(|index| Packet::numbered(index, 111, 960)).collect();
    timeout(PATIENCE, talk(&socket, &mut peer, &sent)).await.expect("the packets do not come back");
    assert_eq!(peer.received, sent);

    // The media peer's end of the association ends the call too: here the server stops.
    site.shutdown().await;
    let ended = phone.until(|event| matches!(event, Event::Ended { .. })).await;
    assert!(matches!(ended, Event::Ended { cause: Cause::RemoteHangup, .. }), "{ended:?}");
}

/// Sends the packets one each 20 ms, once connected, until as many came back.
async fn talk(socket: &UdpSocket, peer: &mut Peer, sent: &[Packet]) {
    let mut buffer = [0; 2_048];
    let mut waiting = sent.iter();
    let mut next = Instant::now();
    while peer.received.len() < sent.len() {
        let wait = loop {
            match peer.poll() {
                Action::Transmit(destination, payload) => drop(socket.send_to(&payload, destination).await.unwrap()),
                Action::Wait(at) => break at,
            }
        };
        let now = Instant::now();
        if peer.connected
            && now >= next
            && let Some(packet) = waiting.next()
        {
            peer.send(now, packet);
            next = now + PACKET;
            continue;
        }
        let wait = wait.min(if peer.connected { next.max(now + Duration::from_millis(1)) } else { wait });
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                let (length, source) = received.unwrap();
                peer.handle_datagram(Instant::now(), source, &buffer[..length]);
            }
            () = sleep_until(wait.into()) => peer.handle_timeout(Instant::now()),
        }
    }
}
