//! Speech through networks into each jitter buffer, for `cargo xtask quality receive`.
//!
//! ```text
//! receive SPEECH OUT [--short]
//! ```
//!
//! SPEECH holds WAV files at 16 kHz. For each codec, network and file OUT gets a folder with `reference.wav`, what a
//! receiver without a network gives, and what each engine makes of the same packets: `ENGINE@SETTING.wav`, of which sample 0
//! is when the first packet was sent; and `told.json` with what the engines say of themselves. All at 16 kHz.
//! Beside that `OUT/alone/N % K.M` has what becomes of file K where N % of the packets are lost, each by itself, in draw M: by
//! each way of concealing them.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use pico_args::Arguments;
use serde_json::json;
use soft_phone_benches::receive::{Codec, ENGINES, Sent, TRACES, Trace, create, losses, trace};
use soft_phone_benches::voice::{down, read, up, write};

/// Of the files, Hz.
const RATE: u32 = 16_000;
/// The card asks so long after a packet is sent where both have the same period, ms.
const PHASE_MS: f64 = 4.0;
/// What is played behind the last packet, ms.
const TAIL_MS: f64 = 1_000.0;
/// How both engines trade delay, 1 being what they do unless told.
const SETTINGS: [(&str, &[f64]); 2] = [("ours", &[0.2, 1.0, 2.5]), ("neteq", &[1.0, 2.0, 3.0])];

/// Percent of the packets that are lost where concealment alone is compared, and how often they are drawn.
const LOST: [u32; 4] = [5, 11, 18, 30];
const DRAWS: u64 = 3;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match run(Arguments::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("receive: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One row of the work: a file of speech, and a codec and a network.
struct Case {
    speech: usize,
    what: What,
}

enum What {
    Network { codec: (&'static str, Codec), network: &'static str },
    Alone { lost: u32, draw: u64 },
}

fn run(mut arguments: Arguments) -> Result<()> {
    let short = arguments.contains("--short");
    let speech: PathBuf = arguments.free_from_str()?;
    let out: PathBuf = arguments.free_from_str()?;
    let rest = arguments.finish();
    if !rest.is_empty() {
        return Err(format!("not understood: {rest:?}").into());
    }
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&speech)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wav"));
    files.sort();
    let mut cases = Vec::new();
    for codec in Codec::ALL {
        for (number, network) in TRACES.into_iter().enumerate() {
            if !short || number % 4 == 3 {
                let what = |speech| Case { speech, what: What::Network { codec, network } };
                cases.extend((0..files.len()).map(what));
            }
        }
    }
    for lost in LOST {
        for draw in 0..if short { 1 } else { DRAWS } {
            cases.extend((0..files.len()).map(|speech| Case { speech, what: What::Alone { lost, draw } }));
        }
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (speech, rate) = read(&files[case.speech])?;
            if rate != RATE {
                return Err(format!("{}: {rate} Hz, not {RATE}", files[case.speech].display()).into());
            }
            match case.what {
                What::Network { codec, network } => through(network, codec, case.speech, &speech, &out)?,
                What::Alone { lost, draw } => {
                    let folder = out.join(format!("alone/{lost} % {}.{draw}", case.speech));
                    conceal(f64::from(lost) / 100.0, draw + DRAWS * case.speech as u64, &speech, &folder)?;
                }
            }
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker has panicked")?)
    })
}

/// Speech through a network into each engine.
fn through(network: &str, (name, codec): (&str, Codec), number: usize, speech: &[f32], out: &Path) -> Result<()> {
    let packets = Sent::all(codec, &to(speech, codec.rate()))?;
    // Each file meets another stretch of the network.
    let trace = trace(network, number as u64 + 1, packets.len()).ok_or("no such network")?;
    let folder = out.join(name).join(format!("{network} {number}"));
    std::fs::create_dir_all(&folder)?;
    write(&folder.join("reference.wav"), &from(&Sent::decoded(codec, &packets)?, codec.rate()), RATE)?;
    let mut told = serde_json::Map::new();
    for engine in ENGINES {
        for (_, settings) in SETTINGS.iter().filter(|(of, _)| *of == engine) {
            for setting in *settings {
                let (heard, facts) = play(engine, codec, *setting, &packets, &trace)?;
                let title = format!("{engine}@{setting}");
                write(&folder.join(format!("{title}.wav")), &from(&heard, codec.rate()), RATE)?;
                told.insert(title, facts);
            }
        }
    }
    Ok(std::fs::write(folder.join("told.json"), serde_json::to_string_pretty(&told)?)?)
}

/// Speech of which a share of the packets is lost and nothing else happens: `CODEC-sent.wav`, and what is heard with silence in
/// their place, as each engine conceals what has no concealment of its own, and by Opus' own.
fn conceal(share: f64, seed: u64, speech: &[f32], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let trace = losses(share, seed + 1, speech.len() * 50 / RATE as usize);
    for (name, codec) in [("l16", Codec::L16), ("pcmu", Codec::Pcmu), ("g722", Codec::G722), ("opus", Codec::OpusAlone)]
    {
        let save = |what: &str, samples: &[f32]| {
            write(&folder.join(format!("{name}-{what}.wav")), &from(samples, codec.rate()), RATE)
        };
        let packets = Sent::all(codec, &to(speech, codec.rate()))?;
        let sent = Sent::decoded(codec, &packets)?;
        save("sent", &sent)?;
        match codec {
            Codec::OpusAlone => save("own", &Sent::concealed(codec, &packets, &trace)?)?,
            Codec::L16 => {
                let packet =
                    |(sent, arrival): (&[f32], &Option<f64>)| arrival.map_or(vec![0.0; sent.len()], |_| sent.to_vec());
                let silence: Vec<f32> = sent.chunks(codec.rate() as usize / 50).zip(&trace).flat_map(packet).collect();
                save("silence", &silence)?;
                save("neteq", &play("neteq", codec, 1.0, &packets, &trace)?.0)?;
            }
            _ => {}
        }
        save("ours", &play("ours", codec, 1.0, &packets, &trace)?.0)?;
    }
    Ok(())
}

/// What is heard, and what the engine says of it.
fn play(
    engine: &str,
    codec: Codec,
    setting: f64,
    packets: &[Sent],
    trace: &Trace,
) -> Result<(Vec<f32>, serde_json::Value)> {
    let mut receiver = create(engine, codec, setting)?;
    let mut arrivals: Vec<(f64, &Sent)> =
        trace.iter().zip(packets).filter_map(|(arrival, packet)| Some(((*arrival)?, packet))).collect();
    arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut arrivals = arrivals.into_iter().peekable();
    let last = packets.len() as f64 * Sent::MS;
    let mut frame = vec![0.0; codec.rate() as usize / 100];
    let silence = (PHASE_MS * f64::from(codec.rate()) / 1_000.0) as usize;
    let mut heard = vec![0.0; silence];
    let (mut concealed, mut delay, mut frames) = (0_u32, 0.0, 0_u32);
    let mut now = PHASE_MS;
    while now < last + TAIL_MS {
        while let Some((at, packet)) = arrivals.next_if(|(at, _)| *at <= now) {
            receiver.insert(at, packet)?;
        }
        receiver.pull(now, &mut frame)?;
        heard.extend_from_slice(&frame);
        // Behind the last packet there is nothing to be concealed, and the first second is for finding the delay.
        if now < last && now > 1_000.0 {
            let told = receiver.told();
            concealed += u32::from(told.concealed);
            delay += told.delay_ms;
            frames += 1;
        }
        now += 10.0;
    }
    let of = f64::from(frames.max(1));
    Ok((heard, json!({ "concealed": f64::from(concealed) / of, "delay": delay / of })))
}

/// From 16 kHz to the codec's rate.
fn to(speech: &[f32], rate: u32) -> Vec<f32> {
    if rate < RATE { down(speech, (RATE / rate) as usize) } else { up(speech, (rate / RATE) as usize) }
}

/// The other way.
fn from(heard: &[f32], rate: u32) -> Vec<f32> {
    if rate < RATE { up(heard, (RATE / rate) as usize) } else { down(heard, (rate / RATE) as usize) }
}
