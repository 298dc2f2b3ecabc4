"""The network and its loss, in JAX."""
import jax
import jax.numpy as jnp
import numpy as np

import features as f

INPUTS = f.INPUTS
OUTPUTS = 2 * f.BANDS + 1
# How much faster than others the weights of a band's own features learn; what is kept is divided by it.
LOCAL_SCALE = 5.0


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
    # What a band's own features say begins as the gain of Wiener's filter, of half its slope.
    local = np.zeros((2, f.GROUPS, 3, f.BANDS), np.float32)
    local[0, f.GROUPS - 1, 1] = 2 / LOCAL_SCALE
    return {"in": {"w": dense(width, INPUTS), "b": np.zeros(width, np.float32)}, "gru1": gru(), "gru2": gru(), "out": out,
            "local": {"w": local}}


def cast(x):
    """To 16 bits, of which processors have products that are several times as fast."""
    return x.astype(jnp.bfloat16)


@jax.custom_vjp
def product(x, w):
    """x @ w.T in 16 bits, sums in 32; x: … × columns."""
    return jnp.einsum("...k,jk->...j", cast(x), cast(w), preferred_element_type=jnp.float32)


def product_forward(x, w):
    return product(x, w), (x, w)


def product_backward(saved, g):
    x, w = saved
    g = cast(g)
    columns = x.shape[-1]
    return (jnp.einsum("...j,jk->...k", g, cast(w), preferred_element_type=jnp.float32),
            jnp.einsum("nj,nk->jk", g.reshape(-1, g.shape[-1]), cast(x).reshape(-1, columns), preferred_element_type=jnp.float32))


product.defvjp(product_forward, product_backward)


def run(given, u, c):
    """All states of a gated recurrent unit, and what their derivatives need."""
    width = u.shape[1]
    v = cast(u).T

    def step(h, given):
        recurrent = jnp.dot(cast(h), v, preferred_element_type=jnp.float32) + c
        rz = 0.5 + 0.5 * jnp.tanh(0.5 * (given[:, :2 * width] + recurrent[:, :2 * width]))
        r, z = rz[:, :width], rz[:, width:]
        rn = recurrent[:, 2 * width:]
        n = jnp.tanh(given[:, 2 * width:] + r * rn)
        new = n + z * (h - n)
        return new, (new, rz, rn, n)

    return jax.lax.scan(step, jnp.zeros((given.shape[1], width)), given, unroll=2)[1]


# The derivatives are written out so that those of the weights are one product for all frames.
@jax.custom_vjp
def recur(given, u, c):
    return run(given, u, c)[0]


def recur_forward(given, u, c):
    h, rz, rn, n = run(given, u, c)
    return h, (u, h, rz, rn, n)


def recur_backward(saved, g):
    u, h, rz, rn, n = saved
    width = u.shape[1]
    w = cast(u)
    before = jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])

    def step(dh, x):
        g, before, rz, rn, n = x
        r, z = rz[:, :width], rz[:, width:]
        dh = dh + g
        dn = dh * (1 - z) * (1 - n * n)
        dz = dh * (before - n) * z * (1 - z)
        dr = dn * rn * r * (1 - r)
        drn = dn * r
        recurrent = jnp.concatenate([dr, dz, drn], 1)
        dh = dh * z + jnp.dot(cast(recurrent), w, preferred_element_type=jnp.float32)
        return dh, (recurrent, dn)

    _, (recurrent, dn) = jax.lax.scan(step, jnp.zeros_like(h[0]), (g, before, rz, rn, n), reverse=True, unroll=2)
    du = jnp.einsum("nj,nk->jk", cast(recurrent).reshape(-1, 3 * width), cast(before).reshape(-1, width), preferred_element_type=jnp.float32)
    given = jnp.concatenate([recurrent[..., :2 * width], dn], 2)
    return given, du, recurrent.sum((0, 1))


recur.defvjp(recur_forward, recur_backward)


def gru(p, x):
    """x: frames × batch × width."""
    return recur(product(x, p["w"]) + p["b"], p["u"], p["c"])


def forward(p, seen):
    """Features (batch × frames × INPUTS) to logits of total gain and echo gain for each band, and of voice activity."""
    x = jnp.swapaxes(seen, 0, 1)
    groups = jnp.pad(x.reshape(*x.shape[:2], f.GROUPS, f.BANDS), ((0, 0), (0, 0), (0, 0), (1, 1)), mode="edge")
    w = LOCAL_SCALE * p["local"]["w"]
    local = [sum(w[o, g, t] * groups[:, :, g, t:t + f.BANDS] for g in range(f.GROUPS) for t in range(3)) for o in range(2)]
    local = jnp.pad(jnp.concatenate(local, 2), ((0, 0), (0, 0), (0, 1)))
    x = jnp.tanh(product(x, p["in"]["w"]) + p["in"]["b"])
    one = gru(p["gru1"], x)
    two = gru(p["gru2"], one)
    y = product(jnp.concatenate([one, two], 2), p["out"]["w"]) + p["out"]["b"] + local
    return jnp.swapaxes(y, 0, 1)


# A band counts by the square root of its width.
WEIGHT = np.sqrt(f.INTERPOLATION.sum(0))
WEIGHT = (WEIGHT / WEIGHT.mean()).astype(np.float32)
# How much worse it is to take away speech than to leave noise.
OVER = 1.5
# Errors of a band that are this small against what is wanted are good enough.
ENOUGH = 0.02


def loss(p, seen, targets):
    y = forward(p, seen)
    everything, near, both = (targets[..., k * f.BANDS:(k + 1) * f.BANDS] for k in range(3))
    speech = targets[..., -1]
    whole = jnp.mean(everything * everything, 1)

    def distance(y, wanted):
        given = jnp.exp(f.COMPRESSION * jax.nn.log_sigmoid(y)) * everything
        error = jnp.mean((given - wanted) ** 2 * jnp.where(given < wanted, OVER, 1.0), 1)
        size = jnp.mean(wanted * wanted, 1) + 0.05 * whole
        size = size + 0.03 * jnp.mean(size, 1, keepdims=True) + 1e-4
        # In each band of each sequence halving the error is worth the same: else the noisiest sequences and the loudest
        # bands, of which the least can be saved, would be all that counts.
        return 0.1 * jnp.mean(jnp.log(error / size + ENOUGH) * WEIGHT)

    voice = y[..., -1]
    bce = -jnp.mean(speech * jax.nn.log_sigmoid(voice) + (1 - speech) * jax.nn.log_sigmoid(-voice))
    one = distance(y[..., :f.BANDS], near)
    two = distance(y[..., f.BANDS:2 * f.BANDS], both)
    return one + 0.4 * two + 0.02 * bce, (one, two, bce)
