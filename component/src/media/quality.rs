//! How a call sounds: what the browser counts, and the E-model's opinion of it.

use js_sys::Map;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::{Report, Session};
use crate::js;
use crate::state::{Engine, Quality, Suppressor};

/// What one look at the statistics saw; counters grow over the call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Packets that came.
    pub received: f64,
    /// Packets that did not (RFC 3550 §6.4.1).
    pub lost: f64,
    /// Seconds that the samples played so far have waited in the jitter buffer, all added up.
    pub waited: f64,
    /// Samples played so far.
    pub emitted: f64,
    /// Variation of arrival, s (RFC 3550 §6.4.1).
    pub jitter: f64,
    /// There and back, s.
    pub rtt: Option<f64>,
    /// Samples that stood for what did not arrive in time, and all that were played; 0 where the browser does not tell.
    pub concealed: [f64; 2],
    /// Of our own jitter buffer while it plays: what packets wait in it, ms, and share that it concealed in the last two
    /// seconds, 0 to 1.
    pub own: Option<(f64, f64)>,
    /// What is received, how it bears loss.
    pub codec: Codec,
    /// Who processes the microphone.
    pub engine: Engine,
    /// Who suppresses noise in it.
    pub noise_suppression: Option<Suppressor>,
}

/// Codecs as the E-model tells them apart: their packet-loss robustness factor Bpl. Their equipment impairment Ie is 0, for none
/// sounds worse than G.711 in its band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// G.711 with concealment: ITU-T G.113, Appendix I.
    #[default]
    G711,
    /// G.722, for which G.113 has no figure of this scale: 0.81 of G.711's by `cargo xtask quality receive`.
    G722,
    /// Opus with its own concealment: 0.96 of G.711's by the same measure.
    Opus,
}

impl Codec {
    /// By its media type (W3C webrtc-stats, `mimeType`).
    fn of(media_type: &str) -> Self {
        match media_type.to_ascii_lowercase().as_str() {
            "audio/opus" => Self::Opus,
            "audio/g722" => Self::G722,
            _ => Self::G711,
        }
    }

    fn robustness(self) -> f64 {
        match self {
            Self::G711 => 25.1,
            Self::G722 => 20.3,
            Self::Opus => 24.1,
        }
    }
}

/// The quality of what lies between two samples.
pub fn quality(before: &Sample, now: &Sample) -> Quality {
    let (received, lost) = (now.received - before.received, (now.lost - before.lost).max(0.0));
    let expected = received + lost;
    let loss = if expected > 0.0 { lost / expected } else { 0.0 };
    let emitted = now.emitted - before.emitted;
    let waited = if emitted > 0.0 { (now.waited - before.waited) / emitted * 1000.0 } else { 0.0 };
    let [concealed, played] = [0, 1].map(|at| now.concealed[at] - before.concealed[at]);
    let share = (played > 0.0).then(|| (concealed / played).clamp(0.0, 1.0));
    let (waited, share) = now.own.map_or((waited, share), |(delay, share)| (delay, Some(share)));
    // Ours plays copies of what was lost: only what it had to invent is missed.
    let missed = if now.own.is_some() { share.unwrap_or(loss) } else { loss };
    let rtt_ms = now.rtt.map(|rtt| rtt * 1000.0);
    Quality {
        mos: tenths(mos(now.codec, rtt_ms.unwrap_or(0.0) / 2.0 + waited, missed * 100.0)),
        rtt_ms: rtt_ms.map(tenths),
        jitter_ms: tenths(now.jitter * 1000.0),
        loss_percent: tenths(loss * 100.0),
        playout_delay_ms: tenths(waited),
        concealed_percent: share.map(|share| tenths(share * 100.0)),
        jitter_buffer: if now.own.is_some() { Engine::Rust } else { Engine::Browser },
        engine: now.engine,
        noise_suppression: now.noise_suppression,
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// ITU-T G.107 with its default values for all but codec, delay and loss: R = 93.2 − Id − Ie,eff, and MOS from R (Annex B).
/// One way, ms; share of packets lost, percent.
fn mos(codec: Codec, delay_ms: f64, loss_percent: f64) -> f64 {
    // Id as G.107's curve is usually approximated: Cole and Rosenbluth, "Voice over IP performance monitoring", 2001.
    let beyond = (delay_ms - 177.3).max(0.0);
    let id = 0.024 * delay_ms + 0.11 * beyond;
    let ie = 95.0 * loss_percent / (loss_percent + codec.robustness());
    let r = (93.2 - id - ie).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).clamp(1.0, 4.5)
}

impl Session {
    /// Looks at the statistics; [`Report::Sample`] brings what is seen.
    pub fn sample(&self) {
        let (inner, engine, noise_suppression) = (self.0.clone(), self.engine(), self.noise_suppression());
        spawn_local(async move {
            if inner.closed.get() {
                return;
            }
            let Ok(report) = JsFuture::from(inner.connection.get_stats()).await else { return };
            let own = inner.own_quality();
            let mut sample = Sample { engine, noise_suppression, own, ..Sample::default() };
            let (mut remote_rtt, mut codec) = (None, None);
            // A report is like a map (W3C WebRTC §8.2).
            let report = report.unchecked_into::<Map>();
            report.for_each(&mut |stat, _| {
                let text = |name| js::get(&stat, name).as_string().unwrap_or_default();
                let number = |name| js::get(&stat, name).as_f64();
                match text("type").as_str() {
                    "inbound-rtp" if text("kind") == "audio" => {
                        codec = Some(js::get(&stat, "codecId"));
                        sample.received += number("packetsReceived").unwrap_or(0.0);
                        sample.lost += number("packetsLost").unwrap_or(0.0);
                        sample.waited += number("jitterBufferDelay").unwrap_or(0.0);
                        sample.emitted += number("jitterBufferEmittedCount").unwrap_or(0.0);
                        sample.concealed[0] += number("concealedSamples").unwrap_or(0.0);
                        sample.concealed[1] += number("totalSamplesReceived").unwrap_or(0.0);
                        sample.jitter = number("jitter").unwrap_or(0.0);
                    }
                    "candidate-pair" if text("state") == "succeeded" => {
                        sample.rtt = number("currentRoundTripTime").or(sample.rtt);
                    }
                    "remote-inbound-rtp" if text("kind") == "audio" => remote_rtt = number("roundTripTime"),
                    _ => {}
                }
            });
            let media_type = codec.and_then(|codec| js::get(&report.get(&codec), "mimeType").as_string());
            sample.codec = media_type.map_or_else(Codec::default, |media_type| Codec::of(&media_type));
            // RTCP measures the media's own way; ICE's checks are what is left without it.
            sample.rtt = remote_rtt.or(sample.rtt);
            inner.tell(Report::Sample(sample));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_two_looks_counts() {
        let before = Sample { received: 1_000.0, lost: 500.0, waited: 4.0, emitted: 100.0, ..Sample::default() };
        let now = Sample {
            received: 1_095.0,
            lost: 505.0,
            waited: 4.0 + 96_000.0 * 0.04,
            emitted: 96_100.0,
            jitter: 0.0123,
            rtt: Some(0.08),
            concealed: [480.0, 48_000.0],
            own: None,
            codec: Codec::G711,
            engine: Engine::Rust,
            noise_suppression: Some(Suppressor::Neural),
        };
        let told = quality(&before, &now);
        assert_eq!(told.loss_percent, 5.0);
        assert_eq!(told.playout_delay_ms, 40.0);
        assert_eq!((told.jitter_ms, told.rtt_ms), (12.3, Some(80.0)));
        assert_eq!((told.mos, told.engine), (3.8, Engine::Rust));
        assert_eq!(told.noise_suppression, Some(Suppressor::Neural));
        assert_eq!((told.concealed_percent, told.jitter_buffer), (Some(1.0), Engine::Browser));
        // Ours waits longer and made 4 of the 5 lost packets good.
        let own = quality(&before, &Sample { own: Some((60.0, 0.01)), ..now });
        assert_eq!((own.playout_delay_ms, own.concealed_percent), (60.0, Some(1.0)));
        assert_eq!((own.loss_percent, own.mos, own.jitter_buffer), (5.0, 4.3, Engine::Rust));
    }

    #[test]
    fn the_opinion_falls_with_delay_and_loss() {
        // G.107's own figure for a connection without any fault: R = 93.2, MOS 4.41.
        for codec in [Codec::G711, Codec::G722, Codec::Opus] {
            assert!((mos(codec, 0.0, 0.0) - 4.41).abs() < 0.01);
            assert!(mos(codec, 400.0, 0.0) < 3.6);
            assert!(mos(codec, 20.0, 20.0) < 3.0);
            assert!(mos(codec, 5_000.0, 100.0) == 1.0);
        }
    }

    #[test]
    fn a_codec_that_bears_loss_worse_sounds_worse() {
        let codecs = ["audio/PCMA", "audio/opus", "audio/G722"].map(Codec::of);
        assert_eq!(codecs, [Codec::G711, Codec::Opus, Codec::G722]);
        let [g711, opus, g722] = codecs.map(|codec| mos(codec, 20.0, 10.0));
        assert!(g711 > opus && opus > g722 && g711 - g722 < 0.3, "{g711} {opus} {g722}");
    }

    #[test]
    fn nothing_at_all_is_no_loss() {
        let told = quality(&Sample::default(), &Sample::default());
        assert_eq!((told.loss_percent, told.playout_delay_ms, told.rtt_ms), (0.0, 0.0, None));
        assert_eq!(told.concealed_percent, None);
    }
}
