//! A bad network between a phone and Asterisk's media: packets of sound are delayed, lost and reordered as a trace says.
//!
//! ```text
//! phone ─► WebSocket relay ─► Asterisk     descriptions name the path's ports in the place of either side's own
//! phone ◄── port of the path ──► Asterisk  sound by the trace; checks, keys and reports as they come
//! ```

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::asterisk::SERVER;
use crate::relay::{Relay, Way, with_body};

/// What becomes of the packet of sound with this number, counted from the first: so long it takes, or it is lost.
pub type Fate = Arc<dyn Fn(usize) -> Option<Duration> + Send + Sync>;

/// What happens to sound in each direction.
#[derive(Clone)]
pub struct Fates {
    /// From Asterisk.
    pub to_phone: Fate,
    /// From the phone.
    pub to_server: Fate,
}

/// The discard port of an address of documentation (RFC 863, RFC 5737 §3).
const NOWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const DISCARD: u16 = 9;

/// A packet that was lost: where it was going, and when it was sent.
type Loss = (Way, SystemTime);

/// A path until this is dropped; its ports end with the tests.
pub struct Path {
    relay: Relay,
    losses: Arc<Mutex<Vec<Loss>>>,
    carried: Arc<AtomicU64>,
}

impl Path {
    /// Opens it between phones and Asterisk.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn open(fates: Fates) -> Result<Self> {
        let losses: Arc<Mutex<Vec<Loss>>> = Arc::default();
        let carried: Arc<AtomicU64> = Arc::default();
        let ports: Mutex<BTreeMap<SocketAddr, SocketAddr>> = Mutex::default();
        let (noted, counted) = (Arc::clone(&losses), Arc::clone(&carried));
        let relay = Relay::start(SERVER, move |way, text| {
            let Some((head, body)) = text.split_once("\r\n\r\n").filter(|(head, _)| head.contains("application/sdp"))
            else {
                return vec![(way, text)];
            };
            let lines = body.split("\r\n").filter_map(|line| match (way, candidate(line)) {
                (_, None) => Some(line.to_owned()),
                // A port where nobody is: where the phone is, Asterisk learns from the packets that come. Without any
                // candidate it would do without ICE.
                (Way::ToServer, Some(phone)) => Some(moved(line, phone, SocketAddr::from((NOWHERE, DISCARD)))),
                (Way::ToPhone, Some(server)) => {
                    let mut ports = ports.lock().ok()?;
                    let port = match ports.get(&server) {
                        Some(port) => *port,
                        None => {
                            let port = pass(server, fates.clone(), Arc::clone(&noted), Arc::clone(&counted)).ok()?;
                            *ports.entry(server).or_insert(port)
                        }
                    };
                    Some(moved(line, server, port))
                }
            });
            let body = lines.collect::<Vec<_>>().join("\r\n");
            vec![(way, with_body(&format!("{head}\r\n\r\n"), &body))]
        })
        .await?;
        Ok(Self { relay, losses, carried })
    }

    /// Where phones connect.
    pub fn url(&self) -> String {
        self.relay.url()
    }

    /// Packets of sound that came here, both ways, lost or not.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    /// When packets were sent that were lost on their way there.
    pub fn losses(&self, there: Way) -> Vec<SystemTime> {
        let losses = self.losses.lock().map(|losses| losses.clone()).unwrap_or_default();
        losses.into_iter().filter(|(way, _)| *way == there).map(|(_, at)| at).collect()
    }
}

/// The address of a candidate for UDP over IPv4 (RFC 8839 §5.1); `None` for any other line.
fn candidate(line: &str) -> Option<SocketAddr> {
    let mut fields = line.strip_prefix("a=candidate:")?.split(' ').skip(2);
    let udp = fields.next()?.eq_ignore_ascii_case("udp");
    let address: Ipv4Addr = fields.nth(1)?.parse().ok()?;
    let port: u16 = fields.next()?.parse().ok()?;
    udp.then_some((address, port).into())
}

/// The candidate with another address.
fn moved(line: &str, from: SocketAddr, to: SocketAddr) -> String {
    let words = |addr: SocketAddr| format!(" {} {} ", addr.ip(), addr.port());
    line.replacen(&words(from), &words(to), 1)
}

/// Sound, and none of what goes along with it: first byte and payload type of RTP (RFC 7983 §7, RFC 5761 §4).
fn is_sound(packet: &[u8]) -> bool {
    matches!(packet, [128..=191, kind, ..] if !(192..=223).contains(kind))
}

/// A port that stands for `server`: what comes to it goes there, and what `server` sends to it goes to whoever spoke last.
fn pass(
    server: SocketAddr,
    fates: Fates,
    losses: Arc<Mutex<Vec<Loss>>>,
    carried: Arc<AtomicU64>,
) -> Result<SocketAddr> {
    // As Asterisk's own is: Firefox pairs its loopback address, the only one that it has here, with no other.
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let socket = Arc::new(UdpSocket::from_std(socket)?);
    let addr = socket.local_addr().context("a bound socket")?;
    tokio::spawn(async move {
        let mut packet = [0; 2048];
        let (mut phone, mut to_phone, mut to_server) = (None, 0, 0);
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            // Asterisk may send from another of the machine's addresses.
            let (way, to, number, fate) = if from.port() == server.port() {
                (Way::ToPhone, phone, &mut to_phone, &fates.to_phone)
            } else {
                phone = Some(from);
                (Way::ToServer, Some(server), &mut to_server, &fates.to_server)
            };
            let Some(to) = to else { continue };
            let packet = packet[..length].to_vec();
            if !is_sound(&packet) {
                let _sent = socket.send_to(&packet, to).await;
                continue;
            }
            carried.fetch_add(1, Ordering::Relaxed);
            let delay = fate(*number);
            *number += 1;
            match (delay, losses.lock()) {
                (None, Ok(mut losses)) => losses.push((way, SystemTime::now())),
                (Some(delay), _) => {
                    let (socket, at) = (Arc::clone(&socket), Instant::now() + delay);
                    tokio::spawn(async move {
                        tokio::time::sleep_until(at).await;
                        let _sent = socket.send_to(&packet, to).await;
                    });
                }
                (None, Err(_)) => {}
            }
        }
    });
    Ok(addr)
}

#[cfg(test)]
mod tests {
    use super::{candidate, is_sound};

    #[test]
    fn candidates_are_told_from_other_lines() {
        let line = "a=candidate:Hc0a8 1 UDP 2130706431 198.51.100.1 10012 typ host";
        assert_eq!(candidate(line), "198.51.100.1:10012".parse().ok());
        for other in [
            "a=candidate:1 1 tcp 2130706431 198.51.100.1 9 typ host tcptype active",
            "a=candidate:1 1 udp 1 fe80::1 9 typ host",
            "a=candidate:1 1 udp 1 198.51.100.1",
            "a=end-of-candidates",
            "c=IN IP4 198.51.100.1",
        ] {
            assert_eq!(candidate(other), None, "{other}");
        }
    }

    #[test]
    fn sound_is_told_from_checks_keys_and_reports() {
        assert!(is_sound(&[0x80, 111]) && is_sound(&[0x90, 0x80 | 9]));
        for other in [&[0x80, 200][..], &[0x81, 201], &[0, 1], &[22, 254], &[0x80], &[]] {
            assert!(!is_sound(other), "{other:?}");
        }
    }
}
