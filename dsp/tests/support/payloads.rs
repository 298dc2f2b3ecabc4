//! A decoder under random payloads and calls, one seed a case: what must hold whatever the network brings.

#![allow(dead_code, reason = "each user takes some of it")]

use soft_phone_dsp::SAMPLE_RATES;
use soft_phone_dsp::codec::g711::Law;
use soft_phone_dsp::codec::{ComfortNoise, DecodeError, Decoder, G711, G722, L16, LONGEST_PACKET_MS, Red};

use super::signals::Noise;

/// Longest payload, bytes: what Ethernet carries.
const LONGEST: usize = 1_500;

/// A number from 0 to `count - 1`.
fn pick(random: &mut Noise, count: usize) -> usize {
    (random.next().abs() * count as f32) as usize % count
}

/// A payload of one of the kinds that break parsers, or a broken copy of one of the `good` ones.
fn any_payload(random: &mut Noise, good: &[Vec<u8>]) -> Vec<u8> {
    let length = match pick(random, 4) {
        0 => pick(random, 8),
        1 => [1, 10, 80, 160, 320][pick(random, 5)],
        2 => pick(random, 200),
        _ => pick(random, LONGEST),
    };
    let byte = |random: &mut Noise| pick(random, 256) as u8;
    let kind = pick(random, 6);
    if !good.is_empty() && kind > 1 {
        let mut payload = good[pick(random, good.len())].clone();
        for _ in 0..[0, 1, 4, 30][pick(random, 4)] {
            let at = pick(random, payload.len().max(1));
            if let Some(place) = payload.get_mut(at) {
                *place = byte(random);
            }
        }
        if pick(random, 4) == 0 {
            payload.truncate(pick(random, payload.len() + 1));
        }
        return payload;
    }
    match kind {
        0 => vec![byte(random); length],
        _ => (0..length).map(|_| byte(random)).collect(),
    }
}

/// Any of the decoders here.
fn any_decoder(random: &mut Noise) -> Option<Box<dyn Decoder>> {
    Some(match pick(random, 4) {
        0 => Box::new(G711::new(Law::Mu)),
        1 => Box::new(G711::new(Law::A)),
        2 => Box::new(G722::new()),
        _ => Box::new(L16::new(SAMPLE_RATES[pick(random, SAMPLE_RATES.len())])?),
    })
}

/// One case of `packets` payloads for one of the decoders here, comfort noise and redundancy; says what went wrong.
pub fn case(seed: u64, packets: usize) -> Result<(), String> {
    let mut random = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut decoder = any_decoder(&mut random).ok_or("a rate is refused")?;
    let mut noise = ComfortNoise::new();
    for _ in 0..packets {
        packet(decoder.as_mut(), &mut random, &[])?;
        let payload = any_payload(&mut random, &[]);
        if let Ok(red) = Red::parse(&payload) {
            let blocks: usize = red.blocks().map(|block| block.payload.len()).sum();
            let headers = red.blocks().count() * 4 - 3;
            if blocks + headers != payload.len() {
                return Err(format!("{blocks} bytes in blocks of a payload of {}", payload.len()));
            }
        }
        // Whether it is taken or not.
        let _ = noise.update(&payload);
        let mut out = [f32::NAN; 80];
        noise.generate(&mut out);
        bounded(&out)?;
    }
    Ok(())
}

/// One case of `packets` payloads for this decoder: broken copies of the `good` ones, and others.
pub fn case_of(decoder: &mut dyn Decoder, seed: u64, packets: usize, good: &[Vec<u8>]) -> Result<(), String> {
    let mut random = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..packets).try_for_each(|_| packet(decoder, &mut random, good))
}

/// One payload, with the calls that a jitter buffer makes around it.
fn packet(decoder: &mut dyn Decoder, random: &mut Noise, good: &[Vec<u8>]) -> Result<(), String> {
    let payload = any_payload(random, good);
    let longest = decoder.sample_rate() as usize * LONGEST_PACKET_MS as usize / 1_000;
    // Without codecs' own framing anything up to the payload's length may come.
    let mut out = vec![f32::NAN; longest.max(2 * LONGEST)];
    match pick(random, 12) {
        0 => decoder.reset(),
        1 => {
            let missing = [10, 20, 60][pick(random, 3)] * decoder.sample_rate() as usize / 1_000;
            if decoder.conceal(&mut out[..missing]) {
                bounded(&out[..missing])?;
            }
        }
        2 => {
            let (has, recovered) = (decoder.has_fec(&payload), decoder.recover(&payload, &mut out));
            match recovered {
                Ok(_) if !has => return Err("recovered what is not there".into()),
                Ok(samples) => bounded(&out[..samples])?,
                Err(DecodeError::NoFec) if has => return Err("what is there is not recovered".into()),
                Err(_) => {}
            }
        }
        3 => {
            // Too little room is told, not used.
            let room = pick(random, out.len());
            if let Ok(needed) = decoder.duration(&payload)
                && needed > room
                && decoder.decode(&payload, &mut out[..room]) != Err(DecodeError::Room { needed, available: room })
            {
                return Err(format!("{needed} samples went into {room}"));
            }
        }
        _ => {}
    }
    let told = decoder.duration(&payload);
    match (told, decoder.decode(&payload, &mut out)) {
        (Ok(told), Ok(samples)) if told == samples => bounded(&out[..samples]),
        (Err(told), Err(error)) if told == error => Ok(()),
        // Seen only when it is decoded.
        (Ok(_), Err(DecodeError::Malformed)) => Ok(()),
        (told, decoded) => Err(format!("{told:?} was told, {decoded:?} came of {payload:?}")),
    }
}

fn bounded(samples: &[f32]) -> Result<(), String> {
    match samples.iter().find(|sample| !sample.is_finite() || sample.abs() > 1.0) {
        Some(sample) => Err(format!("{sample} came out")),
        None => Ok(()),
    }
}
