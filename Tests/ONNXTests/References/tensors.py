"""Writes tensors.pack: one tensor in every element type of ONNX and in every place where a file may keep its data.

usage: python tensors.py     (needs onnx, ml_dtypes, numpy; made with onnx 1.23.2)

Of each type TYPE/raw.pb (raw_data), TYPE/typed.pb (the typed field) and TYPE/expected.npy: float32 for types of floating
point, int64 for the others. Elements are all codes of types up to eight bits, and edges of the others; one element more
than fills whole bytes. The oracle is onnx.numpy_helper with ml_dtypes.
"""
import io
import os

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import pack

TYPES = [
    "FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ",
    "FLOAT8E8M0", "FLOAT6E2M3", "FLOAT6E3M2", "FLOAT4E2M1", "INT64", "INT32", "INT16", "INT8", "INT4", "INT2", "UINT64",
    "UINT32", "UINT16", "UINT8", "UINT4", "UINT2", "BOOL",
]
SMALL = {"FLOAT6E2M3": 6, "FLOAT6E3M2": 6, "FLOAT4E2M1": 4, "INT4": 4, "INT2": 2, "UINT4": 4, "UINT2": 2}
records = {}


def values(name, dtype):
    if name == "BOOL":
        return np.array([False, True, True, False, True])
    if name in ("FLOAT", "DOUBLE"):
        return np.array([0, -0.0, 1.5, -3.25, 1e-30, 2.0**100, np.inf], dtype)
    if name in ("FLOAT16", "BFLOAT16"):
        bits = np.array([0, 0x8000, 1, 0x0400, 0x3C00, 0xC123, 0x7BFF, 0x7C00, 0xFC00], np.uint16)
        return bits.view(dtype)
    bits = SMALL.get(name, 8 * np.dtype(dtype).itemsize)
    if bits <= 8:
        codes = np.arange(2**bits, dtype=np.uint8)
        return np.concatenate([codes, codes[1:2]]).view(dtype) if "INT" not in name or bits == 8 else sub(codes, bits, dtype)
    info = np.iinfo(dtype)
    top = min(info.max, 2**63 - 1)
    return np.array([0, 1, 77, top, top - 1] + ([-1, info.min] if info.min < 0 else []), dtype)


def sub(codes, bits, dtype):
    signed = codes.astype(np.int64)
    if str(dtype).startswith("int"):
        signed = np.where(signed >= 2 ** (bits - 1), signed - 2**bits, signed)
    return np.concatenate([signed, signed[1:2]]).astype(dtype)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


for name in TYPES:
    kind = getattr(TensorProto, name)
    array = values(name, helper.tensor_dtype_to_np_dtype(kind))
    raw = numpy_helper.from_array(array, name)
    assert raw.data_type == kind and raw.HasField("raw_data"), name
    typed = TensorProto(name=name, data_type=kind, dims=array.shape)
    if name == "FLOAT":
        typed.float_data.extend(array.tolist())
    elif name == "DOUBLE":
        typed.double_data.extend(array.tolist())
    elif name == "INT64":
        typed.int64_data.extend(array.tolist())
    elif name in ("UINT64", "UINT32"):
        typed.uint64_data.extend(array.tolist())
    elif name in ("FLOAT16", "BFLOAT16"):
        typed.int32_data.extend(array.view(np.uint16).tolist())
    elif name.startswith("FLOAT6"):
        typed.int32_data.extend(array.view(np.uint8).tolist())
    elif name in SMALL:
        typed.int32_data.extend(raw.raw_data)
    elif name.startswith("FLOAT8"):
        typed.int32_data.extend(array.view(np.uint8).tolist())
    else:
        typed.int32_data.extend(array.astype(np.int64).tolist())
    back = numpy_helper.to_array(typed)
    for other in (back, numpy_helper.to_array(raw)):
        assert np.array_equal(other.astype(np.float64), array.astype(np.float64), equal_nan=True), name
    wanted = array.astype(np.float32 if "FLOAT" in name or name == "DOUBLE" else np.int64)
    records[f"{name}/raw.pb"] = raw.SerializeToString()
    records[f"{name}/typed.pb"] = typed.SerializeToString()
    records[f"{name}/expected.npy"] = npy(wanted)
pack.write(os.path.dirname(os.path.abspath(__file__)) + "/tensors.pack", records)
print(len(records))
