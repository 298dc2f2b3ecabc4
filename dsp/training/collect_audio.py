#!/usr/bin/env python3
"""Gathers clean speech and noise from unpacked packages into arrays of 16 kHz mono PCM.

  collect_audio.py PACKAGES RAW OUT [--seed N] [--synthetic SECONDS]

PACKAGES: folder of unpacked Debian packages (README.md names them); RAW: the archives unpacked from 0ad-data and
warzone2100-data; folders of clips made by synthesize_speech.py are found under OUT/speech.
Writes OUT/{speech,noise,music}_{train,valid}.npz: `audio` (int16), `start` (clip k is start[k]..start[k+1]) and `voice`
(an index of speaker or source). No speaker and no noise source is in both halves.
"""
import argparse
import re
from pathlib import Path

import numpy as np
import scipy.signal as signal
import soundfile
import soxr

RATE = 16_000
SPEECH = [  # package, pattern, how the speaker is named (group 1 of a path)
    ("tuxpaint-stamps-default", "usr/share/tuxpaint/stamps/**/*_desc_*.ogg", r"_desc_([a-z]+)\.ogg"),
    ("fillets-ng-data-nl", "usr/share/games/fillets-ng/sound/*/nl/*.ogg", r"-([a-z])-[^/]*\.ogg"),
    ("fillets-ng-data-cs", "usr/share/games/fillets-ng/sound/*/cs/*.ogg", r"-([a-z])-[^/]*\.ogg"),
    ("unknown-horizons", "usr/share/unknown-horizons/content/audio/voice/*/*/*/*.ogg", r"voice/([a-z]+)/"),
    ("ktuberling-data", "usr/share/ktuberling/sounds/*/*.*", r"sounds/([^/]+)/"),
]
NOISE = [
    ("unknown-horizons", "usr/share/unknown-horizons/content/audio/sounds/**/*.ogg"),
    ("widelands-data", "usr/share/games/widelands/data/sound/**/*.ogg"),
    ("megaglest-data", "usr/share/games/megaglest/**/*.wav"),
    ("supertuxkart-data", "usr/share/games/supertuxkart/data/sfx/**/*.ogg"),
    ("torcs-data", "usr/share/games/torcs/**/*.wav"),
    ("colobot-common-sounds", "usr/share/games/colobot/sounds/*.wav"),
    ("wesnoth-1.16-data", "usr/share/games/wesnoth/1.16/**/sounds/**/*.ogg"),
    ("lomiri-sounds", "usr/share/sounds/**/*.ogg"),
    ("oxygen-sounds", "usr/share/sounds/**/*.ogg"),
    ("sound-theme-freedesktop", "usr/share/sounds/**/*.oga"),
    ("hydrogen-drumkits", "usr/share/hydrogen/data/drumkits/**/*.flac"),
    ("sonic-pi-samples", "usr/share/sonic-pi/samples/*.flac"),
    ("0ad", "audio/ambient/**/*.ogg"), ("0ad", "audio/resource/**/*.ogg"), ("0ad", "audio/actor/**/*.ogg"),
    ("0ad", "audio/attack/**/*.ogg"), ("0ad", "audio/interface/**/*.ogg"),
    ("wz", "audio/**/*.ogg"),
]
MUSIC = [
    ("asterisk-moh-opsound-wav", "usr/share/asterisk/moh/*.wav"),
    ("0ad", "audio/music/*.ogg"),
    ("megaglest-data", "usr/share/games/megaglest/**/music/*.ogg"),
    ("unknown-horizons", "usr/share/unknown-horizons/content/audio/music/*.ogg"),
]
# Voices shouting, singing or dying are not noise.
HUMAN = re.compile(r"voice|death|_die|ack|select|human|speech|command|crowd_cheer|memressp|laugh|scream", re.I)


def read(path, longest=60.0):
    """A file's first minute at 16 kHz, or None when it cannot be read or its rate is below."""
    try:
        info = soundfile.info(str(path))
        if info.samplerate < RATE:
            return None
        audio, rate = soundfile.read(str(path), frames=int(longest * info.samplerate), dtype="float32", always_2d=True)
    except Exception:
        return None
    audio = audio[:, 0]
    return audio if rate == RATE else soxr.resample(audio, rate, RATE)


def frames(audio, length=320):
    count = len(audio) // length
    return np.mean(audio[: count * length].reshape(count, length).astype(np.float64) ** 2, axis=1)


def clean(audio, least_snr):
    """Speech cut of its silent ends at -26 dBFS of active level; None when it is short or noisy."""
    if audio is None or len(audio) < RATE // 2:
        return None
    audio = signal.sosfiltfilt(signal.butter(2, 50, "high", fs=RATE, output="sos"), audio).astype(np.float32)
    power = frames(audio)
    top = np.percentile(power, 95)
    if top < 1e-6 or np.abs(audio).max() > 0.999:
        return None
    floor = max(np.percentile(power, 4), 1e-12)
    if 10 * np.log10(top / floor) < least_snr:
        return None
    active = np.where(power > top * 10 ** -3.2)[0]
    audio = audio[max(0, active[0] * 320 - 1600): active[-1] * 320 + 2400]
    # Digital silence between words is kept; a faint floor is faded, for what is kept in the target is kept by the network.
    power = np.maximum(frames(audio), 1e-14)
    gain = np.clip((power / (floor * 8)) ** 0.5, 0.05, 1.0) if floor > 1e-9 else np.ones(len(power))
    gain = np.array([gain[max(0, k - 4): k + 6].max() for k in range(len(gain))])
    gain = np.interp(np.arange(len(audio)), np.arange(len(gain)) * 320 + 160, gain)
    audio = audio * gain
    level = np.sqrt(np.mean(power[power > top * 10 ** -2.5]))
    return audio * (0.05 / level)


def pack(path, clips, voices):
    clips = [np.clip(clip * 32_768, -32_768, 32_767).astype(np.int16) for clip in clips]
    start = np.cumsum([0] + [len(clip) for clip in clips])
    np.savez(path, audio=np.concatenate(clips), start=start, voice=np.array(voices, np.int32))
    print(path, len(clips), "clips", round(start[-1] / RATE / 60, 1), "minutes", len(set(voices)), "voices", flush=True)


def synthetic_noise(rng, babble):
    """Ten seconds of one of many kinds of noise, at any level."""
    n = 10 * RATE
    time = np.arange(n) / RATE
    white = rng.standard_normal(n)

    def shaped(x):
        """Through a random smooth spectrum."""
        points = np.sort(rng.uniform(0, 8_000, 6))
        tilt = rng.uniform(-14, 2)
        octaves = np.log2(np.maximum(np.fft.rfftfreq(n, 1 / RATE), 30) / 300)
        bumps = np.interp(np.fft.rfftfreq(n, 1 / RATE), points, rng.uniform(-15, 8, 6))
        return np.fft.irfft(np.fft.rfft(x) * 10 ** ((octaves * tilt / 2 + bumps) / 20), n)

    def slow(low, high):
        """A slow random curve between two gains, dB."""
        count = int(rng.integers(3, 40))
        return 10 ** (np.interp(time, np.linspace(0, 10, count), rng.uniform(low, high, count)) / 20)

    def resonances(count, low, high, decay):
        out = np.zeros(int(RATE * decay * 6))
        t = np.arange(len(out)) / RATE
        for _ in range(count):
            out += rng.normal() * np.exp(-t / (decay * rng.uniform(0.2, 1))) * np.sin(2 * np.pi * rng.uniform(low, high) * t + rng.uniform(0, 6))
        return out

    def events(rate, make):
        out = np.zeros(n)
        for at in np.flatnonzero(rng.random(n) < rate / RATE):
            piece = make() * rng.lognormal(0, 0.6)
            end = min(n, at + len(piece))
            out[at:end] += piece[: end - at]
        return out

    kind = rng.choice(["steady", "steady", "wind", "hum", "engine", "rain", "keys", "dishes", "babble", "babble", "beeps", "rustle", "traffic", "modulated"])
    if kind == "steady":
        return kind, shaped(white)
    if kind == "wind":
        low = signal.sosfilt(signal.butter(2, rng.uniform(100, 700), "low", fs=RATE, output="sos"), white)
        return kind, low * slow(-20, 0)
    if kind == "traffic":
        return kind, shaped(white) * slow(-18, 0) + shaped(rng.standard_normal(n)) * slow(-30, -5)
    if kind == "modulated":
        f = rng.uniform(0.5, 25)
        return kind, shaped(white) * (1 + rng.uniform(0.3, 1) * np.sin(2 * np.pi * f * time + rng.uniform(0, 6))) * slow(-6, 0)
    if kind in ("hum", "engine"):
        base = rng.choice([50, 60, 100, 120]) if kind == "hum" else rng.uniform(30, 250)
        wobble = np.cumsum(1 + (0 if kind == "hum" else 1) * (slow(-8, 8) - 1) * 0.15) * base / RATE * 2 * np.pi
        out = sum(rng.lognormal(0, 0.8) / k ** rng.uniform(0.3, 1.4) * np.sin(k * wobble + rng.uniform(0, 6)) for k in range(1, int(rng.integers(4, 40))) if k * base < 7_500)
        return kind, out + shaped(white) * np.std(out) * rng.uniform(0.02, 1.0)
    if kind == "rain":
        return kind, events(rng.uniform(50, 800), lambda: resonances(2, 800, 7_500, 0.002)) + shaped(white) * rng.uniform(0.0, 0.6)
    if kind == "keys":
        return kind, events(rng.uniform(2, 12), lambda: resonances(6, 200, 7_000, rng.uniform(0.003, 0.015))) + shaped(white) * rng.uniform(0, 0.03)
    if kind == "dishes":
        return kind, events(rng.uniform(0.7, 5), lambda: resonances(9, 500, 7_800, rng.uniform(0.02, 0.2))) + shaped(white) * rng.uniform(0, 0.2)
    if kind == "beeps":
        def beep():
            t = np.arange(int(RATE * rng.uniform(0.05, 0.6))) / RATE
            return np.sin(2 * np.pi * rng.uniform(300, 4_000) * t) * np.minimum(1, np.minimum(t, t[-1] - t) * 100)
        return kind, events(rng.uniform(0.5, 3), beep) + shaped(white) * rng.uniform(0, 0.1)
    if kind == "rustle":
        return kind, signal.sosfilt(signal.butter(2, rng.uniform(500, 3_000), "high", fs=RATE, output="sos"), white) * slow(-40, 0) * slow(-10, 0)
    out = np.zeros(n)
    for _ in range(int(rng.integers(4, 20))):
        voice = babble(rng, n)
        out += voice * rng.lognormal(0, 0.5)
    tail = rng.standard_normal(int(RATE * rng.uniform(0.2, 0.8)))
    tail *= np.exp(-np.arange(len(tail)) / len(tail) * 6.9)
    wet = signal.fftconvolve(out, tail)[:n]
    return kind, out / np.std(out) * rng.uniform(0, 1) + wet / np.std(wet)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("packages")
    parser.add_argument("raw")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--synthetic", type=float, default=3600, help="seconds of noise to make")
    parser.add_argument("--only-speech", action="store_true", help="leave the archives of noise and music as they are")
    arguments = parser.parse_args()
    packages, raw, out = Path(arguments.packages), Path(arguments.raw), Path(arguments.out)
    rng = np.random.default_rng(arguments.seed)
    root = lambda name: raw / name if name in ("0ad", "wz") else packages / name

    names, clips, voices = {}, [], []
    found = []
    for package, pattern, speaker in SPEECH:
        for path in sorted(root(package).glob(pattern)):
            match = re.search(speaker, str(path))
            if match:
                found.append((path, f"{package}:{match.group(1)}", 34))
    for path in sorted((out / "speech").glob("*/*/*.wav")):
        found.append((path, f"made:{path.parent.name}", 20))
    for path, speaker, snr in found:
        clip = clean(read(path), snr)
        if clip is not None and len(clip) > RATE * 0.6:
            clips.append(clip)
            voices.append(names.setdefault(speaker, len(names)))
    minutes = {}
    for clip, voice in zip(clips, voices):
        minutes[voice] = minutes.get(voice, 0) + len(clip) / RATE / 60
    print({name: round(minutes.get(index, 0), 1) for name, index in names.items()})
    held = {index for name, index in names.items() if re.search(r"stamps-default:(el|da)|made:(am_puck|bf_lily|im_nicola|zf_xiaoni)|-cs:x", name)}
    for part, inside in (("train", False), ("valid", True)):
        keep = [k for k in range(len(clips)) if (voices[k] in held) == inside]
        pack(out / f"speech_{part}.npz", [clips[k] for k in keep], [voices[k] for k in keep])
    train = [k for k in range(len(clips)) if voices[k] not in held]
    valid = [k for k in range(len(clips)) if voices[k] in held]

    for kind, sources in (("noise", NOISE), ("music", MUSIC)) if not arguments.only_speech else ():
        halves = {"train": ([], []), "valid": ([], [])}
        index = 0
        for package, pattern in sources:
            for path in sorted(root(package).glob(pattern)):
                if kind == "noise" and (HUMAN.search(str(path).split("/", 5)[-1]) or "/music/" in str(path)):
                    continue
                clip = read(path)
                if clip is None or len(clip) < 800 or np.abs(clip).max() < 1e-3:
                    continue
                index += 1
                half = halves["valid" if index % 12 == 0 else "train"]
                half[0].append(clip / np.sqrt(np.mean(clip ** 2)) * 0.03)
                half[1].append(index)
        if kind == "noise":
            for part, seconds, pool in (("train", arguments.synthetic, train), ("valid", arguments.synthetic / 12, valid)):
                def babble(rng, n):
                    voice = np.concatenate([clips[pool[int(rng.integers(len(pool)))]] for _ in range(8)])
                    return np.resize(voice, n)
                for k in range(int(seconds / 10)):
                    _, clip = synthetic_noise(rng, babble)
                    clip = clip / np.sqrt(np.mean(clip ** 2)) * 0.03
                    halves[part][0].append(clip.astype(np.float32))
                    halves[part][1].append(100_000 + k)
        for part, (audio, source) in halves.items():
            pack(out / f"{kind}_{part}.npz", audio, source)


if __name__ == "__main__":
    main()
