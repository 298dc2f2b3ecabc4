"""Scores what the engines made of the cases: score.py CASES OUT ENGINE… prints a table in Markdown.

OUT/ENGINE/KIND/CASE.wav is what came out. The delay of each output is found by correlation and taken away.

- AECMOS (Purin et al., 2022) and DNSMOS P.835 (Reddy et al., 2022), both of PyPI's `speechmos`, 1 to 5
- ERLE, dB: microphone over output while the far end talks alone; the first second and the rest apart
- near end while both talk and alone: PESQ (ITU-T P.862.2), SI-SDR in dB, level against the clean one in dB
- noise: PESQ, STOI (Taal et al., 2011)
"""
import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore")

import numpy as np
import soundfile
from pesq import pesq
from pystoi import stoi
from speechmos import aecmos, dnsmos

RATE = 16_000
MOST_LATE = RATE // 10


def decibel(ratio):
    return 10 * np.log10(max(ratio, 1e-12))


def aligned(output, reference):
    """The output without its delay against the reference: 0 to 100 ms."""
    size = 1 << (2 * len(reference)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(output, size) * np.conj(np.fft.rfft(reference, size)), size)[:MOST_LATE]
    late = int(np.argmax(cross))
    return np.concatenate([output[late:], np.zeros(late)]), late


def si_sdr(reference, output):
    reference, output = reference - reference.mean(), output - output.mean()
    target = reference * (output @ reference) / (reference @ reference)
    return decibel((target @ target) / ((output - target) @ (output - target)))


def float32(samples):
    return np.clip(samples, -1, 1).astype(np.float32)


def score(kind, case, output):
    """All figures of one case, by name."""
    facts = json.loads((case / "case.json").read_text())
    load = lambda name: soundfile.read(case / f"{name}.wav")[0]
    mic, clean = load("mic"), load("clean")
    found = {}
    output = np.resize(output, len(mic))
    reference = clean if np.abs(clean).max() > 0 else None
    if reference is not None:
        output, late = aligned(output, reference)
        found["delay, ms"] = 1000 * late / RATE
    if kind == "noise":
        found |= {name: float(dnsmos.run(float32(output), sr=RATE)[key]) for name, key in [("OVRL", "ovrl_mos"), ("SIG", "sig_mos"), ("BAK", "bak_mos")]}
        found["PESQ"] = pesq(RATE, float32(clean), float32(output), "wb")
        found["STOI"] = stoi(clean, output, RATE)
        return found
    far = load("far")
    parts = {who: slice(int(begin * RATE), int(end * RATE)) for who, begin, end in facts["segments"]}
    if "far" in parts:
        talk = "dt" if "both" in parts else "st"
        mos = aecmos.run(dict(lpb=float32(far), mic=float32(mic), enh=float32(output)), sr=RATE, talk_type=talk)
        found["AECMOS echo"] = float(mos["echo_mos"])
        if talk == "dt":
            found["AECMOS other"] = float(mos["deg_mos"])
        ratio = lambda begin, end: decibel(np.sum(mic[begin:end] ** 2) / max(np.sum(output[begin:end] ** 2), 1e-9))
        start, end = parts["far"].start, parts["far"].stop
        found["ERLE, first s"] = ratio(start, start + RATE)
        found["ERLE, then"] = ratio(start + RATE, end)
    for who, name in [("both", "both"), ("near", "alone")]:
        if who in parts:
            own, sent = clean[parts[who]], output[parts[who]]
            found[f"{name}: PESQ"] = pesq(RATE, float32(own), float32(sent), "wb")
            found[f"{name}: SI-SDR"] = si_sdr(own, sent)
            found[f"{name}: level"] = decibel(((sent @ own) / (own @ own)) ** 2)
    return found


def main():
    cases, out, engines = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    for kind in ["echo", "noise"]:
        rows, names = {}, []
        for engine in engines:
            for case in sorted((cases / kind).iterdir()):
                file = out / engine / kind / f"{case.name}.wav"
                if not file.is_file():
                    continue
                for name, value in score(kind, case, soundfile.read(file)[0]).items():
                    names.append(name)
                    rows.setdefault(engine, {}).setdefault(name, []).append(value)
        names = list(dict.fromkeys(names))
        count = len(list((cases / kind).iterdir()))
        print(f"\n| {kind}, {count} cases | " + " | ".join(names) + " |")
        print("|---|" + "--:|" * len(names))
        for engine, values in rows.items():
            cells = [f"{np.mean(values[name]):.2f}" if name in values else "" for name in names]
            print(f"| {engine} | " + " | ".join(cells) + " |")


main()
