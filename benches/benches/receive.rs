//! What 10 ms of reception cost each jitter buffer, without the decoder: packets in, audio out, at 16 and 48 kHz.
//!
//! The payloads are µ-law at that rate, of which decoding costs next to nothing; the networks lose and delay, so that there is
//! concealment, merging and stretching in it. `cargo xtask bench receive` gives it speech.

use std::env;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use soft_phone_benches::receive::{Codec, ENGINES, Sent, create, trace};
use soft_phone_benches::voice::{Error, down, read};

/// The networks that are timed.
const NETWORKS: [&str; 4] = ["clean", "loss 10 %", "jitter 60 ms", "mobile, bad"];
/// Of the speech, Hz.
const RATE: u32 = 48_000;

fn receive(criterion: &mut Criterion) {
    let Some(file) = env::var_os("VOICE_NEAR").map(PathBuf::from) else {
        eprintln!("receive: VOICE_NEAR names a WAV file of speech at 48 kHz; `cargo xtask bench` gives it");
        return;
    };
    for rate in [16_000, 48_000] {
        if let Err(error) = all(criterion, &file, rate) {
            eprintln!("receive: {error}");
            std::process::exit(1);
        }
    }
}

fn all(criterion: &mut Criterion, file: &std::path::Path, rate: u32) -> Result<(), Error> {
    let (speech, of) = read(file)?;
    if of != RATE {
        return Err(format!("{}: {of} Hz, not {RATE}", file.display()).into());
    }
    let codec = Codec::Mu(rate);
    let speech = if rate == RATE { speech } else { down(&speech, (RATE / rate) as usize) };
    let packets = Sent::all(codec, &speech)?;
    for network in NETWORKS {
        let mut group = criterion.benchmark_group(format!("receive {rate} {network}"));
        let trace = trace(network, 1, packets.len()).ok_or("no such network")?;
        let mut arrivals: Vec<(f64, usize)> =
            trace.iter().enumerate().filter_map(|(k, arrival)| Some(((*arrival)?, k))).collect();
        arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
        for engine in ENGINES.into_iter().filter(|engine| *engine == "ours" || cfg!(feature = "neteq")) {
            let mut receiver = create(engine, codec, 1.0)?;
            let mut out = vec![0.0; rate as usize / 100];
            // What is refused would cost nothing.
            receiver.insert(0.0, &packets[0])?;
            // The speech comes round again and again, with numbers that go on.
            let (mut next, mut round, mut now) = (0, 0_usize, 0.0);
            let length = packets.len() as f64 * Sent::MS;
            group.bench_function(engine, |bencher| {
                bencher.iter(|| {
                    while arrivals[next].0 + round as f64 * length <= now {
                        let (at, k) = arrivals[next];
                        let mut packet = packets[k].clone();
                        packet.sequence = packet.sequence.wrapping_add((round * packets.len()) as u16);
                        packet.timestamp = packet.timestamp.wrapping_add((round * speech.len()) as u32);
                        let _ = receiver.insert(at + round as f64 * length, black_box(&packet));
                        next += 1;
                        if next == arrivals.len() {
                            (next, round) = (0, round + 1);
                        }
                    }
                    let done = receiver.pull(now, black_box(&mut out));
                    now += 10.0;
                    done
                });
            });
        }
        group.finish();
    }
    Ok(())
}

criterion_group! {
    name = benches;
    // Long enough for the speech to come round several times.
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = receive
}
criterion_main!(benches);
