"""Compares jitter buffers: receive.py speech SPEECH OUT [--short] makes what is sent; receive.py score OUT PLOT [--short]
scores what `benches/examples/receive.rs` made of it, draws PLOT and prints tables in Markdown; receive.py calls OUT does so
for calls in a browser, where the other one is the browser's own, without a drawing.

- PLCMOS v2 (Diener et al., 2023; PyPI's `speechmos`), 1 to 5, its raters drawn from one seed
- PESQ (ITU-T P.862.2) of pieces of 4 s, each shifted to where it is most like what was sent
- delay: pieces of 0.32 s of what a receiver without a network gives, found in what was heard by correlation; the place of
  each less where it was sent, for all engines alike. Only pieces that every engine plays recognisably count. The packet
  itself, 20 ms, is not in it.
"""
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


def pesq_of(sent, heard):
    """The mean over pieces of 4 s."""
    values, length = [], 4 * RATE
    heard = np.concatenate([heard, np.zeros(FARTHEST)])
    for at in range(0, len(sent) - length + 1, length):
        piece, area = sent[at : at + length], heard[at : at + length + FARTHEST]
        late = int(np.argmax(fftconvolve(area, piece[::-1], "valid")))
        try:
            values.append(pesq(RATE, piece.astype(np.float32), area[late : late + length].astype(np.float32), "wb"))
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


def score(folder):
    """Figures of every engine over one case: {engine@setting: {figure: value}}."""
    plcmos = score.plcmos = getattr(score, "plcmos", None) or Plcmos()
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
