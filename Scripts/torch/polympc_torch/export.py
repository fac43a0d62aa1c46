"""Networks out of PyTorch."""
import copy
import warnings

import torch

from .gates import gates_of


def export_onnx(module, sample, path):
    """Writes a derived network as ONNX (opset 17) for one sample's shape; X2act becomes multiplications and additions.

    Gates must be gone: call `derive` first. Tracing is what exports here: factors c / sqrt(Nx) become constants of the file, and
    no package beyond torch and onnx is needed.
    """
    if gates_of(module):
        raise ValueError("export_onnx: gates are left; call derive first")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Newer versions of torch prefer another exporter.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # That Nx becomes a constant is meant.
        torch.onnx.export(copy.deepcopy(module).eval(), (sample,), path, opset_version=17, input_names=["input"],
                          output_names=["logits"], dynamo=False)
