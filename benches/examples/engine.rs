//! The voice engines of others and ours, over files and against the clock.
//!
//! ```text
//! cargo run --release -p soft-phone-benches [--features peers] --example engine -- COMMAND
//!   process --engine NAME --mic MIC.wav [--far FAR.wav] --out OUT.wav [--no-aec] [--no-ns] [--no-agc] [--high]
//!   time --near NEAR.wav --far FAR.wav [--rate HZ] [--stages NAME] [--scene NAME] [--engines A,B] [--repeats N]
//! ```
//!
//! The feature needs what `cargo xtask bench` sets up; without it there is ours alone. `time` prints µs per frame of 10 ms: the least of some repeats for
//! each frame, hence a figure that a busy machine changes little.

use std::path::PathBuf;
use std::process::ExitCode;

use pico_args::Arguments;
use soft_phone_benches::voice::{
    ENGINES, Error, Load, NoiseLevel, SCENES, STAGES, Scene, Speech, Stages, can, measure, process, read, write,
};

const USAGE: &str = "engine process --engine NAME --mic MIC.wav [--far FAR.wav] --out OUT.wav [--no-aec] [--no-ns] \
                     [--no-agc] [--high]\nengine time --near NEAR.wav --far FAR.wav [--rate HZ] [--stages NAME] \
                     [--scene NAME] [--engines A,B] [--repeats N]";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_env();
    let outcome = match arguments.subcommand() {
        Ok(Some(command)) if command == "process" => file(arguments),
        Ok(Some(command)) if command == "time" => time(arguments),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("engine: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One engine over one microphone's file.
fn file(mut arguments: Arguments) -> Result<(), Error> {
    let engine: String = arguments.value_from_str("--engine")?;
    let mic: PathBuf = arguments.value_from_str("--mic")?;
    let far: Option<PathBuf> = arguments.opt_value_from_str("--far")?;
    let out: PathBuf = arguments.value_from_str("--out")?;
    let stages = Stages {
        echo: !arguments.contains("--no-aec"),
        noise: !arguments.contains("--no-ns"),
        gain: !arguments.contains("--no-agc"),
        level: if arguments.contains("--high") { NoiseLevel::High } else { NoiseLevel::Moderate },
    };
    nothing_left(arguments)?;
    let (near, rate) = read(&mic)?;
    let far = match far {
        Some(path) => {
            let (far, far_rate) = read(&path)?;
            if far_rate != rate {
                return Err(format!("{} has {far_rate} Hz, {} {rate}", path.display(), mic.display()).into());
            }
            far
        }
        None => Vec::new(),
    };
    write(&out, &process(&engine, rate, stages, &far, &near)?, rate)
}

/// All engines by the clock, in a table.
fn time(mut arguments: Arguments) -> Result<(), Error> {
    let near: PathBuf = arguments.value_from_str("--near")?;
    let far: PathBuf = arguments.value_from_str("--far")?;
    let rate: Option<u32> = arguments.opt_value_from_str("--rate")?;
    let stage: Option<String> = arguments.opt_value_from_str("--stages")?;
    let scene: Option<String> = arguments.opt_value_from_str("--scene")?;
    let engines: Option<String> = arguments.opt_value_from_str("--engines")?;
    let repeats: usize = arguments.opt_value_from_str("--repeats")?.unwrap_or(5).max(1);
    nothing_left(arguments)?;

    let chosen =
        |list: &Option<String>, name: &str| list.as_ref().is_none_or(|list| list.split(',').any(|one| one == name));
    println!(
        "{:>5} {:<6} {:<15} {:<8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "Hz", "stages", "scene", "engine", "mean µs", "median", "99 %", "load %", "× webrtc"
    );
    for rate in rate.map_or(vec![16_000, 48_000], |rate| vec![rate]) {
        let speech = Speech::load(&near, &far, rate)?;
        for (name, stages) in STAGES.into_iter().filter(|(name, _)| chosen(&stage, name)) {
            for (title, scene) in SCENES.into_iter().filter(|(name, _)| chosen(&scene, name)) {
                // Without a canceller nobody listens to the far end.
                if !stages.echo && scene == Scene::FarSilent {
                    continue;
                }
                let loads: Vec<Load> = ENGINES
                    .into_iter()
                    .filter(|engine| chosen(&engines, engine) && can(engine, rate, stages))
                    .map(|engine| Load { engine, stages })
                    .collect();
                let figures = measure(&loads, rate, &scene.frames(&speech), repeats)?;
                let of = |name| loads.iter().position(|load| load.engine == name).map(|at| figures[at].mean);
                for (load, figures) in loads.iter().zip(&figures) {
                    let ratio = of("webrtc").map_or("-".to_owned(), |webrtc| format!("{:.2}", figures.mean / webrtc));
                    println!(
                        "{rate:>5} {name:<6} {title:<15} {:<8} {:>8.1} {:>8.1} {:>8.1} {:>8.2} {ratio:>8}",
                        load.engine,
                        figures.mean,
                        figures.median,
                        figures.p99,
                        figures.mean / 100.0
                    );
                }
            }
        }
    }
    Ok(())
}

fn nothing_left(arguments: Arguments) -> Result<(), Error> {
    let rest = arguments.finish();
    if rest.is_empty() { Ok(()) } else { Err(format!("not understood: {rest:?}\n{USAGE}").into()) }
}
