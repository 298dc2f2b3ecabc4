"""Makes the cases that the voice engines are compared on: make.py SPEECH OUT [--short]

SPEECH holds a folder for each voice with prompts in G.722. OUT gets KIND/CASE/{mic,far,clean}.wav at 16 kHz and a
case.json with the segments, by who talks. Everything that is drawn is drawn from one seed.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import soundfile
from G722 import G722
from scipy.signal import fftconvolve, lfilter

RATE = 16_000
SPEED_OF_SOUND = 343.0


def prompts(folder):
    """Speech of one voice, one prompt after the other, each at the same level."""
    files = sorted(path for path in folder.rglob("*.g722") if path.stat().st_size > 16_000)  # two seconds and more
    for path in files:
        samples = np.asarray(G722(RATE, 64_000).decode(path.read_bytes()), dtype=float) / 32_768
        loud = samples[np.abs(samples) > 0.01]
        if len(loud) > RATE // 4:
            yield samples / np.sqrt(np.mean(loud**2)) * 0.08


def talk(voice, seconds, skip):
    """`seconds` of a voice, from its prompt number `skip`, with short pauses."""
    parts, total = [], 0
    for number, prompt in enumerate(prompts(voice)):
        if number < skip:
            continue
        parts += [prompt, np.zeros(RATE // 5)]
        total += len(prompt) + RATE // 5
        if total >= seconds * RATE:
            break
    return np.concatenate(parts)[: seconds * RATE]


def room(rng, distance, reverberation):
    """Impulse response of a shoebox room by the image method (Allen and Berkley, 1979): metres, seconds."""
    size = rng.uniform([3.0, 3.0, 2.4], [6.0, 5.0, 3.0])
    volume, surface = np.prod(size), 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    reflection = np.sqrt(max(0.0, 1 - min(1.0, 0.161 * volume / (surface * reverberation))))  # Sabine
    microphone = size * rng.uniform(0.35, 0.65, 3)
    direction = rng.normal(size=3)
    source = np.clip(microphone + distance * direction / np.linalg.norm(direction), 0.2, size - 0.2)
    length = int(RATE * min(0.4, reverberation))
    response = np.zeros(length + 1)
    order = int(np.ceil(SPEED_OF_SOUND * length / RATE / size.min() / 2)) + 1
    steps = np.arange(-order, order + 1)
    for mirror in np.ndindex(2, 2, 2):
        mirror = np.array(mirror)
        axes = [(1 - 2 * mirror[k]) * source[k] + 2 * steps * size[k] - microphone[k] for k in range(3)]
        hits = [np.abs(steps - mirror[k]) + np.abs(steps) for k in range(3)]
        away = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2)
        count = hits[0][:, None, None] + hits[1][None, :, None] + hits[2][None, None, :]
        at = np.round(away * RATE / SPEED_OF_SOUND).astype(int)
        heard = at <= length
        np.add.at(response, at[heard], reflection ** count[heard] / np.maximum(away[heard], 0.1))
    return lfilter([1, -1], [1, -0.98], response)  # a loudspeaker plays nothing below its cone


def noise(rng, kind, length, voices):
    """Noise of one kind with an RMS of 1."""
    if kind == "babble":
        crowd = [np.roll(np.resize(talk(voice, 12, 40), length), rng.integers(length)) for voice in voices for _ in range(3)]
        samples = np.sum(crowd, axis=0)
    elif kind == "fan":
        spectrum = np.fft.rfft(rng.normal(size=length))
        frequency = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 50)
        samples = np.fft.irfft(spectrum / frequency**0.8, length)
        samples /= samples.std()
        samples += sum(0.3 * np.sin(2 * np.pi * 118 * k * np.arange(length) / RATE) for k in (1, 2, 3))
    else:  # keys: clicks of two milliseconds, six in a second
        samples = 0.02 * rng.normal(size=length)
        for at in rng.integers(0, length - 400, 6 * length // RATE):
            samples[at : at + 400] += rng.normal(size=400) * np.exp(-np.arange(400) / 32)
    return samples / np.sqrt(np.mean(samples**2))


def echo_case(rng, name, voices, reverberation=0.25, delay=0.04, jump=0.0, clipped=False, ratio=0.0, near=True):
    """Far end alone for six seconds, then both for four. `ratio`: near end above echo, dB."""
    far_voice, near_voice = voices
    far = talk(far_voice, 10, int(rng.integers(20)))
    played = np.clip(far * 3, -0.2, 0.2) / 2 if clipped else far  # an overdriven loudspeaker
    response = room(rng, 0.5, reverberation)
    late = fftconvolve(played, response)[: len(far)]
    at = lambda seconds: np.concatenate([np.zeros(int(seconds * RATE)), late])[: len(far)]
    echo = at(delay)
    segments, events = [["far", 0, 6], ["both", 6, 10]], []
    if jump:
        echo[3 * RATE :] = at(delay + jump)[3 * RATE :]
        events = [3.0]
    echo *= 0.06 / np.sqrt(np.mean(echo**2))
    clean = np.zeros(len(far))
    if near:
        own = fftconvolve(talk(near_voice, 4, int(rng.integers(20))), room(rng, 0.4, reverberation))[: 4 * RATE]
        both = slice(6 * RATE, 10 * RATE)
        own *= np.sqrt(np.mean(echo[both] ** 2) / np.mean(own**2)) * 10 ** (ratio / 20)
        clean[both] = own
    else:
        segments = [["far", 0, 10]]
    mic = echo + clean + 0.0003 * rng.normal(size=len(far))
    return "echo", name, dict(mic=mic, far=far, clean=clean), segments, events


def cases(voices, short):
    """All cases; the short form leaves most of them out."""
    rng = np.random.default_rng(20_260)
    pairs = [(voices[k % len(voices)], voices[(k + 1) % len(voices)]) for k in range(6)]
    yield echo_case(rng, "office", pairs[0])
    yield echo_case(rng, "hall", pairs[1], reverberation=0.5, delay=0.12, ratio=-5)
    if not short:
        yield echo_case(rng, "near and loud", pairs[2], reverberation=0.15, delay=0.02, ratio=10)
        yield echo_case(rng, "late", pairs[3], delay=0.35)
        yield echo_case(rng, "delay jump", pairs[4], jump=0.06)
        yield echo_case(rng, "overdriven loudspeaker", pairs[5], clipped=True)
        yield echo_case(rng, "nobody near", pairs[0], near=False)
    quiet = talk(voices[1], 8, 5)
    yield "echo", "far end silent", dict(mic=quiet, far=np.zeros(len(quiet)), clean=quiet), [["near", 0, 8]], []
    for number, kind in enumerate(["babble", "fan", "keys"]):
        for ratio in [10] if short else [0, 10, 20]:
            clean = talk(voices[number % len(voices)], 8, number)
            level = np.sqrt(np.mean(clean**2)) * 10 ** (-ratio / 20)
            mic = clean + level * noise(rng, kind, len(clean), voices)
            yield "noise", f"{kind} at {ratio} dB", dict(mic=mic, clean=clean), [["near", 0, 8]], []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("speech", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    voices = sorted(path for path in options.speech.iterdir() if path.is_dir())
    if len(voices) < 2:
        raise SystemExit(f"{options.speech}: two voices are needed")
    for kind, name, signals, segments, events in cases(voices, options.short):
        folder = options.out / kind / name
        folder.mkdir(parents=True, exist_ok=True)
        for signal, samples in signals.items():
            soundfile.write(folder / f"{signal}.wav", np.clip(samples, -1, 1), RATE, subtype="PCM_16")
        (folder / "case.json").write_text(json.dumps(dict(segments=segments, events=events)))


if __name__ == "__main__":
    main()
