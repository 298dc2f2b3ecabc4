//! Times an engine over a scene in a second or two, on a machine that does other things too.
//!
//! Engines are deterministic: what a frame costs is the least that it took in any of some repeats.

use std::hint::black_box;
use std::time::Instant;

use super::scene::Frames;
use super::{Error, Stages, create};

/// What a frame costs, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Over all frames.
    pub mean: f64,
    /// Half of the frames take no longer.
    pub median: f64,
    /// 99 of 100 frames take no longer.
    pub p99: f64,
}

/// An engine with its stages.
#[derive(Clone, Debug)]
pub struct Load {
    /// Of [`ENGINES`](super::ENGINES).
    pub engine: &'static str,
    /// What is on.
    pub stages: Stages,
}

/// Runs each load over the frames `repeats` times, by turns, so that whatever else the machine does meets all alike.
///
/// # Errors
/// As [`create`] and the engine's own.
pub fn measure(loads: &[Load], rate: u32, frames: &Frames, repeats: usize) -> Result<Vec<Figures>, Error> {
    let timed = frames.iter().count() - frames.lead;
    let mut least = vec![vec![f64::INFINITY; timed]; loads.len()];
    let mut near = vec![0.0; frames.len];
    for _ in 0..repeats {
        for (load, least) in loads.iter().zip(&mut least) {
            let mut engine = create(load.engine, rate, load.stages)?;
            for (index, (far, microphone)) in frames.iter().enumerate() {
                near.copy_from_slice(microphone);
                let start = Instant::now();
                engine.frame(black_box(far), black_box(&mut near))?;
                let took = start.elapsed().as_secs_f64() * 1e6;
                if let Some(least) = index.checked_sub(frames.lead).and_then(|index| least.get_mut(index)) {
                    *least = least.min(took);
                }
            }
        }
    }
    Ok(least.into_iter().map(figures).collect())
}

fn figures(mut took: Vec<f64>) -> Figures {
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get(((took.len() as f64 * share) as usize).min(took.len() - 1)).copied();
    Figures {
        mean: took.iter().sum::<f64>() / took.len() as f64,
        median: at(0.5).unwrap_or_default(),
        p99: at(0.99).unwrap_or_default(),
    }
}
