"""The network and its loss, in JAX."""
import jax
import jax.numpy as jnp
import numpy as np

import features as f

INPUTS = f.INPUTS
OUTPUTS = 2 * f.BANDS + 1


def initial(seed, width):
    rng = np.random.default_rng(seed)

    def dense(rows, columns):
        bound = np.sqrt(1.0 / columns)
        return rng.uniform(-bound, bound, (rows, columns)).astype(np.float32)

    def orthogonal(n):
        return np.linalg.qr(rng.standard_normal((n, n)))[0].astype(np.float32)

    def gru():
        return {"w": dense(3 * width, width), "u": np.concatenate([orthogonal(width) for _ in range(3)]) * 0.8,
                "b": np.concatenate([np.zeros(width), np.ones(width), np.zeros(width)]).astype(np.float32),
                "c": np.zeros(3 * width, np.float32)}

    out = {"w": dense(OUTPUTS, 2 * width), "b": np.concatenate([np.full(f.BANDS, 1.0), np.full(f.BANDS, 2.0), [0]]).astype(np.float32)}
    return {"in": {"w": dense(width, INPUTS), "b": np.zeros(width, np.float32)}, "gru1": gru(), "gru2": gru(), "out": out}


def gru(p, x):
    """x: frames × batch × width."""
    width = p["u"].shape[1]
    given = x @ p["w"].T + p["b"]
    u = p["u"].T

    def step(h, given):
        recurrent = h @ u + p["c"]
        r = jax.nn.sigmoid(given[:, :width] + recurrent[:, :width])
        z = jax.nn.sigmoid(given[:, width:2 * width] + recurrent[:, width:2 * width])
        n = jnp.tanh(given[:, 2 * width:] + r * recurrent[:, 2 * width:])
        h = n + z * (h - n)
        return h, h

    return jax.lax.scan(step, jnp.zeros((x.shape[1], width)), given, unroll=4)[1]


def forward(p, seen):
    """Features (batch × frames × INPUTS) to logits of total gain and echo gain for each band, and of voice activity."""
    x = jnp.swapaxes(seen, 0, 1)
    x = jnp.tanh(x @ p["in"]["w"].T + p["in"]["b"])
    one = gru(p["gru1"], x)
    two = gru(p["gru2"], one)
    y = jnp.concatenate([one, two], 2) @ p["out"]["w"].T + p["out"]["b"]
    return jnp.swapaxes(y, 0, 1)


# A band counts by the square root of its width.
WEIGHT = np.sqrt(f.INTERPOLATION.sum(0))
WEIGHT = (WEIGHT / WEIGHT.mean()).astype(np.float32)
# How much worse it is to take away speech than to leave noise.
OVER = 2.0


def loss(p, seen, targets):
    y = forward(p, seen)
    everything, near, both, near_phase, both_phase = (targets[..., k * f.BANDS:(k + 1) * f.BANDS] for k in range(5))
    speech = targets[..., -1]

    def distance(y, wanted, phase):
        given = jnp.exp(f.COMPRESSION * jax.nn.log_sigmoid(y)) * everything
        magnitude = (given - wanted) ** 2 * jnp.where(given < wanted, OVER, 1.0)
        # The phase cannot be turned by a real gain: what it costs pulls the gain down where speech is drowned.
        complex_ = given * given + wanted * wanted - 2 * given * wanted * phase
        return jnp.mean((0.85 * magnitude + 0.15 * complex_) * WEIGHT)

    voice = y[..., -1]
    bce = -jnp.mean(speech * jax.nn.log_sigmoid(voice) + (1 - speech) * jax.nn.log_sigmoid(-voice))
    one = distance(y[..., :f.BANDS], near, near_phase)
    two = distance(y[..., f.BANDS:2 * f.BANDS], both, both_phase)
    return one + 0.4 * two + 0.02 * bce, (one, two, bce)
