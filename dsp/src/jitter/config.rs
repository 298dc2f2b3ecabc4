//! What a jitter buffer aims at.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How delay is traded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct JitterConfig {
    /// Most that the buffer may add to the delay of the fastest packet, ms: 40 to 2000. What does not fit is left out.
    pub max_playout_delay_ms: f32,
    /// Least that it adds, ms: 0 to 500. For hosts that are not always in time themselves.
    pub min_playout_delay_ms: f32,
    /// What a packet in a hundred that comes too late is worth, ms of delay: 0 to 100. More: later and smoother.
    pub late_packet_ms: f32,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self { max_playout_delay_ms: 500.0, min_playout_delay_ms: 0.0, late_packet_ms: 40.0 }
    }
}

impl JitterConfig {
    /// # Errors
    /// [`Error::Config`] with the first value that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        let between = |field, value: f32, low, high| {
            if (low..=high).contains(&value) { Ok(()) } else { Err(Error::Config { field, value, range: (low, high) }) }
        };
        between("maxPlayoutDelayMs", self.max_playout_delay_ms, 40.0, 2_000.0)?;
        between("minPlayoutDelayMs", self.min_playout_delay_ms, 0.0, 500.0)?;
        between("latePacketMs", self.late_packet_ms, 0.0, 100.0)
    }
}
