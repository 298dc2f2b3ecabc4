"""Draws what the engines made of the cases: plot.py CASES OUT FOLDER ENGINE…

convergence.svg: what is left of the echo, dB below the microphone, over the time that the far end talks alone.
spectrogram.png: a noisy voice before and after each engine, and the clean one. The engines' delays stay as they are.
"""
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
# The same file for the same figures.
matplotlib.rcParams["svg.hashsalt"] = "soft-phone"

import matplotlib.pyplot as plt
import numpy as np
import soundfile
from PIL import Image

ECHO, NOISE = "office", "babble at 10 dB"
STEP = 0.1  # s
LOWEST = -80  # dBFS in a spectrogram


def read(file):
    samples, rate = soundfile.read(file)
    return samples, rate


def powers(samples, rate):
    """Mean power of each half second, at steps of STEP."""
    window, step = rate // 2, int(rate * STEP)
    sums = np.concatenate([[0], np.cumsum(samples**2)])
    ends = np.arange(window, len(samples), step)
    return ends / rate, (sums[ends] - sums[ends - window]) / window


def convergence(cases, out, target, engines):
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    mic, rate = read(cases / "echo" / ECHO / "mic.wav")
    mic = mic[: 6 * rate]
    for engine in engines:
        file = out / engine / "echo" / f"{ECHO}.wav"
        if file.is_file():
            times, before = powers(mic, rate)
            _, after = powers(read(file)[0][: len(mic)], rate)
            axes.plot(times, 10 * np.log10((after + 1e-10) / (before + 1e-10)), label=engine)
    axes.set(xlabel="s", ylabel="echo left, dB", xlim=(0.5, 6), title=f"Echo alone, “{ECHO}”")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(target / "convergence.svg", metadata={"Date": None})


def spectrogram(cases, out, target, engines):
    shown = [("noisy", cases / "noise" / NOISE / "mic.wav")]
    shown += [(engine, out / engine / "noise" / f"{NOISE}.wav") for engine in engines if engine != "unprocessed"]
    shown = [(name, file) for name, file in [*shown, ("clean", cases / "noise" / NOISE / "clean.wav")] if file.is_file()]
    figure, rows = plt.subplots(len(shown), figsize=(8, 1.6 * len(shown)), sharex=True, layout="constrained")
    for axes, (name, file) in zip(rows, shown):
        samples, rate = read(file)
        # Exact silence has no logarithm.
        samples = samples[: 6 * rate] + np.random.default_rng(0).normal(scale=1e-6, size=len(samples[: 6 * rate]))
        axes.specgram(samples, NFFT=512, noverlap=352, Fs=rate, vmin=LOWEST - 40, vmax=LOWEST + 20)
        axes.set(ylabel="Hz", title=name)
    rows[-1].set_xlabel("s")
    figure.savefig(target / "spectrogram.png", dpi=80)
    # Few colours do, in a quarter of the bytes.
    with Image.open(target / "spectrogram.png") as image:
        image.convert("RGB").quantize(32, dither=Image.Dither.NONE).save(target / "spectrogram.png", optimize=True)


def main():
    cases, out, target, engines = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]
    target.mkdir(parents=True, exist_ok=True)
    convergence(cases, out, target, engines)
    spectrogram(cases, out, target, engines)


main()
