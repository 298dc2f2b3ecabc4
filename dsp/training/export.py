#!/usr/bin/env python3
"""Writes a checkpoint as the engine's file of 8-bit weights: export.py CHECKPOINT.npz dsp/models/suppressor.bin

Beside it MODEL.check holds the features and answers of a few frames, for the test that holds the engine to them.
The format is told in dsp/src/neural/network.rs.
"""
import struct
import sys
from pathlib import Path

import jax
import numpy as np

import features as f
import network
import train


def matrix(weights, bias):
    scale = np.maximum(np.abs(weights).max(1), 1e-8).astype(np.float32) / np.float32(127)
    integers = np.clip(np.rint(weights / scale[:, None]), -127, 127).astype(np.int8)
    return scale.astype("<f4").tobytes() + bias.astype("<f4").tobytes() + integers.tobytes()


def model(p):
    body = matrix(p["in"]["w"], p["in"]["b"])
    for unit in (p["gru1"], p["gru2"]):
        body += matrix(unit["w"], unit["b"]) + matrix(unit["u"], unit["c"])
    body += matrix(p["out"]["w"], p["out"]["b"])
    body += (network.LOCAL_SCALE * p["local"]["w"]).astype("<f4").tobytes()
    hash_ = 0x811C9DC5
    for byte in body:
        hash_ = ((hash_ ^ byte) * 0x01000193) & 0xFFFFFFFF
    width, inputs = p["in"]["w"].shape
    return struct.pack("<4s4HI", b"SPNN", 2, inputs, width, p["out"]["w"].shape[0], hash_) + body


def sample(frames=200):
    """Powers of error, echo estimate and far end from a formula that dsp/src/neural/tests.rs has too."""
    out, state = np.zeros((3, frames, f.BINS)), 1
    for t in range(frames):
        for k in range(3):
            for b in range(f.BINS):
                state = (state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
                out[k, t, b] = ((state >> 8) / 2 ** 24) ** 4 * 10.0 ** (t % 7 - 3)
    return out


def main():
    parameters = train.load(sys.argv[1])
    target = Path(sys.argv[2])
    target.write_bytes(model(parameters))
    # What the engine must see and answer after these frames, within what 8 bits cost.
    error, echo, far = np.sqrt(sample())[:, None].astype(np.complex64)
    seen = f.features(error, echo, far)
    answer = np.asarray(jax.nn.sigmoid(network.forward(jax.tree.map(jax.numpy.asarray, parameters), seen)))
    target.with_suffix(".check").write_bytes(np.concatenate([seen[0, -1], answer[0, -1]]).astype("<f4").tobytes())
    print(sum(value.size for layer in parameters.values() for value in layer.values()), "parameters")


if __name__ == "__main__":
    main()
