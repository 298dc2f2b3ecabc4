//! A jitter buffer under streams that are random or nearly good, one seed a case: what must hold whatever the network brings.

#![allow(dead_code, reason = "each user takes some of it")]

use std::time::Duration;

use soft_phone_dsp::SAMPLE_RATES;
use soft_phone_dsp::codec::g711::Law;
use soft_phone_dsp::codec::{Decoder, G711, G722, L16};
use soft_phone_dsp::jitter::{JitterBuffer, JitterConfig, JitterStats, Packet, Reception};

use super::signals::Noise;

/// Payload types of the streams here, and one that no buffer knows.
const TYPES: [u8; 8] = [0, 8, 9, 13, 63, 96, 97, 120];
/// A decoder with good payloads for it.
pub type Codec<'a> = (Box<dyn Decoder>, &'a [Vec<u8>]);

fn pick(random: &mut Noise, count: usize) -> usize {
    (random.next().abs() * count as f32) as usize % count
}

fn any_bits(random: &mut Noise) -> u32 {
    (pick(random, 65_536) << 16 | pick(random, 65_536)) as u32
}

fn any_config(random: &mut Noise) -> JitterConfig {
    JitterConfig {
        max_playout_delay_ms: [40.0, 100.0, 500.0, 2_000.0][pick(random, 4)],
        min_playout_delay_ms: [0.0, 0.0, 40.0, 500.0][pick(random, 4)],
        late_packet_ms: [0.0, 3.0, 20.0][pick(random, 3)],
    }
}

/// A payload of redundancy: well made, or cut, around payloads of all kinds.
fn red(random: &mut Noise) -> Vec<u8> {
    let (mut headers, mut blocks) = (Vec::new(), Vec::new());
    for _ in 0..pick(random, 4) {
        let length = [0, 1, 80, 160, 320, 1_023][pick(random, 6)];
        let offset = [0, 160, 320, 480, 16_383][pick(random, 5)];
        let header = (0x80 | u32::from(TYPES[pick(random, 8)])) << 24 | offset << 10 | length as u32;
        headers.extend(header.to_be_bytes());
        blocks.extend(std::iter::repeat_n(pick(random, 256) as u8, length));
    }
    headers.push(TYPES[pick(random, 8)]);
    headers.extend(blocks);
    headers.extend(std::iter::repeat_n(0x2A, [0, 160, 320][pick(random, 3)]));
    if pick(random, 5) == 0 {
        headers.truncate(pick(random, headers.len() + 1));
    }
    headers
}

/// Samples that a good packet of 20 ms has in its clock, its payload type and its payload.
fn payload(random: &mut Noise, usual: u8) -> (u8, Vec<u8>) {
    let payload_type = if pick(random, 20) == 0 { TYPES[pick(random, 8)] } else { usual };
    let length = match pick(random, 30) {
        0 => pick(random, 1_700),
        1 => pick(random, 4),
        2 => [80, 240, 480, 960][pick(random, 4)],
        _ => [160, 160, 160, 1 + pick(random, 13), 0, 640, 320, 40]
            [TYPES.iter().position(|one| *one == payload_type).unwrap_or(0)],
    };
    if payload_type == 63 {
        return (63, red(random));
    }
    // A byte a payload makes square waves, a byte a sample noise.
    let (byte, noisy) = (pick(random, 256), pick(random, 2));
    (payload_type, (0..length).map(|n| (byte + noisy * n * 89) as u8).collect())
}

/// One case of `steps` packets, pulls and other calls; says what went wrong.
pub fn case(seed: u64, steps: usize) -> Result<(), String> {
    let mut random = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    case_with(&mut random, steps, None)
}

/// The same with one more decoder, as payload type 120, and good payloads for it.
pub fn case_with(random: &mut Noise, steps: usize, more: Option<Codec<'_>>) -> Result<(), String> {
    let rate = SAMPLE_RATES[pick(random, SAMPLE_RATES.len())];
    let mut buffer = JitterBuffer::new(rate, any_config(random)).map_err(|error| error.to_string())?;
    let decoders: [(u8, Box<dyn Decoder>); 4] = [
        (0, Box::new(G711::new(Law::Mu))),
        (8, Box::new(G711::new(Law::A))),
        (9, Box::new(G722::new())),
        (96, Box::new(L16::new(16_000).ok_or("a rate is refused")?)),
    ];
    for (payload_type, decoder) in decoders {
        buffer.set_decoder(payload_type, decoder).map_err(|error| error.to_string())?;
    }
    buffer.set_comfort_noise(13, 8_000);
    buffer.set_redundancy(63);
    let good = match more {
        Some((decoder, good)) => {
            buffer.set_decoder(120, decoder).map_err(|error| error.to_string())?;
            good
        }
        None => &[],
    };
    let mut usual = if good.is_empty() { TYPES[pick(random, 6)] } else { 120 };
    let (mut sequence, mut timestamp, mut ssrc, mut now) = (any_bits(random) as u16, any_bits(random), 1, 0.0_f64);
    let (mut out, mut last) = (vec![0.0; buffer.frame_len()], buffer.stats());
    for _ in 0..steps {
        // Mostly a packet every 20 ms; else a burst, a gap, reordering, jumps of all numbers, another codec, another sender.
        for _ in 0..[1, 1, 1, 1, 1, 0, 0, 2, 5, 40][pick(random, 10)] {
            sequence = sequence.wrapping_add(1);
            timestamp = timestamp.wrapping_add(if usual == 120 { 960 } else { 160 });
            match pick(random, 300) {
                0 => sequence = any_bits(random) as u16,
                1 => timestamp = any_bits(random),
                2 => {
                    timestamp = timestamp.wrapping_add([800, 8_000, 80_000, 0_u32.wrapping_sub(4_000)][pick(random, 4)])
                }
                3 => ssrc = any_bits(random),
                4 if good.is_empty() => usual = TYPES[pick(random, 6)],
                _ => {}
            }
            let (back, forth) = (pick(random, 8), pick(random, 4));
            let (sequence, timestamp) = match pick(random, 12) {
                0 => (sequence.wrapping_sub(back as u16), timestamp.wrapping_sub(160 * back as u32)),
                1 => (sequence.wrapping_add(forth as u16), timestamp.wrapping_add(160 * forth as u32)),
                _ => (sequence, timestamp),
            };
            let (payload_type, payload) = match payload(random, usual) {
                (120, _) if !good.is_empty() => (120, good[pick(random, good.len())].clone()),
                made => made,
            };
            let packet = Packet { ssrc, sequence, timestamp, payload_type, payload: &payload };
            let reception = buffer.insert(Duration::from_secs_f64(now / 1_000.0), packet);
            if payload.is_empty() && reception == Reception::Accepted {
                return Err("nothing was accepted".into());
            }
        }
        for _ in 0..[2, 2, 2, 2, 1, 3, 0, 10][pick(random, 8)] {
            buffer.pull(Duration::from_secs_f64(now / 1_000.0), &mut out).map_err(|error| error.to_string())?;
            if let Some(sample) = out.iter().find(|sample| !sample.is_finite() || sample.abs() > 1.0) {
                return Err(format!("{sample} was played"));
            }
            now +=
                [10.0, 10.0, 10.0, 9.0, 11.0, 0.0, 40.0, 700.0][[0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7][pick(random, 12)]];
        }
        let stats = buffer.stats();
        plausible(&last, &stats)?;
        last = stats;
    }
    Ok(())
}

/// Shares are shares, counts only grow, delays are numbers.
fn plausible(before: &JitterStats, stats: &JitterStats) -> Result<(), String> {
    let shares = [stats.concealed_share, stats.recent_concealed_share];
    let counts = |stats: &JitterStats| {
        [stats.received, stats.late, stats.duplicates, stats.padding, stats.errors, stats.recovered, stats.restarts]
    };
    let delays = [stats.playout_delay_ms, stats.target_delay_ms, stats.mean_delay_ms, stats.stretched_share];
    let good = shares.iter().all(|share| (0.0..=1.001).contains(share))
        && counts(before).iter().zip(counts(stats)).all(|(before, now)| *before <= now)
        && delays.iter().all(|value| value.is_finite());
    if good { Ok(()) } else { Err(format!("{stats:?}")) }
}
