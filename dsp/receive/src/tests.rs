//! The receiver as a host drives it.

use soft_phone_dsp::codec::g711::Law;
use soft_phone_dsp::host::Codec;

use super::*;

struct Host(*mut Receiver);

impl Host {
    fn new(rate: f32) -> Host {
        let receiver = receiver_create(rate, 0.0);
        assert!(!receiver.is_null());
        Host(receiver)
    }

    fn codec(&self, payload_type: u32, codec: Codec) -> i32 {
        // SAFETY: live until `drop`.
        unsafe { receiver_codec(self.0, payload_type, codec as u32, 0) }
    }

    fn insert(&self, now_ms: f64, number: u32, samples: u32, payload_type: u32, payload: &[u8]) -> i32 {
        // SAFETY: live until `drop`; the payload is within the buffer, of which one reference lives at a time.
        unsafe {
            std::slice::from_raw_parts_mut(receiver_payload(self.0), payload.len()).copy_from_slice(payload);
            receiver_insert(self.0, now_ms, 7, number & 0xFFFF, number * samples, payload_type, payload.len())
        }
    }

    fn render(&self, now_ms: f64, samples: usize) -> Vec<f32> {
        // SAFETY: live until `drop`; as many samples as were told.
        unsafe {
            let given = receiver_render(self.0, now_ms, samples);
            std::slice::from_raw_parts(receiver_output(self.0), given).to_vec()
        }
    }

    fn figure(&self, figure: ReceiveFigure) -> f32 {
        // SAFETY: live until `drop`; the block is as long as told.
        unsafe {
            std::slice::from_raw_parts(receiver_statistics(self.0), receiver_statistics_length())[figure as usize]
        }
    }

    /// Plays what `payload` gives for each packet of 20 ms, in quanta, for as many packets.
    fn play(&self, packets: u32, samples: u32, payload_type: u32, mut payload: impl FnMut(u32) -> Vec<u8>) -> Vec<f32> {
        let (mut heard, mut next) = (Vec::new(), 0);
        while heard.len() < packets as usize * 960 {
            let now = heard.len() as f64 / 48.0;
            while f64::from(next) * 20.0 <= now {
                assert_eq!(self.insert(now, next, samples, payload_type, &payload(next)), OK);
                next += 1;
            }
            heard.extend(self.render(now, 128));
        }
        heard
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: made in `new`, given back once.
        unsafe { receiver_destroy(self.0) };
    }
}

/// A tone of 437.5 Hz, at `rate`.
fn tone(at: usize, rate: f32) -> f32 {
    0.3 * (std::f32::consts::TAU * 437.5 * at as f32 / rate).sin()
}

/// How much of it a tone of that frequency is, 0 to 1.
fn purity(heard: &[f32]) -> f32 {
    let (mut sine, mut cosine, mut power) = (0.0, 0.0, 0.0);
    for (at, sample) in heard.iter().enumerate() {
        let phase = std::f32::consts::TAU * 437.5 * at as f32 / 48_000.0;
        sine += sample * phase.sin();
        cosine += sample * phase.cos();
        power += sample * sample;
    }
    2.0 * (sine * sine + cosine * cosine) / (heard.len() as f32 * power.max(1e-9))
}

#[test]
fn what_comes_in_packets_is_played_in_quanta() {
    let host = Host::new(48_000.0);
    assert_eq!(host.codec(0, Codec::Pcmu), OK);
    let packet = |number: u32| {
        let sample = |at| (tone(number as usize * 160 + at, 8_000.0) * 32_767.0) as i16;
        (0..160).map(|at| Law::Mu.compress(sample(at))).collect()
    };
    let heard = host.play(150, 160, 0, packet);
    // Purer than one wave that jumps: nothing was left out in the last second.
    assert!(purity(&heard[96_000..]) > 0.98, "{}", purity(&heard[96_000..]));
    assert_eq!(host.figure(ReceiveFigure::Playing), 1.0);
    assert_eq!(host.figure(ReceiveFigure::Received), 150.0);
    assert_eq!(host.figure(ReceiveFigure::Lost), 0.0);
    // At the end nothing is left but what hides it.
    let concealed = host.figure(ReceiveFigure::Concealed);
    assert!(concealed < 0.01, "{concealed}");
    let delay = host.figure(ReceiveFigure::Delay);
    assert!((0.0..=60.0).contains(&delay), "{delay} ms");
}

#[test]
fn copies_and_pauses_are_taken_for_what_they_are() {
    let host = Host::new(48_000.0);
    for (payload_type, codec) in [(0, Codec::Pcmu), (13, Codec::ComfortNoise), (63, Codec::Red)] {
        assert_eq!(host.codec(payload_type, codec), OK);
    }
    // 20 ms of silence with a copy of the packet before it, in the middle of which one in five is missing.
    let mut redundant = vec![0x80, 2, 0x80, 160, 0];
    redundant.extend([0xFF; 320]);
    for number in 0..100 {
        if number % 5 != 3 {
            assert_eq!(host.insert(f64::from(number) * 20.0, number, 160, 63, &redundant), OK);
        }
        host.render(f64::from(number) * 20.0, 960);
    }
    assert!(host.figure(ReceiveFigure::Recovered) > 15.0, "{}", host.figure(ReceiveFigure::Recovered));
    let concealed = host.figure(ReceiveFigure::ConcealedOfAll);
    // −40 dBov until something else comes: no loss.
    assert_eq!(host.insert(2_000.0, 100, 160, 13, &[40]), OK);
    let heard: Vec<f32> = (0..100).flat_map(|k| host.render(2_000.0 + f64::from(k) * 10.0, 480)).collect();
    let power = heard[24_000..].iter().map(|sample| sample * sample).sum::<f32>() / 24_000.0;
    assert!((0.5e-4..2e-4).contains(&power), "{power}");
    assert!(host.figure(ReceiveFigure::ConcealedOfAll) <= concealed);
}

#[cfg(feature = "opus")]
#[test]
fn opus_is_played_at_the_card_s_rate() {
    let host = Host::new(48_000.0);
    assert_eq!(host.codec(111, Codec::Opus), OK);
    let mut encoder = soft_phone_opus::OpusEncoder::new(soft_phone_opus::Settings::default()).unwrap();
    let heard = host.play(150, 960, 111, |number| {
        let samples: Vec<f32> = (0..960).map(|at| tone(number as usize * 960 + at, 48_000.0)).collect();
        let mut payload = vec![0; 400];
        let length = encoder.encode(&samples, &mut payload).unwrap();
        payload.truncate(length);
        payload
    });
    assert!(purity(&heard[96_000..]) > 0.9, "{}", purity(&heard[96_000..]));
}

#[cfg(not(feature = "opus"))]
#[test]
fn opus_is_not_here() {
    assert_eq!(Host::new(48_000.0).codec(111, Codec::Opus), REFUSED);
}

#[test]
fn null_and_what_there_is_not_do_no_harm() {
    for (rate, delay) in
        [(0.0, 0.0), (11_025.0, 0.0), (48_000.5, 0.0), (f32::NAN, 0.0), (48_000.0, 501.0), (48_000.0, f32::NAN)]
    {
        assert!(receiver_create(rate, delay).is_null(), "{rate} {delay}");
    }
    let none = std::ptr::null_mut();
    // SAFETY: null is allowed everywhere.
    unsafe {
        assert!(receiver_payload(none).is_null() && receiver_output(none).is_null());
        assert!(receiver_statistics(none).is_null());
        assert_eq!((receiver_render(none, 0.0, 128), receiver_codec(none, 0, 0, 0)), (0, NO_RECEIVER));
        assert_eq!(receiver_insert(none, 0.0, 0, 0, 0, 0, 0), NO_RECEIVER);
        receiver_destroy(none);
    }
    let host = Host::new(48_000.0);
    // SAFETY: live until `drop`.
    unsafe {
        assert_eq!(receiver_codec(host.0, 128, 0, 0), REFUSED);
        assert_eq!(receiver_codec(host.0, 0, 99, 0), REFUSED);
        assert_eq!(receiver_codec(host.0, 0, Codec::L16 as u32, 12_345), REFUSED);
        assert_eq!(receiver_insert(host.0, 0.0, 0, 65_536, 0, 0, 1), REFUSED);
        assert_eq!(receiver_insert(host.0, 0.0, 0, 0, 0, 256, 1), REFUSED);
        assert_eq!(receiver_insert(host.0, 0.0, 0, 0, 0, 0, LONGEST_PAYLOAD + 1), REFUSED);
        assert_eq!(receiver_render(host.0, f64::NAN, usize::MAX), receiver_capacity());
    }
    assert_eq!(host.insert(-5.0, 1, 160, 0, &[0; 160]), USELESS);
    assert_eq!(host.render(f64::INFINITY, 128), [0.0; 128]);
    assert_eq!(host.figure(ReceiveFigure::Errors), 1.0);
}
