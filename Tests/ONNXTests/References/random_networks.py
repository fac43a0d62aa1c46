"""Writes random.pack: random networks as exporters write them, an input of one to three samples, and the output.

usage: python random_networks.py     (needs onnx, onnxruntime, numpy; made with onnx 1.23.2, onnxruntime 1.32.0, seed 7)

The oracle is onnx.reference, which computes in NumPy; onnxruntime must agree before a case is stored. Networks mix
kernels that are not square, strides, dilation, unequal padding and auto_pad, groups and depthwise convolutions, odd and
non-square pictures, residual sums with zero channels, joined branches, polynomials of degree two, and operator sets 7 to
21. Every linear layer is followed by an activation, so that all of them can be planned.
"""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

import pack

onnxruntime.set_default_logger_severity(3)
FOLDER = os.path.dirname(os.path.abspath(__file__))


class BatchNormalization(OpRun):
    """In place of the package's, which computes another function before operator set 15."""

    def _run(self, x, scale, offset, mean, variance, epsilon=1e-5, **_):
        dims = (1, -1) + (1,) * (x.ndim - 2)
        scale, offset, mean, variance = (v.reshape(dims) for v in (scale, offset, mean, variance))
        return ((x - mean) / np.sqrt(variance + epsilon) * scale + offset,)


class Network:
    def __init__(self, seed):
        self.r = np.random.default_rng(seed)
        self.opset = int(self.r.choice([7, 9, 11, 13, 17, 18, 21]))
        self.nodes, self.initializers, self.count = [], [], 0
        self.batch = int(self.r.integers(1, 4))
        self.shape = [int(self.r.integers(1, 5)), int(self.r.integers(5, 14)), int(self.r.integers(5, 14))]

    def name(self, stem):
        self.count += 1
        return f"{stem}{self.count}"

    def weight(self, *dims, scale=None):
        fan = np.prod(dims[1:]) if len(dims) > 1 else 4
        values = (self.r.standard_normal(dims) * (scale or 1.4 / np.sqrt(fan))).astype(np.float32)
        return self.constant(values)

    def constant(self, values):
        name = self.name("w")
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(self, kind, *inputs, **attributes):
        out = self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out + "_node", **attributes))
        return out

    def conv(self, x):
        c, h, w = self.shape
        groups = int(self.r.choice([g for g in (1, 1, 1, 2, c) if c % g == 0]))
        out = groups * int(self.r.integers(1, max(2, 9 // groups)))
        k = [int(self.r.integers(1, 4)), int(self.r.integers(1, 4))]
        d = [int(self.r.integers(1, 3)) if n > 1 else 1 for n in k]
        s = [int(self.r.integers(1, 3)), int(self.r.integers(1, 3))]
        reach = [(n - 1) * m + 1 for n, m in zip(k, d)]
        inputs = [x, self.weight(out, c // groups, *k)]
        if self.r.random() < 0.6:
            inputs.append(self.weight(out, scale=0.2))
        attributes = dict(kernel_shape=k, strides=s, dilations=d, group=groups)
        mode = self.r.choice(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
        if mode == "NOTSET":
            p = [int(self.r.integers(0, n)) for n in reach + reach]
            while h + p[0] + p[2] < reach[0] or w + p[1] + p[3] < reach[1]:
                p = [n + 1 for n in p]
            attributes["pads"] = p
            self.shape = [out, (h + p[0] + p[2] - reach[0]) // s[0] + 1, (w + p[1] + p[3] - reach[1]) // s[1] + 1]
        elif mode == "VALID":
            if h < reach[0] or w < reach[1]:
                return self.conv(x)
            attributes["auto_pad"] = "VALID"
            self.shape = [out, (h - reach[0]) // s[0] + 1, (w - reach[1]) // s[1] + 1]
        else:
            if d != [1, 1]:  # readers differ about dilation with SAME
                return self.conv(x)
            attributes["auto_pad"] = str(mode)
            self.shape = [out, -(-h // s[0]), -(-w // s[1])]
        return self.op("Conv", *inputs, **attributes)

    def norm(self, x):
        c = self.shape[0]
        return self.op(
            "BatchNormalization", x, self.constant(self.r.uniform(0.5, 1.5, c).astype(np.float32)),
            self.weight(c, scale=0.2), self.weight(c, scale=0.2),
            self.constant(self.r.uniform(0.5, 1.5, c).astype(np.float32)), epsilon=1e-3)

    def per_channel(self, low, high, rank=3):
        dims = [self.shape[0]] + [1] * (rank - 1)
        return self.constant(self.r.uniform(low, high, dims).astype(np.float32))

    def activate(self, x, rank=3):
        kinds = ["relu", "leaky", "clip", "abs", "square", "pow", "horner"]
        kind = self.r.choice(kinds + ["max"] if self.opset > 7 else kinds)
        if kind == "relu":
            return self.op("Relu", x)
        if kind == "leaky":
            return self.op("LeakyRelu", x, alpha=float(2.0 ** -self.r.integers(2, 7)))
        if kind == "clip":
            if self.opset < 11:
                return self.op("Clip", x, min=0.0, max=3.0)
            return self.op("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(3)))
        if kind == "abs":
            return self.op("Abs", x)
        if kind == "square":
            return self.op("Mul", x, x)
        if kind == "pow":
            square = self.op("Pow", x, self.constant(np.float32(2)))
            return self.op("Add", self.op("Mul", square, self.constant(np.float32(0.25))), x)
        if kind == "horner":
            line = self.op("Add", self.op("Mul", x, self.per_channel(0.2, 0.6, rank)), self.per_channel(0.3, 1, rank))
            return self.op("Add", self.op("Mul", line, x), self.per_channel(-0.5, 0.5, rank))
        return self.op("Max", x, self.constant(np.float32(-0.25)))

    def block(self, x):
        x = self.conv(x)
        if self.r.random() < 0.5:
            x = self.norm(x)
        x = self.activate(x)
        kind = self.r.choice(["none", "none", "average", "max", "residual", "join"])
        c, h, w = self.shape
        if kind == "average" and min(h, w) >= 2:
            self.shape = [c, (h - 2) // 2 + 1, (w - 2) // 2 + 1]
            return self.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        if kind == "max" and min(h, w) >= 2:
            self.shape = [c, (h + 2 - 3) // 2 + 1, (w + 2 - 3) // 2 + 1]
            return self.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        if kind == "residual":
            more = int(self.r.integers(0, 3))
            short = x
            if more:
                pads = [0, 0, 0, 0, 0, more, 0, 0]
                short = (self.op("Pad", x, pads=pads) if self.opset < 11 else
                         self.op("Pad", x, self.constant(np.array(pads, np.int64))))
            branch = self.op("Conv", x, self.weight(c + more, c, 3, 3), pads=[1, 1, 1, 1], kernel_shape=[3, 3])
            self.shape = [c + more, h, w]
            return self.op("Relu", self.op("Add", branch, short))
        if kind == "join":
            parts = []
            for size in (1, 3):
                out = int(self.r.integers(1, 5))
                y = self.op("Conv", x, self.weight(out, c, size, size), kernel_shape=[size, size],
                            pads=[size // 2] * 4)
                parts.append((self.op("Relu", y), out))
            self.shape = [sum(n for _, n in parts), h, w]
            return self.op("Concat", *[y for y, _ in parts], axis=1)
        return x

    def build(self):
        dims = [self.batch] + self.shape
        x = "input"
        for _ in range(int(self.r.integers(1, 4))):
            x = self.block(x)
        c, h, w = self.shape
        if self.r.random() < 0.5:
            x, size = self.op("GlobalAveragePool", x), c
        else:
            size = c * h * w
        if self.r.random() < 0.5:
            x = self.op("Flatten", x)
        else:
            x = self.op("Reshape", x, self.constant(np.array([0, -1], np.int64)))
        out = int(self.r.integers(2, 11))
        if self.r.random() < 0.5:
            x = self.op("Gemm", x, self.weight(out, size), self.weight(out, scale=0.2), transB=1)
        else:
            x = self.op("Add", self.op("MatMul", x, self.weight(size, out, scale=1 / np.sqrt(size))),
                        self.weight(out, scale=0.2))
        if self.r.random() < 0.4:
            x = self.op("Softmax", x, axis=1)
        graph = helper.make_graph(
            self.nodes, "random", [helper.make_tensor_value_info("input", TensorProto.FLOAT, dims)],
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [self.batch, out])], self.initializers)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8 if self.opset < 21 else 10)
        onnx.checker.check_model(model)
        return model, self.r.uniform(-1, 1, dims).astype(np.float32)


records = {}
for seed in range(7, 7 + 80):
    model, data = Network(seed).build()
    wanted = ReferenceEvaluator(model, new_ops=[BatchNormalization]).run(None, {"input": data})[0].astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": data})[0], wanted, rtol=1e-3, atol=1e-4)
    case = f"random/{seed:03}"
    records[case + "/model.onnx"] = model.SerializeToString()
    records[case + "/input_0.pb"] = numpy_helper.from_array(data).SerializeToString()
    records[case + "/output_0.pb"] = numpy_helper.from_array(wanted).SerializeToString()
pack.write(FOLDER + "/random.pack", records)
