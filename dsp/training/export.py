#!/usr/bin/env python3
"""Writes a checkpoint as the engine's file of weights: export.py CHECKPOINT.npz dsp/models/suppressor.bin

Beside it MODEL.check holds what the network sees and answers in a frame, for the test that holds the engine to it.
The format is told in dsp/src/neural/weights.rs.
"""
import struct
import sys
from pathlib import Path

import jax
import numpy as np

import features as f
import network
import train


def weights(p):
    """All weights, in the order and the shapes that the engine takes."""
    def grouped(layer, taps):
        return [layer["w"][taps][:, 8 * g:8 * g + 8, 8 * g:8 * g + 8] for g in range(2)] + [layer["b"], layer["a"]]

    # Bands between two others have the second and the fourth tap of a layer that doubles them.
    doubled = [4, 2, 0, 3, 1]
    out = [p["first"][name] for name in "wba"] + grouped(p["second"], [0, 1, 2, 3, 4])
    for name in ("in2", "in3", "in4", "out0", "out1", "out2"):
        layer = p[name]
        out += [layer["w1"].reshape(8, 3, 16).transpose(1, 0, 2)]
        out += [layer[key] for key in ("b1", "a1", "wd", "bd", "ad", "w2", "b2", "gw", "gu", "gb", "gc", "fw", "fb")]
    for name in ("pair1", "pair2"):
        across, along = p[name]["across"], p[name]["along"]
        # The units of a group, upwards and downwards, lie side by side.
        order = [0, 2, 1, 3]
        w, b = across["w"][order].reshape(2, 2, 8, 3, 4), across["b"][order].reshape(2, 2, 3, 4)
        out += [w.transpose(0, 2, 3, 1, 4), b.transpose(0, 2, 1, 3)] + [across[key] for key in ("fw", "fb", "lg", "lb")]
        out += [across["u"][order].transpose(2, 1, 0, 3), across["c"][order].transpose(1, 0, 2)]
        out += [along["w"], along["b"]] + [along[key] for key in ("fw", "fb", "lg", "lb")] + [along["u"], along["c"]]
    # The engine's vectors have room for a fourth answer.
    room = lambda x: np.concatenate([x, np.zeros((*x.shape[:-1], 1), np.float32)], -1)
    out += grouped(p["third"], doubled) + [room(p["last"]["w"])[doubled], room(p["last"]["b"]), p["voice"]["w"], p["voice"]["b"]]
    return np.concatenate([np.ravel(x) for x in out]).astype("<f4")


def model(p):
    body = weights(p).tobytes()
    hash_ = 0x811C9DC5
    for byte in body:
        hash_ = ((hash_ ^ byte) * 0x01000193) & 0xFFFFFFFF
    return struct.pack("<4s2HI", b"SPNN", 3, 0, hash_) + body


def sample(state, frames=60):
    """Noise that swells and falls, from a formula that dsp/src/neural/tests.rs has too."""
    out = np.empty(frames * f.FRAME, np.float32)
    for k in range(len(out)):
        state = (state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        out[k] = 0.05 * (1 + k // f.FRAME % 7) / 7 * ((state >> 8) / 2 ** 23 - 1)
    return out[None]


def main():
    parameters = train.load(sys.argv[1])
    target = Path(sys.argv[2])
    target.write_bytes(model(parameters))
    seen = f.seen(sample(1), sample(2), sample(3))
    speech, both, voice = network.forward(jax.tree.map(jax.numpy.asarray, parameters), seen)
    answers = [seen[0, -1].ravel(), speech[0, -1], both[0, -1], jax.nn.sigmoid(voice[0, -1:])]
    target.with_suffix(".check").write_bytes(np.concatenate(answers).astype("<f4").tobytes())
    print(weights(parameters).size, "weights")


if __name__ == "__main__":
    main()
