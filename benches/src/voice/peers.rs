//! The engines of others.

mod rnnoise;
mod sonora;
mod speex;
mod webrtc;

use super::{Engine, Error, Stages};

/// The engine with this name, at rest.
///
/// # Errors
/// When nobody has this name, or the engine refuses.
pub fn create(engine: &str, rate: u32, stages: Stages) -> Result<Box<dyn Engine>, Error> {
    Ok(match engine {
        "webrtc" => Box::new(webrtc::WebRtc::new(rate, stages)?),
        "sonora" => Box::new(sonora::Sonora::new(rate, stages)),
        "speex" => Box::new(speex::Speex::new(rate, stages)?),
        "rnnoise" => Box::new(rnnoise::RnNoise::new()),
        other => return Err(format!("no engine is called {other}").into()),
    })
}
