#!/usr/bin/env python3
"""Trains the network.

  train.py DATA OUT --published CHECKPOINT | --start OUT [--steps N] [--batch N] [--frames N] [--rate X] [--echo SHARE] [--seed N]

DATA: what collect_audio.py (and make_scenes.py) wrote. OUT.npz is written each 200 steps and at the end; export.py makes
the engine's file of it.
"""
import argparse
import os
import time

# One thread each for the training and for the batches: on few cores, more of them wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np


# Batches that are kept to be used again where the next is not ready: few, for what is seen often is learnt by heart.
POOL = 120


def flat(parameters, name=""):
    """Names and arrays of nested layers."""
    for key, value in parameters.items():
        if isinstance(value, dict):
            yield from flat(value, f"{name}{key}.")
        else:
            yield name + key, np.asarray(value)


def save(path, parameters):
    np.savez(str(path) + ".part.npz", **dict(flat(parameters)))
    os.replace(str(path) + ".part.npz", path)


def load(path):
    out = {}
    for name, value in np.load(path).items():
        *layers, last = name.split(".")
        layer = out
        for key in layers:
            layer = layer.setdefault(key, {})
        layer[last] = value
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--final", type=float, default=0.02)
    parser.add_argument("--echo", type=float, default=0.45)
    parser.add_argument("--minutes", type=float, help="end after so long if the steps are not done; then a run cannot be repeated")
    begin_with = parser.add_mutually_exclusive_group(required=True)
    begin_with.add_argument("--published")
    begin_with.add_argument("--start")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    from batches import Batches, Mixer
    train = Batches(arguments.data, "train", arguments.frames, arguments.batch, arguments.seed, arguments.echo)
    import jax
    import jax.numpy as jnp
    import optax
    import network

    parameters = load(arguments.start) if arguments.start else network.initial(arguments.published, arguments.seed)
    parameters = jax.tree.map(jnp.asarray, parameters)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(b2=0.98))

    def rate(step):
        """Rises over 60 steps, then falls as a cosine over the steps or the minutes that there are."""
        done = step / arguments.steps
        if arguments.minutes:
            done = max(done, (time.time() - begin) / 60 / arguments.minutes)
        fall = 0.5 + 0.5 * np.cos(np.pi * min(done, 1))
        return arguments.rate * min(1, (step + 1) / 60) * (arguments.final + (1 - arguments.final) * fall)

    state = optimizer.init(parameters)
    average = parameters

    @jax.jit
    def step(parameters, state, average, rate, batch):
        (value, parts), gradient = jax.value_and_grad(network.loss, has_aux=True)(parameters, batch)
        change, state = optimizer.update(gradient, state, parameters)
        parameters = jax.tree.map(lambda p, c: p - rate * c, parameters, change)
        average = jax.tree.map(lambda a, p: a + 0.01 * (p - a), average, parameters)
        return parameters, state, average, value, jnp.stack(parts)

    check = jax.jit(network.loss)
    valid = [Mixer(arguments.data, "valid", arguments.frames, 7 + k).batch(12, e) for k, e in enumerate((0.0, 0.0, 1.0) if arguments.echo else (0.0, 0.0))]
    begin, sums, made = time.time(), [], 0
    recent, again = [], np.random.default_rng(arguments.seed)
    for k in range(arguments.steps):
        # Each third batch is a new one where one is ready, else any of the last: training never waits for them, and the core
        # is not theirs alone.
        batch = train.next(wait=len(recent) < 8) if k % 3 == 0 or len(recent) < 8 else None
        if batch is not None:
            made += 1
            recent.append(batch)
            del recent[:-POOL]
        else:
            batch = recent[int(again.integers(len(recent)))]
        parameters, state, average, value, parts = step(parameters, state, average, rate(k), batch)
        sums.append([float(value), *np.asarray(parts)])
        if k % 20 == 19:
            print(k + 1, round(time.time() - begin), "s", made, "batches", np.round(np.mean(sums, 0), 5), flush=True)
            sums = []
        over = k + 1 == arguments.steps or arguments.minutes and time.time() - begin > arguments.minutes * 60
        if k % 200 == 199 or over:
            save(arguments.out, average)
            scores = [[round(float(x), 5) for x in check(average, batch)[1]] for batch in valid]
            print("valid", k + 1, scores, flush=True)
        if over:
            break


if __name__ == "__main__":
    main()
