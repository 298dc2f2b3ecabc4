"""Reads the published weights of GTCRN, without PyTorch."""
import collections
import pickle
import zipfile

import numpy as np

TYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}


class Reader(pickle.Unpickler):
    """Makes arrays of tensors, and nothing of anything else."""

    def __init__(self, file, archive, root):
        super().__init__(file)
        self.archive, self.root = archive, root

    def find_class(self, module, name):
        if name == "OrderedDict":
            return collections.OrderedDict
        if name == "_rebuild_tensor_v2":
            return lambda storage, offset, size, stride, *_: np.lib.stride_tricks.as_strided(
                storage[offset:], size, [x * storage.itemsize for x in stride]).copy()
        return TYPES.get(name) and name or (lambda *_, **__: None)

    def persistent_load(self, what):
        return np.frombuffer(self.archive.read(f"{self.root}/data/{what[2]}"), TYPES[what[1]])


def load(path):
    """Names and arrays of a checkpoint's model."""
    archive = zipfile.ZipFile(path)
    name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
    with archive.open(name) as file:
        return Reader(file, archive, name[:-len("/data.pkl")]).load()["model"]


def folded(model, layer, norm, groups=None):
    """Weights and bias of a convolution with the normalisation behind it; `groups`: of one that is transposed."""
    weights, bias = model[layer + ".weight"], model[layer + ".bias"]
    scale = model[norm + ".weight"] / np.sqrt(model[norm + ".running_var"] + 1e-5)
    if groups is None:
        weights = weights * scale[:, None, None, None]
    else:
        weights = weights * np.repeat(scale.reshape(groups, 1, -1), len(weights) // groups, 1).reshape(len(weights), -1)[:, :, None, None]
    return weights, (bias - model[norm + ".running_mean"]) * scale + model[norm + ".bias"]


def matrix(weights, transposed, groups):
    """Taps × inputs × outputs of a convolution along the frequency; zero between groups."""
    taps, inputs, outputs = weights.shape[-1], weights.shape[0], weights.shape[1] * groups
    if not transposed:
        inputs, outputs = weights.shape[1] * groups, weights.shape[0]
    out = np.zeros((taps, inputs, outputs), np.float32)
    i, o = inputs // groups, outputs // groups
    for g in range(groups):
        from_, to = slice(g * i, (g + 1) * i), slice(g * o, (g + 1) * o)
        part = weights[from_, :, 0].transpose(2, 0, 1) if transposed else weights[to, :, 0].transpose(2, 1, 0)
        out[:, from_, to] = part
    return out


def convert(path):
    """The published model in the form of network.py."""
    m = load(path)
    p = {}

    def halving(name, layer, transposed, groups):
        weights, bias = folded(m, layer + ".conv", layer + ".bn", groups if transposed else None)
        p[name] = {"w": matrix(weights, transposed, groups), "b": bias}
        if layer + ".act.weight" in m:
            p[name]["a"] = m[layer + ".act.weight"]

    halving("first", "encoder.en_convs.0", False, 1)
    halving("second", "encoder.en_convs.1", False, 2)
    halving("third", "decoder.de_convs.3", True, 2)
    halving("last", "decoder.de_convs.4", True, 1)
    for side, layers in (("encoder.en_convs", (2, 3, 4)), ("decoder.de_convs", (0, 1, 2))):
        back = side.startswith("decoder")
        for k in layers:
            layer = f"{side}.{k}"
            widen, widen_bias = folded(m, layer + ".point_conv1", layer + ".point_bn1", 1 if back else None)
            narrow, narrow_bias = folded(m, layer + ".point_conv2", layer + ".point_bn2", 1 if back else None)
            depth, depth_bias = folded(m, layer + ".depth_conv", layer + ".depth_bn", 16 if back else None)
            widen, narrow, depth = widen[:, :, 0, 0], narrow[:, :, 0, 0], depth[:, 0]
            # A transposed convolution is one the other way round.
            widen, narrow, depth = (widen, narrow, depth[:, ::-1, ::-1]) if back else (widen.T, narrow.T, depth)
            unit = layer + ".tra.att_gru."
            p[("out" if back else "in") + str(k)] = {
                "w1": widen, "b1": widen_bias, "a1": m[layer + ".point_act.weight"],
                "wd": depth.transpose(1, 2, 0), "bd": depth_bias, "ad": m[layer + ".depth_act.weight"],
                "w2": narrow, "b2": narrow_bias,
                "gw": m[unit + "weight_ih_l0"].T, "gu": m[unit + "weight_hh_l0"].T,
                "gb": m[unit + "bias_ih_l0"], "gc": m[unit + "bias_hh_l0"],
                "fw": m[layer + ".tra.att_fc.weight"].T, "fb": m[layer + ".tra.att_fc.bias"]}

    def units(names, width):
        """Of some recurrent units: units × inputs × gates × width, and so on."""
        def three(name, suffix):
            return m[name + suffix].reshape(3, width, -1).transpose(2, 0, 1)
        return {"w": np.stack([three(name + "weight_ih_l0", suffix) for name, suffix in names]),
                "u": np.stack([three(name + "weight_hh_l0", suffix) for name, suffix in names]),
                "b": np.stack([m[name + "bias_ih_l0" + suffix].reshape(3, width) for name, suffix in names]),
                "c": np.stack([m[name + "bias_hh_l0" + suffix].reshape(3, width) for name, suffix in names])}

    for k in (1, 2):
        pair = f"dpgrnn{k}."
        across = [(pair + f"intra_rnn.rnn{g}.", suffix) for suffix in ("", "_reverse") for g in (1, 2)]
        along = [(pair + f"inter_rnn.rnn{g}.", "") for g in (1, 2)]
        q = p[f"pair{k}"] = {"across": units(across, 4), "along": units(along, 8)}
        for ours, theirs in (("across", "intra"), ("along", "inter")):
            q[ours] |= {"fw": m[f"{pair}{theirs}_fc.weight"].T, "fb": m[f"{pair}{theirs}_fc.bias"],
                        "lg": m[f"{pair}{theirs}_ln.weight"], "lb": m[f"{pair}{theirs}_ln.bias"]}
    return {name: {key: np.ascontiguousarray(value, np.float32) if not isinstance(value, dict)
                   else {k: np.ascontiguousarray(v, np.float32) for k, v in value.items()}
                   for key, value in layer.items()} for name, layer in p.items()}
