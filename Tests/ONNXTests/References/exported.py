"""Runs exported networks in onnxruntime, and keeps or checks their outputs.

usage: python exported.py write FOLDER     (needs onnx, onnxruntime, numpy; stored outputs: onnx 1.23.2, onnxruntime 1.32.0)
       python exported.py check FOLDER

FOLDER has CASE/model.onnx, CASE/input_0.pb and, for check, CASE/output_0.pb, as ExportTests writes them (it says where).
`write` makes exported.pack: of each case the input, onnxruntime's output, and the SHA-256 of the model (model.sha256).
"""
import glob
import hashlib
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import pack

mode, folder = sys.argv[1], sys.argv[2]
onnxruntime.set_default_logger_severity(3)
records = {}


def read(path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(open(path, "rb").read())
    return numpy_helper.to_array(tensor)


for path in sorted(glob.glob(folder + "/*/model.onnx")):
    case = os.path.basename(os.path.dirname(path))
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    data = read(f"{folder}/{case}/input_0.pb")
    output = session.run(None, {session.get_inputs()[0].name: data})[0]
    if mode == "check":
        wanted = read(f"{folder}/{case}/output_0.pb")
        np.testing.assert_allclose(output.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5, err_msg=case)
    records[case + "/model.sha256"] = hashlib.sha256(open(path, "rb").read()).hexdigest().encode()
    records[case + "/input_0.pb"] = numpy_helper.from_array(data).SerializeToString()
    records[case + "/output_0.pb"] = numpy_helper.from_array(output.astype(np.float32)).SerializeToString()
assert records, "no models in " + folder
if mode == "write":
    pack.write(os.path.dirname(os.path.abspath(__file__)) + "/exported.pack", records)
print(len(records) // 3, "networks", mode)
