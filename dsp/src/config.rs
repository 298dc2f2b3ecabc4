//! What a processor does: one `Option` for each stage, `None` is off.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The rates that frames may have, Hz.
pub const SAMPLE_RATES: [u32; 5] = [8_000, 16_000, 32_000, 44_100, 48_000];

/// The stages of an [`AudioProcessor`](crate::AudioProcessor). All are on unless told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// Takes hum and handling noise away below the voice.
    pub high_pass: Option<HighPass>,
    /// Removes what the loudspeaker plays from what the microphone hears.
    pub echo: Option<EchoCancellation>,
    /// Removes steady and, with the neural engine, other noise.
    pub noise: Option<NoiseSuppression>,
    /// Brings speech to one level.
    pub gain: Option<GainControl>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            high_pass: Some(HighPass::default()),
            echo: Some(EchoCancellation::default()),
            noise: Some(NoiseSuppression::default()),
            gain: Some(GainControl::default()),
        }
    }
}

impl Config {
    /// Nothing at all: what goes in comes out.
    pub const OFF: Self = Self { high_pass: None, echo: None, noise: None, gain: None };

    /// # Errors
    /// [`Error::Config`] with the first value that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        let between = |field, value: f32, low, high| {
            if (low..=high).contains(&value) { Ok(()) } else { Err(Error::Config { field, value, range: (low, high) }) }
        };
        if let Some(high_pass) = &self.high_pass {
            between("highPass.cutoffHz", high_pass.cutoff_hz, 20.0, 300.0)?;
        }
        if let Some(echo) = &self.echo {
            between("echo.tailMs", f32::from(echo.tail_ms), 50.0, 500.0)?;
        }
        if let Some(gain) = &self.gain {
            between("gain.targetDbfs", gain.target_dbfs, -40.0, -10.0)?;
            between("gain.maxGainDb", gain.max_gain_db, 0.0, 50.0)?;
        }
        Ok(())
    }
}

/// Second-order high-pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HighPass {
    /// Where it has lost 3 dB, Hz: 20 to 300.
    pub cutoff_hz: f32,
}

impl Default for HighPass {
    fn default() -> Self {
        Self { cutoff_hz: 25.0 }
    }
}

/// Echo cancellation: alignment, linear filter, suppression of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct EchoCancellation {
    /// How long the room's answer is followed behind the delay that was found, ms: 50 to 500.
    pub tail_ms: u16,
    /// Suppress what the linear filter leaves.
    pub suppress: bool,
}

impl Default for EchoCancellation {
    fn default() -> Self {
        Self { tail_ms: 250, suppress: true }
    }
}

/// Noise suppression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NoiseSuppression {
    /// How much noise goes.
    pub level: NoiseLevel,
    /// What tells speech from noise.
    pub engine: NoiseEngine,
}

/// How far noise is suppressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoiseLevel {
    /// By 6 dB.
    Low,
    /// By 12 dB.
    Moderate,
    /// By 20 dB.
    #[default]
    High,
}

impl NoiseLevel {
    /// The least amplitude that the neural engine leaves of noise. At the highest level it takes more than the name says.
    pub(crate) fn least_gain(self) -> f32 {
        match self {
            Self::Low => 0.5,
            Self::Moderate => 0.25,
            Self::High => 0.02,
        }
    }
}

/// What tells speech from noise. By default the network where its weights are in the crate (feature `network`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoiseEngine {
    /// Statistics of the spectrum.
    Spectral,
    /// A recurrent network, for noise together with those statistics, and for residual echo.
    Neural,
}

impl Default for NoiseEngine {
    fn default() -> Self {
        if cfg!(feature = "network") { Self::Neural } else { Self::Spectral }
    }
}

/// Automatic gain control.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GainControl {
    /// Active speech level (ITU-T P.56) that is aimed at, dBFS: −40 to −10.
    pub target_dbfs: f32,
    /// Largest gain, dB: 0 to 50.
    pub max_gain_db: f32,
}

impl Default for GainControl {
    fn default() -> Self {
        Self { target_dbfs: -23.0, max_gain_db: 30.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stages_are_on_unless_told() {
        let config = Config::default();
        assert!(config.high_pass.is_some() && config.echo.is_some() && config.noise.is_some() && config.gain.is_some());
        config.check().unwrap();
        Config::OFF.check().unwrap();
    }

    #[test]
    fn it_is_written_and_read_as_json() {
        let json = serde_json::to_string(&Config::default()).unwrap();
        let engine = if cfg!(feature = "network") { "neural" } else { "spectral" };
        assert!(json.contains(&format!(r#""noise":{{"level":"high","engine":"{engine}"}}"#)), "{json}");
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), Config::default());
        let partial: Config = serde_json::from_str(r#"{"gain":null,"noise":{"level":"low"}}"#).unwrap();
        assert_eq!((partial.gain, partial.noise.unwrap().level), (None, NoiseLevel::Low));
        assert!(serde_json::from_str::<Config>(r#"{"nosie":null}"#).is_err());
    }

    #[test]
    fn values_out_of_range_are_named() {
        let config = Config { high_pass: Some(HighPass { cutoff_hz: 1_000.0 }), ..Config::OFF };
        assert_eq!(
            config.check(),
            Err(Error::Config { field: "highPass.cutoffHz", value: 1_000.0, range: (20.0, 300.0) })
        );
        let config =
            Config { gain: Some(GainControl { target_dbfs: f32::NAN, ..GainControl::default() }), ..Config::OFF };
        assert!(config.check().is_err());
    }
}
