"""Writes elements.pack: networks with constants that differ inside channels, an input of one to three samples, and the output.

usage: python random_elements.py     (needs onnx, onnxruntime, numpy; made with onnx 1.23.2, onnxruntime 1.32.0, seed 5)

Mean pictures taken off the input, biases per pixel of every layer, factors per pixel in front of convolutions, matrices and
squares, normalisations of vectors, elements under other shapes. The oracle is onnx.reference, which computes in NumPy;
onnxruntime must agree before a case is stored.
"""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import pack

onnxruntime.set_default_logger_severity(3)
FOLDER = os.path.dirname(os.path.abspath(__file__))


class Network:
    def __init__(self, seed):
        self.r = np.random.default_rng(seed)
        self.nodes, self.initializers = [], []
        self.batch = int(self.r.integers(1, 4))
        self.shape = [int(self.r.integers(1, 4)), int(self.r.integers(4, 9)), int(self.r.integers(4, 9))]

    def constant(self, values):
        name = f"w{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, *dims):
        scale = 1.4 / np.sqrt(np.prod(dims[1:]) if len(dims) > 1 else 9)
        return self.constant((self.r.standard_normal(dims) * scale).astype(np.float32))

    def op(self, kind, *inputs, **attributes):
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name="n" + out, **attributes))
        return out

    def part(self, low, high):
        """One constant an element, a pixel, a column, or an element with a batch axis."""
        c, h, w = self.shape
        dims = [[c, h, w], [h, w], [w], [1, c, h, w], [c, h, 1]][int(self.r.integers(5))]
        return self.constant(self.r.uniform(low, high, dims).astype(np.float32))

    def conv(self, x):
        c, h, w = self.shape
        out = int(self.r.integers(2, 6))
        pad = int(self.r.integers(0, 2))
        self.shape = [out, h - 2 + 2 * pad, w - 2 + 2 * pad]
        return self.op("Conv", x, self.weight(out, c, 3, 3), self.weight(out), kernel_shape=[3, 3], pads=[pad] * 4)

    def activate(self, x):
        kind = int(self.r.integers(3))
        if kind == 0:
            return self.op("Relu", x)
        if kind == 1:
            return self.op("Mul", x, x)
        line = self.op("Add", x, self.part(-0.3, 0.3))  # a square whose slope and constant differ from pixel to pixel
        return self.op("Mul", line, line)

    def build(self):
        dims = [self.batch] + self.shape
        x = "input"
        if self.r.random() < 0.5:
            x = self.op("Sub", x, self.part(-0.3, 0.3))
        x = self.conv(x)
        if self.r.random() < 0.6:
            x = self.op("Add", x, self.part(-0.5, 0.5))
        x = self.activate(x)
        kind = int(self.r.integers(4))
        if kind == 0:
            x = self.op("Add", x, self.part(-0.5, 0.5))
        elif kind == 1:
            x = self.op("Div", x, self.part(0.7, 1.5))
        elif kind == 2:
            c, h, w = self.shape
            self.shape = [w, c, h]
            x = self.op("Reshape", x, self.constant(np.array([0, w, c, h], np.int64)))
        if kind != 3 and min(self.shape[1:]) >= 3 and self.r.random() < 0.6:
            x = self.activate(self.conv(x))
        if self.r.random() < 0.4:
            x = self.op("Mul", x, self.part(0.5, 1.5))
        size = int(np.prod(self.shape))
        x = self.op("Flatten", x) if self.r.random() < 0.5 else self.op(
            "Reshape", x, self.constant(np.array([0, -1], np.int64)))
        kind = int(self.r.integers(3))
        if kind == 0:
            x = self.op("BatchNormalization", x, self.constant(self.r.uniform(0.5, 1.5, size).astype(np.float32)),
                        self.weight(size), self.weight(size),
                        self.constant(self.r.uniform(0.5, 1.5, size).astype(np.float32)))
        elif kind == 1:
            x = self.op("Mul", x, self.constant(self.r.uniform(0.5, 1.5, size).astype(np.float32)))
        y = self.op("Gemm", x, self.weight(4, size), self.weight(4), transB=1)
        graph = helper.make_graph(
            self.nodes, "elements", [helper.make_tensor_value_info("input", TensorProto.FLOAT, dims)],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, [self.batch, 4])], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model, self.r.uniform(-1, 1, dims).astype(np.float32)


records = {}
for seed in range(5, 5 + 60):
    model, data = Network(seed).build()
    wanted = ReferenceEvaluator(model).run(None, {"input": data})[0].astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": data})[0], wanted, rtol=1e-3, atol=1e-4)
    case = f"elements/{seed:03}"
    records[case + "/model.onnx"] = model.SerializeToString()
    records[case + "/input_0.pb"] = numpy_helper.from_array(data).SerializeToString()
    records[case + "/output_0.pb"] = numpy_helper.from_array(wanted).SerializeToString()
pack.write(FOLDER + "/elements.pack", records)
