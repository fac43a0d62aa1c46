"""X2act, gates, latency loss and bilevel search of PolyMPCNet for PyTorch."""
from .activation import X2act, gaussian_quadratic
from .gates import GatedActivation, GatedPool, derive, gated, gates_of
from .latency import LatencyLoss, LatencyTable
from .search import architecture_gradient, average, frozen_statistics
from .export import export_onnx

__all__ = ["X2act", "gaussian_quadratic", "GatedActivation", "GatedPool", "derive", "gated", "gates_of", "LatencyLoss",
           "LatencyTable", "architecture_gradient", "average", "frozen_statistics", "export_onnx"]
