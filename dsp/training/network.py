"""The network and its loss, in JAX: GTCRN (Rong et al., ICASSP 2024) with two more inputs and two more answers."""
import jax
import jax.numpy as jnp
import numpy as np

import checkpoint
import features as f
from layers import depth, recur

STEPS = (1, 2, 5)


def initial(path, seed):
    """The published network; what is new begins as next to nothing."""
    rng, p = np.random.default_rng(seed), checkpoint.convert(path)
    small = lambda *shape: rng.normal(0, 0.01, shape).astype(np.float32)
    p["first"]["w"] = np.concatenate([p["first"]["w"], small(5, 6, 16)], 1)
    p["last"]["w"] = np.concatenate([p["last"]["w"], small(5, 16, 1)], 2)
    p["last"]["b"] = np.concatenate([p["last"]["b"], [3.0]]).astype(np.float32)
    p["voice"] = {"w": np.zeros(33 * 16, np.float32), "b": np.zeros(1, np.float32)}
    return p


# Of which channels two layers make which: both halves are apart.
APART = np.kron(np.eye(2), np.ones((8, 8))).astype(np.float32)


def rectify(x, a):
    return jnp.where(x > 0, x, a * x)


def expand(u):
    """Units × inputs × gates × width to one matrix, zero between the units."""
    n, inputs, _, width = u.shape
    return jnp.einsum("nm,nigh->nigmh", jnp.eye(n), u).reshape(n * inputs, 3 * n * width)


def flat(b):
    return b.transpose(1, 0, 2).reshape(-1)


def threes(x):
    """Each band with the two beside it."""
    padded = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    return jnp.stack([padded[:, :, k:k + x.shape[2]] for k in range(3)], -1).reshape(*x.shape[:3], -1)


def apart(p):
    return {**p, "w": p["w"] * APART}


def halve(p, x):
    padded, count = jnp.pad(x, ((0, 0), (0, 0), (2, 2), (0, 0))), (x.shape[2] + 1) // 2
    x = jnp.concatenate([padded[:, :, k:k + 2 * count - 1:2] for k in range(5)], -1)
    return rectify(x @ p["w"].reshape(-1, p["w"].shape[-1]) + p["b"], p["a"])


def double(p, x):
    w, padded = p["w"], jnp.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    at = padded[:, :, 2:] @ w[0] + padded[:, :, 1:-1] @ w[2] + padded[:, :, :-2] @ w[4]
    behind = padded[:, :, 2:] @ w[1] + padded[:, :, 1:-1] @ w[3]
    x = jnp.stack([at, behind], 3)
    return x.reshape(*x.shape[:2], -1, x.shape[-1])[:, :, :-1] + p["b"]


def block(p, x, step):
    half, kept = x[..., :8], x[..., 8:]
    h = rectify(threes(half) @ p["w1"] + p["b1"], p["a1"])
    h = rectify(depth(h, p["wd"], step) + p["bd"], p["ad"]) @ p["w2"] + p["b2"]
    power = jnp.swapaxes(jnp.mean(h * h, 2), 0, 1)
    over_time = recur(power @ p["gw"] + p["gb"], p["gu"], p["gc"])
    h = h * jnp.swapaxes(jax.nn.sigmoid(over_time @ p["fw"] + p["fb"]), 0, 1)[:, :, None]
    return jnp.stack([h, kept], -1).reshape(x.shape)


def behind(p, x, y):
    y = y @ p["fw"] + p["fb"]
    y = y - y.mean((2, 3), keepdims=True)
    return x + y * jax.lax.rsqrt((y * y).mean((2, 3), keepdims=True) + 1e-8) * p["lg"] + p["lb"]


def pair(p, x):
    signals, frames, bands, channels = x.shape
    q = p["across"]
    rows = x.reshape(-1, bands, channels).transpose(1, 0, 2)
    up = (rows @ expand(q["w"][:2])).reshape(bands, -1, 3, 8)
    down = (rows[::-1] @ expand(q["w"][2:])).reshape(bands, -1, 3, 8)
    given = jnp.concatenate([up, down], -1).reshape(bands, -1, 48) + flat(q["b"])
    h = recur(given, expand(q["u"]), flat(q["c"]))
    up, down = h[..., :8], h[::-1, :, 8:]
    y = jnp.concatenate([up[..., :4], down[..., :4], up[..., 4:], down[..., 4:]], -1)
    x = behind(q, x, y.transpose(1, 0, 2).reshape(x.shape))
    q = p["along"]
    rows = x.transpose(1, 0, 2, 3).reshape(frames, -1, channels)
    h = recur(rows @ expand(q["w"]) + flat(q["b"]), expand(q["u"]), flat(q["c"]))
    return behind(q, x, h.reshape(frames, signals, bands, channels).transpose(1, 0, 2, 3))


def forward(p, seen):
    """What features.seen gives to gains that leave speech, gains that leave all but the echo, and logits of speech."""
    first = halve(p["first"], threes(seen))
    x = second = halve(apart(p["second"]), first)
    inward = []
    for k, step in enumerate(STEPS):
        x = block(p[f"in{k + 2}"], x, step)
        inward.append(x)
    x = pair(p["pair2"], pair(p["pair1"], x))
    voice = x.reshape(*x.shape[:2], -1) @ p["voice"]["w"] + p["voice"]["b"]
    for k, step in enumerate(reversed(STEPS)):
        x = block(p[f"out{k}"], x + inward[2 - k], step)
    x = rectify(double(apart(p["third"]), x + second), p["third"]["a"])
    z = double(p["last"], x + first)
    parts = jnp.tanh(z[..., :2])
    speech = jnp.minimum(jnp.sqrt(parts[..., 0] ** 2 + parts[..., 1] ** 2 + 1e-8), 1)
    return speech, jax.nn.sigmoid(z[..., 2]), voice


# Bands in which errors are looked at, 64 over the engine's bins: each counts by the square root of its width.
LOOKED_AT = f.bands_of_loss()
WEIGHT = np.sqrt(LOOKED_AT.sum(0))
WEIGHT = (WEIGHT / WEIGHT.mean()).astype(np.float32)
LOOKED_AT /= LOOKED_AT.sum(0)
# How much worse it is to take away speech than to leave noise.
OVER = 1.2
# Errors of a band that are this small against what is wanted are good enough.
ENOUGH = 0.02


def loss(p, audio):
    """audio: near end, noise, residual echo, echo estimate, far end; each signals × samples.

    Square roots of the amplitudes that the engine puts together again are compared. Of each band of each signal the logarithm
    of the error against what was wanted counts: otherwise the noisiest signals, of which least can be saved, are most of it.
    """
    near, noise, rest, echo, far = audio
    speech, both, voice = forward(p, f.seen(near + noise + rest, echo, far))
    root = lambda x: jnp.sqrt(jnp.abs(f.spectra(x)) + 1e-6)
    everything, near, both_wanted = root(near + noise + rest), root(near), root(near + noise)
    whole = jnp.mean((everything * everything) @ LOOKED_AT, 1)

    def distance(gain, wanted):
        given = jnp.sqrt(gain @ f.GAINS_OF_BANDS.T + 1e-5) * everything
        error = jnp.mean(((given - wanted) ** 2 * jnp.where(given < wanted, OVER, 1.0)) @ LOOKED_AT, 1)
        size = jnp.mean((wanted * wanted) @ LOOKED_AT, 1) + 0.05 * whole
        size = size + 0.03 * jnp.mean(size, 1, keepdims=True) + 1e-4
        return 0.1 * jnp.mean(jnp.log(error / size + ENOUGH) * WEIGHT)

    loud = jnp.mean(near[..., 6:80] ** 4, -1)
    spoken = (loud > jnp.maximum(1e-4 * jnp.max(loud, 1, keepdims=True), 3e-4)).astype(jnp.float32)
    bce = -jnp.mean(spoken * jax.nn.log_sigmoid(voice) + (1 - spoken) * jax.nn.log_sigmoid(-voice))
    one, two = distance(speech, near), distance(both, both_wanted)
    return one + 0.7 * two + 0.05 * bce, (one, two, bce)
