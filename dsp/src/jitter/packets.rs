//! The packets that wait to be played: a fixed number of slots, in the order of their times.

use super::Reception;

/// What a waiting packet is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Voice, as it was sent.
    #[default]
    Own,
    /// A copy of it out of a later packet (RFC 2198).
    Copy,
    /// The beginning of a pause, and its noise (RFC 3389).
    Noise,
}

/// Packets that can wait: 2.5 s of 10 ms packets, and what a hostile peer can make us hold.
pub(crate) const SLOTS: usize = 256;
/// Longest payload that is kept, bytes: what fits into an Ethernet frame.
pub(crate) const LONGEST_PAYLOAD: usize = 1_500;

/// What is known of a packet besides its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it begins in the stream, and how long it is, flicks.
    pub time: i64,
    pub duration: i64,
    /// When it came, flicks of the host's clock.
    pub arrived: i64,
    /// Its sequence number, unwrapped.
    pub sequence: i64,
    /// Place of its decoder.
    pub line: usize,
    pub kind: Kind,
    pub length: usize,
    pub slot: usize,
}

/// Waiting packets.
#[derive(Clone, Debug)]
pub(crate) struct Packets {
    /// The waiting ones, the earliest last, so that it is cheap to take.
    entries: Vec<Entry>,
    free: Vec<usize>,
    payloads: Vec<u8>,
}

impl Packets {
    pub fn new() -> Self {
        Self {
            entries: Vec::with_capacity(SLOTS),
            free: (0..SLOTS).collect(),
            payloads: vec![0; SLOTS * LONGEST_PAYLOAD],
        }
    }

    /// Takes a packet in. The earliest ones give way when all slots are taken.
    pub fn insert(&mut self, mut entry: Entry, payload: &[u8]) -> Reception {
        if payload.len() > LONGEST_PAYLOAD {
            return Reception::Malformed;
        }
        let at = self.entries.partition_point(|held| held.time > entry.time);
        if let Some(held) = self.entries.get_mut(at).filter(|held| held.time == entry.time) {
            if entry.kind == Kind::Copy || held.kind != Kind::Copy {
                return Reception::Duplicate;
            }
            // The packet itself is better than its copy in another one.
            entry.slot = held.slot;
            entry.length = payload.len();
            *held = entry;
            self.payloads[entry.slot * LONGEST_PAYLOAD..][..payload.len()].copy_from_slice(payload);
            return Reception::Accepted;
        }
        let mut reception = Reception::Accepted;
        let mut at = at;
        if self.free.is_empty() {
            if at == self.entries.len() {
                return Reception::Overflow;
            }
            reception = Reception::Overflow;
            self.pop();
            at = at.min(self.entries.len());
        }
        if let Some(slot) = self.free.pop() {
            entry.slot = slot;
            entry.length = payload.len();
            self.payloads[slot * LONGEST_PAYLOAD..][..payload.len()].copy_from_slice(payload);
            self.entries.insert(at, entry);
        }
        reception
    }

    /// The earliest packet.
    pub fn first(&self) -> Option<&Entry> {
        self.entries.last()
    }

    /// Whether a packet that begins at this time waits.
    pub fn has(&self, time: i64) -> bool {
        let at = self.entries.partition_point(|held| held.time > time);
        self.entries.get(at).is_some_and(|held| held.time == time)
    }

    /// What a packet holds.
    pub fn payload(&self, entry: &Entry) -> &[u8] {
        &self.payloads[entry.slot * LONGEST_PAYLOAD..][..entry.length]
    }

    /// Lets the earliest packet go.
    pub fn pop(&mut self) {
        if let Some(entry) = self.entries.pop() {
            self.free.push(entry.slot);
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
