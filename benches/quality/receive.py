"""Compares jitter buffers: receive.py speech SPEECH OUT [--short] makes what is sent; receive.py score OUT PLOT [--short]
scores what `benches/examples/receive.rs` made of it, draws PLOT and prints tables in Markdown; receive.py calls OUT does so
for calls in a browser, where the other one is the browser's own, without a drawing.

- PLCMOS v2 (Diener et al., 2023; PyPI's `speechmos`), 1 to 5, its raters drawn from one seed
- PESQ (ITU-T P.862.2) of pieces of 4 s, each shifted to where it is most like what was sent
- delay: pieces of 0.32 s of what a receiver without a network gives, found in what was heard by correlation; the place of
  each less where it was sent, for all engines alike. Only pieces that every engine plays recognisably count. The packet
  itself, 20 ms, is not in it.
"""
import functools
import json
import os
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnxruntime
import soundfile
from pesq import PesqError, pesq
from scipy.signal import fftconvolve, resample_poly

RATE = 16_000
# Raters that a score is the mean of: as many draws of the network's input as `speechmos` makes are slow.
RATERS = 3
PIECE, STEP, FARTHEST = int(0.32 * RATE), int(0.16 * RATE), int(0.9 * RATE)
LIKE = 0.75
NAMES = {"ours@1": "ours", "neteq@1": "`neteq`"}


def speech(prompts, out, short):
    """Prompts of both voices, 12 s each."""
    import make

    out.mkdir(parents=True, exist_ok=True)
    voices = sorted(path for path in prompts.iterdir() if path.is_dir())
    for number, (voice, skip) in enumerate([(voices[0], 0), (voices[1], 8)][: 1 if short else 2]):
        samples = make.talk(voice, 6 if short else 12, skip)
        soundfile.write(out / f"speech-{number}.wav", np.clip(samples, -1, 1), RATE, subtype="PCM_16")


def at_rate(samples, rate):
    """Browsers record at 48 kHz."""
    return samples if rate == RATE else resample_poly(samples, RATE, rate)


def places(sent, heard):
    """For each piece: where it is heard, in samples behind where it was sent, and how alike; NaN for silence."""
    found = []
    heard = np.concatenate([heard, np.zeros(FARTHEST)])
    for at in range(RATE, len(sent) - PIECE, STEP):
        piece, area = sent[at : at + PIECE], heard[at : at + PIECE + FARTHEST]
        power = piece @ piece
        if power < PIECE * 1e-5:
            found.append((np.nan, 0.0))
            continue
        ends = np.concatenate([[0], np.cumsum(area**2)])
        level = np.sqrt(np.maximum(ends[PIECE:] - ends[:-PIECE], 1e-9) * power)
        likeness = fftconvolve(area, piece[::-1], "valid") / level
        best = int(np.argmax(likeness))
        found.append((best, likeness[best]))
    return np.array(found)


def pesq_of(sent, heard, band="wb"):
    """The mean over pieces of 4 s; wide-band as it is, narrow-band at 8 kHz."""
    values, length = [], 4 * RATE
    heard = np.concatenate([heard, np.zeros(FARTHEST)])
    for at in range(0, len(sent) - length + 1, length):
        piece, area = sent[at : at + length], heard[at : at + length + FARTHEST]
        late = int(np.argmax(fftconvolve(area, piece[::-1], "valid")))
        try:
            pair = [part if band == "wb" else resample_poly(part, 1, 2) for part in (piece, area[late : late + length])]
            values.append(pesq(RATE if band == "wb" else RATE // 2, *(part.astype(np.float32) for part in pair), band))
        except PesqError:
            pass  # nobody speaks there
    return np.mean(values) if values else np.nan


class Plcmos:
    """`speechmos.plcmos`, on one thread and with fewer raters, the same ones for every file."""

    def __init__(self):
        from speechmos import plcmos

        session = onnxruntime.InferenceSession
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        onnxruntime.InferenceSession = lambda path: session(path, sess_options=options, providers=["CPUExecutionProvider"])
        self.model = plcmos.PLCMOS(embed_rounds=RATERS)
        onnxruntime.InferenceSession = session

    def __call__(self, samples):
        np.random.seed(1)
        return self.model(np.clip(samples, -1, 1).astype(np.float32))["plcmos"]


@functools.cache
def scorer():
    """One for each process."""
    return Plcmos()


def score(folder):
    """Figures of every engine over one case: {engine@setting: {figure: value}}."""
    plcmos = scorer()
    load = lambda name: at_rate(*soundfile.read(folder / f"{name}.wav"))
    told = json.loads((folder / "told.json").read_text())
    sent = load("reference")
    heard = {name: load(name) for name in told}
    where = {name: places(sent, samples) for name, samples in heard.items()}
    usual = np.all([where[name][:, 1] > LIKE for name in NAMES], axis=0)
    figures = {"sent": {"PLCMOS": plcmos(sent)}}
    for name, samples in heard.items():
        every = usual & (where[name][:, 1] > LIKE)
        figures[name] = {
            "delay": 1000 * where[name][every, 0].mean() / RATE if every.any() else np.nan,
            "p95": 1000 * np.percentile(where[name][every, 0], 95) / RATE if every.any() else np.nan,
            "told": told[name]["delay"],
            "concealed": 100 * told[name]["concealed"],
            "PLCMOS": plcmos(samples[: len(sent)]),
        }
        if name in NAMES:
            figures[name]["PESQ"] = pesq_of(sent, samples)
    return figures


def draw(target, curves):
    """Delay against quality, a line for each engine through its settings."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "soft-phone"
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(curves), figsize=(8, 3.6), sharey=True, layout="constrained")
    for axes, (codec, engines) in zip(panels, curves.items()):
        for engine, points in engines.items():
            axes.plot(*zip(*sorted(points)), marker="o", label=engine)
        axes.set(xlabel="mean playout delay, ms", title=codec)
        axes.grid(alpha=0.3)
        axes.legend()
    panels[0].set_ylabel("PLCMOS v2")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None})


def cases_of(out):
    """Scores of all cases: {codec: {network: [figures]}}."""
    folders = sorted(path.parent for path in out.glob("*/*/told.json"))
    with ProcessPoolExecutor() as pool:
        scores = dict(zip(folders, pool.map(score, folders)))
    codecs = defaultdict(lambda: defaultdict(list))
    for folder, figures in scores.items():
        codecs[folder.parent.name][folder.name.rsplit(" ", 1)[0]].append(figures)
    return codecs


def mean(rows, name, key):
    return np.nanmean([row[name][key] for row in rows])


def table(codec, cases, other, delay):
    """A row for each network and one for all; `delay` is the figure in the column of that name."""
    print(f"\n| {codec}, network | delay, ms: ours | {other} | ratio | PLCMOS: sent | ours | {other} | PESQ: ours | {other} | concealed, %: ours | {other} |")
    print("|---|" + "--:|" * 10)
    everything = [row for rows in cases.values() for row in rows]
    for network, rows in [*sorted(cases.items()), ("**mean**", everything)]:
        ours, theirs = ({key: mean(rows, name, key) for key in rows[0][name]} for name in NAMES)
        cells = [f"{ours[delay]:.0f}", f"{theirs[delay]:.0f}", f"{ours[delay] / theirs[delay]:.2f}", f"{mean(rows, 'sent', 'PLCMOS'):.2f}"]
        cells += [f"{engine[key]:.2f}" for key in ["PLCMOS", "PESQ"] for engine in [ours, theirs]]
        cells += [f"{engine['concealed']:.1f}" for engine in [ours, theirs]]
        print(f"| {network} | " + " | ".join(cells) + " |")
    return everything


# Ways of concealing, in the order of their columns, and those of which PESQ tells how robust they are.
ALONE = {
    "l16-sent": "L16 as sent", "l16-silence": "L16, silence", "l16-neteq": "L16, `neteq`", "l16-ours": "L16, ours",
    "opus-sent": "Opus as sent", "opus-own": "Opus, its own", "opus-ours": "Opus, ours", "pcmu-ours": "PCMU, ours", "g722-ours": "G.722, ours",
}
ROBUST = ["l16-ours", "pcmu-ours", "g722-ours", "opus-own", "opus-ours"]
# MOS of each R by ITU-T G.107, Annex B, where it rises with it.
R = np.linspace(7, 100, 931)
MOS = 1 + 0.035 * R + 7e-6 * R * (R - 60) * (100 - R)


def alone(folder):
    """Of one draw of losses by each way of concealing them: PLCMOS; and the impairment of loss, in R of ITU-T G.107, that
    narrow-band PESQ (P.862.1) tells, as ITU-T P.834 takes it."""
    plcmos = scorer()
    load = lambda name: soundfile.read(folder / f"{name}.wav")[0]
    impairment = {}
    for name in ROBUST:
        sent = load(f"{name.split('-')[0]}-sent")
        impairment[name] = R[-1] - np.interp(pesq_of(sent, load(name), "nb"), MOS, R)
    return {name: plcmos(load(name)) for name in ALONE}, impairment


def concealment(out):
    """A table of PLCMOS over loss, and each codec's robustness against it: the share of PCMU's Bpl of G.107 that it has."""
    folders = sorted((out / "alone").iterdir(), key=lambda folder: int(folder.name.split()[0]))
    with ProcessPoolExecutor() as pool:
        scores = list(pool.map(alone, folders))
    rows, robustness = defaultdict(list), defaultdict(list)
    for folder, (figures, impairment) in zip(folders, scores):
        lost = int(folder.name.split()[0])
        rows[lost].append(figures)
        for name, lowered in impairment.items():
            robustness[name].append(lost * (95 - lowered) / lowered)
    print("\n| lost, % | " + " | ".join(ALONE.values()) + " |")
    print("|---|" + "--:|" * len(ALONE))
    for lost, figures in rows.items():
        print(f"| {lost} | " + " | ".join(f"{np.mean([row[name] for row in figures]):.2f}" for name in ALONE) + " |")
    usual = np.median(robustness["pcmu-ours"])
    shares = (f"{ALONE[name]} {np.median(values) / usual:.2f}" for name, values in robustness.items())
    print("\nRobustness against loss (Bpl of G.107) by narrow-band PESQ, that of PCMU being 1: " + ", ".join(shares) + ".")


def report(out, target):
    curves = {}
    codecs = cases_of(out)
    for codec in ["pcmu", "opus"]:
        everything = table(codec, codecs[codec], "`neteq`", "delay")
        curves[codec] = defaultdict(list)
        for name in everything[0]:
            if name != "sent":
                curves[codec][name.split("@")[0]].append((mean(everything, name, "delay"), mean(everything, name, "PLCMOS")))
        print(f"\nWith {codec}, mean delay and PLCMOS of all networks, by setting:", end=" ")
        print("; ".join(f"{engine} " + ", ".join(f"{x:.0f} ms {y:.2f}" for x, y in sorted(points)) for engine, points in curves[codec].items()) + ".")
        gaps = [mean(everything, name, "delay") - mean(everything, name, "told") for name in NAMES]
        print(f"The engines themselves tell {gaps[0]:+.0f} and {gaps[1]:+.0f} ms less (ours, `neteq`).")
    concealment(out)
    draw(target, curves)


def calls(out):
    for codec, cases in cases_of(out).items():
        everything = table(codec, cases, "Chromium's", "told")
        heard = [mean(everything, name, "delay") for name in NAMES]
        print(f"\nFrom mouth to ear, network, Asterisk and recorder included: {heard[0]:.0f} and {heard[1]:.0f} ms (ours, Chromium's).")


if __name__ == "__main__":
    if sys.argv[1] == "speech":
        speech(Path(sys.argv[2]), Path(sys.argv[3]), "--short" in sys.argv)
    elif sys.argv[1] == "calls":
        calls(Path(sys.argv[2]))
    else:
        report(Path(sys.argv[2]), Path(sys.argv[3]))
