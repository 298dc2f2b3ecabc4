//! What a frame of 10 ms costs each voice engine: the chain and its stages, with speech and with silence.
//!
//! `cargo xtask bench` sets the engines of others up, names the two files of speech and writes the table.

use std::env;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use soft_phone_benches::voice::{ENGINES, Error, SCENES, STAGES, Scene, Speech, can, create};

/// The rates that are timed, Hz.
const RATES: [u32; 2] = [16_000, 48_000];

fn voice(criterion: &mut Criterion) {
    let files = ["VOICE_NEAR", "VOICE_FAR"].map(|name| env::var_os(name).map(PathBuf::from));
    let [Some(near), Some(far)] = files else {
        eprintln!("voice: VOICE_NEAR and VOICE_FAR name two WAV files of speech; `cargo xtask bench` gives them");
        return;
    };
    for rate in RATES {
        let outcome = Speech::load(&near, &far, rate).and_then(|speech| all(criterion, &speech));
        if let Err(error) = outcome {
            eprintln!("voice: {error}");
            std::process::exit(1);
        }
    }
}

/// A group for each combination of stages and scene: `16000 chain/speech/ours`.
fn all(criterion: &mut Criterion, speech: &Speech) -> Result<(), Error> {
    let rate = speech.rate;
    for (stage, stages) in STAGES {
        for (title, scene) in SCENES {
            // Without a canceller nobody listens to the far end.
            if !stages.echo && scene == Scene::FarSilent {
                continue;
            }
            let frames = scene.frames(speech);
            let pairs: Vec<_> = frames.iter().collect();
            let (lead, timed) = pairs.split_at(frames.lead);
            let mut group = criterion.benchmark_group(format!("{rate} {stage}"));
            for name in ENGINES.into_iter().filter(|name| can(name, rate, stages)) {
                let mut engine = create(name, rate, stages)?;
                let mut near = vec![0.0; frames.len];
                for (far, microphone) in lead {
                    near.copy_from_slice(microphone);
                    engine.frame(far, &mut near)?;
                }
                let mut turns = timed.iter().cycle();
                group.bench_function(format!("{title}/{name}"), |bencher| {
                    bencher.iter(|| {
                        let Some((far, microphone)) = turns.next() else { return Ok(()) };
                        near.copy_from_slice(microphone);
                        engine.frame(black_box(far), black_box(&mut near))
                    });
                });
            }
            group.finish();
        }
    }
    Ok(())
}

criterion_group! {
    name = benches;
    // Long enough for the timed seconds of speech to come round several times.
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = voice
}
criterion_main!(benches);
