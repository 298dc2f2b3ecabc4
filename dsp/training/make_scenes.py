#!/usr/bin/env python3
"""Echo scenes: a far end through loudspeaker, room and delay into a microphone, through the engine's linear canceller.

  make_scenes.py DATA STEMS_PROGRAM [--train N] [--valid N] [--seed N]

DATA: what collect_audio.py wrote; STEMS_PROGRAM: the built example `stems` of soft-phone-dsp.
Writes DATA/scenes_{train,valid}/NNNNN.npy, float16, 5 × samples at 16 kHz: near end, noise, what the canceller leaves of the
echo, the echo that it took out, the far end as late as its echo.
"""
import argparse
import os
import subprocess
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
from pathlib import Path

import numpy as np
import scipy.signal as signal

import batches

RATE = 16_000
LENGTH = 10 * RATE


def active_power(x):
    power = x.astype(np.float64) ** 2
    loud = power > max(power.max() * 1e-4, 1e-12)
    return power[loud].mean() if loud.any() else 1e-12


def loudspeaker(rng, x):
    """What a small loudspeaker does to a signal, full scale ±1."""
    kind = rng.choice(["none", "soft", "hard", "uneven", "memory", "rattle"], p=[0.35, 0.15, 0.12, 0.2, 0.1, 0.08])
    x = x / (np.abs(x).max() + 1e-9)
    if kind == "soft":
        drive = rng.uniform(0.8, 4)
        x = np.tanh(drive * x) / drive
    elif kind == "hard":
        limit = rng.uniform(0.25, 0.9)
        x = np.clip(x, -limit, limit)
    elif kind == "uneven":
        x = 1.5 * x - 0.3 * x ** 2
        x = 4 * (2 / (1 + np.exp(-np.where(x > 0, 4, 0.5) * x * rng.uniform(0.3, 1))) - 1)
    elif kind == "memory":
        past = signal.lfilter([0, 0.6, 0.3, -0.2], [1], x)
        x = x + rng.uniform(0.1, 0.6) * x * np.abs(past) + rng.uniform(0, 0.4) * past ** 3
    elif kind == "rattle":
        low = signal.sosfilt(signal.butter(2, 300, "low", fs=RATE, output="sos"), x)
        envelope = signal.lfilter([0.01], [1, -0.99], low ** 2)
        buzz = signal.sosfilt(signal.butter(2, [800, 5_000], "band", fs=RATE, output="sos"), rng.standard_normal(len(x)))
        x = x + buzz * envelope * rng.uniform(0.1, 1)
    corner = rng.uniform(80, 500)
    x = signal.sosfilt(signal.butter(int(rng.integers(1, 4)), corner, "high", fs=RATE, output="sos"), x)
    if rng.random() < 0.4:
        x = signal.sosfilt(signal.butter(2, rng.uniform(3_000, 7_500), "low", fs=RATE, output="sos"), x)
    return x


def path(rng, delay):
    """Answer of the room from loudspeaker to microphone, `delay` samples late."""
    answer = batches.room(rng)
    answer = signal.fftconvolve(answer, rng.standard_normal(24) * np.exp(-np.arange(24) / rng.uniform(1, 6)) + np.eye(24)[0])
    return np.concatenate([np.zeros(int(delay)), answer])


def scene(rng, mixer):
    """Near end, noise, echo and far end, samples each."""
    clock = np.arange(LENGTH)
    far = mixer.talk()
    if rng.random() < 0.15:
        far = far + mixer.hiss(mixer.noise if rng.random() < 0.5 else mixer.music) * 10 ** (rng.uniform(-20, 10) / 20)
    far = far * 10 ** (rng.uniform(-16, 8) / 20)
    far = np.clip(far, -0.99, 0.99)
    if rng.random() < 0.15:
        far[int(rng.uniform(0, LENGTH)):][: int(rng.uniform(1, 4) * RATE)] = 0
    played = loudspeaker(rng, far)
    if rng.random() < 0.15:
        # The volume is turned, or the device levels by itself.
        points = int(rng.integers(2, 6))
        played = played * 10 ** (np.interp(clock, np.linspace(0, LENGTH, points), rng.uniform(-8, 2, points)) / 20)
    delay = rng.uniform(0, 300) * RATE / 1000
    one = path(rng, delay)
    echo = signal.fftconvolve(played, one)[:LENGTH]
    change = rng.choice(["none", "path", "move", "jump", "drift"], p=[0.6, 0.12, 0.1, 0.08, 0.1])
    if change in ("path", "jump"):
        at = rng.uniform(2.5, 8) * RATE
        if change == "path":
            other = path(rng, delay)
            other *= np.sqrt(np.sum(one ** 2) / np.sum(other ** 2)) * 10 ** (rng.uniform(-4, 4) / 20)
        else:
            shift = int(rng.choice([-1, 1]) * rng.uniform(8, 100) * RATE / 1000)
            other = np.concatenate([np.zeros(shift), one]) if shift > 0 else one[-shift:] if np.abs(one[:-shift]).max() < 1e-9 else one
        mix = np.clip((clock - at) / (0.02 * RATE), 0, 1)
        echo = echo * (1 - mix) + signal.fftconvolve(played, other)[:LENGTH] * mix
    elif change == "move":
        other = path(rng, delay + rng.uniform(-20, 20) if delay > 30 else delay)
        other *= np.sqrt(np.sum(one ** 2) / np.sum(other ** 2))
        mix = 0.5 - 0.5 * np.cos(2 * np.pi * clock / LENGTH * rng.uniform(0.3, 2))
        mix = mix * rng.uniform(0.1, 0.8)
        echo = echo * (1 - mix) + signal.fftconvolve(played, other)[:LENGTH] * mix
    elif change == "drift":
        echo = np.interp(clock * (1 + rng.uniform(-200, 200) * 1e-6), clock, echo)

    near = mixer.talk()
    plan = rng.choice(["far", "double", "turns", "late", "near", "headset"], p=[0.17, 0.17, 0.18, 0.36, 0.06, 0.06])
    if plan == "far":
        near = np.zeros(LENGTH, np.float32)
    elif plan == "turns":
        edges = np.sort(rng.uniform(1.5, 9.5, 2)) * RATE
        near[: int(edges[0])] *= 0
        if rng.random() < 0.5:
            far[int(edges[1]):] *= 0
            echo[int(edges[1]) + int(delay) + int(0.4 * RATE):] *= 0
    elif plan == "late":
        # The far end speaks alone, then both, then either.
        begin, end = int(rng.uniform(1.5, 4.5) * RATE), int(rng.uniform(5.5, 9) * RATE)
        near[:begin] = 0
        if rng.random() < 0.5:
            near[end:] = 0
        elif rng.random() < 0.5:
            far[end:] *= 0
            echo[end + int(delay) + int(0.4 * RATE):] *= 0
    elif plan == "near":
        far, echo = far * 0, echo * 0
    elif plan == "headset":
        echo = echo * 0
    if rng.random() < 0.7:
        near = signal.fftconvolve(near, batches.room(rng))[:LENGTH]
    near = near * 10 ** (rng.uniform(-14, 6) / 20)
    if echo.any():
        echo *= np.sqrt((active_power(near) if near.any() else 1e-3) / active_power(echo)) * 10 ** (-rng.choice([rng.uniform(-25, 20), rng.uniform(-10, 10)]) / 20)
    noise = np.zeros(LENGTH)
    if rng.random() < 0.5:
        noise = mixer.hiss(mixer.noise).astype(np.float64)
        noise *= np.sqrt(max(active_power(near), active_power(echo) if echo.any() else 0)) / (noise.std() + 1e-9) * 10 ** (-rng.uniform(5, 40) / 20)
    peak = np.abs(near + noise + echo).max()
    if peak > 0.95:
        near, noise, echo = near / peak * 0.95, noise / peak * 0.95, echo / peak * 0.95
    return near, noise, echo, far


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("stems")
    parser.add_argument("--train", type=int, default=400)
    parser.add_argument("--valid", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data = Path(arguments.data)
    stems = subprocess.Popen([arguments.stems], stdin=subprocess.PIPE, text=True)
    for part, count, seed in (("valid", arguments.valid, 1), ("train", arguments.train, 2)):
        mixer = batches.Mixer(data, part, LENGTH // 160, (arguments.seed, seed))
        folder = data / f"scenes_{part}"
        folder.mkdir(exist_ok=True)
        for k in range(count):
            near, noise, echo, far = scene(mixer.rng, mixer)
            path_in, path_out = folder / f"{k:05}.in", folder / f"{k:05}.out"
            path_out.unlink(missing_ok=True)
            np.stack([near + noise + echo, far], 1).astype("<f4").tofile(path_in)
            stems.stdin.write(f"{path_in} {path_out}\n")
            stems.stdin.flush()
            while not path_out.exists() or path_out.stat().st_size < LENGTH * 16:
                if stems.poll() is not None:
                    raise SystemExit("the stems program has ended")
                time.sleep(0.02)
            error, estimate, late, _ = np.fromfile(path_out, "<f4").reshape(-1, 4).T
            rest = error - (near + noise).astype(np.float32)
            np.save(folder / f"{k:05}.part.npy", np.stack([near, noise, rest, estimate, late]).astype(np.float16))
            os.replace(folder / f"{k:05}.part.npy", folder / f"{k:05}.npy")
            path_in.unlink()
            path_out.unlink()
    stems.stdin.close()
    stems.wait()


if __name__ == "__main__":
    main()
