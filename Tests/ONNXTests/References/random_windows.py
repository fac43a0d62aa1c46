"""Writes windows.pack: networks with poolings over every kind of window, an input of one to three samples, and the output.

usage: python random_windows.py     (needs onnx, onnxruntime, numpy; made with onnx 1.23.2, onnxruntime 1.32.0, seed 11)

Pictures and sequences; windows that are not square, unequal strides and padding, gaps, ceil_mode, averages that count
their padding or not. The oracle is onnx.reference, which computes in NumPy; a case is stored where onnxruntime agrees.
Both have to: they read ceil_mode differently where padding counts, and such cases are left out.
"""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import pack

onnxruntime.set_default_logger_severity(4)
FOLDER = os.path.dirname(os.path.abspath(__file__))


def network(r, axes):
    nodes, initializers = [], []
    batch, channels = int(r.integers(1, 4)), int(r.integers(1, 4))
    sides = [int(r.integers(6, 13)) for _ in range(axes)]

    def weight(*dims):
        name = f"w{len(initializers)}"
        values = r.standard_normal(dims) * 1.4 / np.sqrt(np.prod(dims[1:]) if len(dims) > 1 else 4)
        initializers.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def op(kind, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [f"t{len(nodes)}"], name=f"n{len(nodes)}", **attributes))
        return f"t{len(nodes) - 1}"

    def pool(x):
        kind = str(r.choice(["MaxPool", "MaxPool", "AveragePool"]))
        kernel = [int(r.integers(1, 4)) for _ in sides]
        if np.prod(kernel) == 1:
            kernel[-1] = 2
        dilation = [int(r.integers(1, 3)) if n > 1 else 1 for n in kernel]
        strides = [int(r.integers(1, 4)) for _ in sides]
        pads = [int(r.integers(0, n // 2 + 1)) for n in kernel + kernel]
        more = dict(kernel_shape=kernel, dilations=dilation, strides=strides, ceil_mode=int(r.integers(0, 2)))
        if kind == "AveragePool":
            more["count_include_pad"] = int(r.integers(0, 2))
        if r.random() < 0.2 and max(dilation) == 1:
            more["auto_pad"], more["ceil_mode"] = str(r.choice(["SAME_UPPER", "SAME_LOWER"])), 0
        else:
            more["pads"] = pads
        return op(kind, x, **more)

    x = op("Conv", "input", weight(4, channels, *[3] * axes), pads=[1] * 2 * axes, kernel_shape=[3] * axes)
    x = op("Relu", x) if r.random() < 0.5 else op("Mul", x, x)
    x = pool(x)
    if r.random() < 0.5:
        x = op("Conv", x, weight(4, 4, *[1] * axes), kernel_shape=[1] * axes)
        x = pool(x) if r.random() < 0.5 else x
        x = op("Relu", x)
    x = op("GlobalMaxPool", x) if r.random() < 0.3 else x
    x = op("Flatten", x)
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, channels] + sides)]
    opset = [helper.make_opsetid("", 22)]

    def model(output):
        graph = helper.make_graph(nodes, "windows", inputs, [output], initializers)
        return helper.make_model(graph, opset_imports=opset, ir_version=10)

    data = r.uniform(-1, 1, [batch, channels] + sides).astype(np.float32)
    open_end = model(helper.make_tensor_value_info(x, TensorProto.FLOAT, None))
    features = ReferenceEvaluator(open_end).run(None, {"input": data})[0].shape[1]
    y = op("Gemm", x, weight(5, features), weight(5), transB=1)
    made = model(helper.make_tensor_value_info(y, TensorProto.FLOAT, [batch, 5]))
    onnx.checker.check_model(made)
    return made, data


records, seed = {}, 11
while len(records) < 3 * 60:
    seed += 1
    r = np.random.default_rng(seed)
    try:
        model, data = network(r, 1 if seed % 4 == 0 else 2)
        wanted = ReferenceEvaluator(model).run(None, {"input": data})[0].astype(np.float32)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        agrees = np.allclose(session.run(None, {"input": data})[0], wanted, rtol=1e-3, atol=1e-4)
    except Exception:  # no window fits, or one of the two refuses the attributes
        continue
    if not agrees or not np.isfinite(wanted).all():
        continue
    case = f"windows/{seed:03}"
    records[case + "/model.onnx"] = model.SerializeToString()
    records[case + "/input_0.pb"] = numpy_helper.from_array(data).SerializeToString()
    records[case + "/output_0.pb"] = numpy_helper.from_array(wanted).SerializeToString()
pack.write(FOLDER + "/windows.pack", records)
print(len(records) // 3, "cases, seeds to", seed)
