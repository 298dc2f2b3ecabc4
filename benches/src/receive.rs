//! Jitter buffers that are measured against each other, behind one interface: packets go in as they arrive, 10 ms come out
//! whenever the card asks. Both have the same decoders.

#[cfg(feature = "neteq")]
mod clock;
#[cfg(feature = "neteq")]
mod neteq;
mod ours;
mod sender;
mod trace;

use crate::voice::Error;

pub use sender::{Codec, Sent};
pub use trace::{TRACES, Trace, losses, trace};

/// All engines, in the order of the tables.
pub const ENGINES: [&str; 2] = ["ours", "neteq"];

/// What an engine tells of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Delay of what it plays, by its own reckoning, ms.
    pub delay_ms: f64,
    /// Whether the last frame was concealed, all or in part.
    pub concealed: bool,
}

/// One stream's receiver.
pub trait Receiver {
    /// A packet arrived, at so many ms.
    ///
    /// # Errors
    /// What the engine refuses.
    fn insert(&mut self, now_ms: f64, packet: &Sent) -> Result<(), Error>;

    /// The next 10 ms at the codec's rate, asked for at so many ms.
    ///
    /// # Errors
    /// What the engine refuses.
    fn pull(&mut self, now_ms: f64, out: &mut [f32]) -> Result<(), Error>;

    /// What it tells of the last frame.
    fn told(&self) -> Told;
}

/// The engine with this name for a codec. `setting` trades delay for smoothness: 1 is what it does unless told.
///
/// # Errors
/// When nobody has this name, or the engine refuses.
pub fn create(engine: &str, codec: Codec, setting: f64) -> Result<Box<dyn Receiver>, Error> {
    Ok(match engine {
        "ours" => Box::new(ours::Ours::new(codec, setting)?),
        #[cfg(feature = "neteq")]
        "neteq" => Box::new(neteq::Peer::new(codec, setting)?),
        other => return Err(format!("no engine is called {other}").into()),
    })
}
