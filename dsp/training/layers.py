"""Layers whose derivatives are written out: automatic ones take twice as long."""
from functools import partial

import jax
import jax.numpy as jnp


def run(given, u, c):
    """All states of a gated recurrent unit, and what their derivatives need; given: frames × signals × 3 gates."""
    width = u.shape[0]

    def step(h, given):
        recurrent = h @ u + c
        rz = 0.5 + 0.5 * jnp.tanh(0.5 * (given[:, :2 * width] + recurrent[:, :2 * width]))
        rn = recurrent[:, 2 * width:]
        n = jnp.tanh(given[:, 2 * width:] + rz[:, :width] * rn)
        new = n + rz[:, width:] * (h - n)
        return new, (new, rz, rn, n)

    return jax.lax.scan(step, jnp.zeros((given.shape[1], width)), given)[1]


@jax.custom_vjp
def recur(given, u, c):
    return run(given, u, c)[0]


def recur_forward(given, u, c):
    h, rz, rn, n = run(given, u, c)
    return h, (u, h, rz, rn, n)


def recur_backward(saved, g):
    u, h, rz, rn, n = saved
    width = u.shape[0]
    before = jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])

    def step(dh, x):
        g, before, rz, rn, n = x
        r, z = rz[:, :width], rz[:, width:]
        dh = dh + g
        dn = dh * (1 - z) * (1 - n * n)
        dz = dh * (before - n) * z * (1 - z)
        dr = dn * rn * r * (1 - r)
        recurrent = jnp.concatenate([dr, dz, dn * r], 1)
        return dh * z + recurrent @ u.T, (recurrent, dn)

    _, (recurrent, dn) = jax.lax.scan(step, jnp.zeros_like(h[0]), (g, before, rz, rn, n), reverse=True)
    du = before.reshape(-1, width).T @ recurrent.reshape(-1, 3 * width)
    return jnp.concatenate([recurrent[..., :2 * width], dn], 2), du, recurrent.sum((0, 1))


recur.defvjp(recur_forward, recur_backward)


def shifted(x, step):
    """What the nine taps of a convolution over three frames, `step` apart, and three bands see; the oldest first."""
    frames, bands = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (2 * step, 0), (1, 1), (0, 0)))
    return [(k, j, x[:, k * step:k * step + frames, j:j + bands]) for k in range(3) for j in range(3)]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def depth(x, w, step):
    """Each channel by its own nine weights."""
    return sum(part * w[k, j] for k, j, part in shifted(x, step))


def depth_forward(x, w, step):
    return depth(x, w, step), (x, w)


def depth_backward(step, saved, g):
    x, w = saved
    frames, bands, channels = x.shape[1:]
    padded = jnp.pad(g, ((0, 0), (0, 2 * step), (1, 1), (0, 0)))
    dx = sum(padded[:, (2 - k) * step:(2 - k) * step + frames, 2 - j:2 - j + bands] * w[k, j] for k in range(3) for j in range(3))
    g = g.reshape(-1, channels)
    dw = jnp.stack([jnp.einsum("nc,nc->c", part.reshape(-1, channels), g) for _, _, part in shifted(x, step)])
    return dx, dw.reshape(3, 3, channels)


depth.defvjp(depth_forward, depth_backward)
