"""Layers that compute both of their forms, weighed by the softmax of two trained numbers (comparison first)."""
import torch
import torch.nn.functional as F
from torch import nn

from .activation import X2act


class _Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(2))

    @property
    def shares(self):
        return F.softmax(self.alpha, 0)

    @property
    def keeps_comparison(self):
        return bool(self.alpha[0] > self.alpha[1])


class GatedActivation(_Gate):
    """ReLU (clipped at `clip`, where given) or X2act. Both read the same operand; neither changes it in place."""

    choices = ("relu", "x2act")

    def __init__(self, clip=None, **x2act):
        super().__init__()
        self.clip = clip
        self.polynomial = X2act(**x2act)

    def comparison(self, x):
        return torch.clamp(x, min=0, max=self.clip)

    def forward(self, x):
        shares = self.shares
        return shares[0] * self.comparison(x) + shares[1] * self.polynomial(x)

    def derived(self):
        if not self.keeps_comparison:
            return self.polynomial
        return nn.ReLU() if self.clip is None else nn.Hardtanh(0.0, float(self.clip))


class GatedPool(_Gate):
    """The maximum or the mean over square windows; padded zeros count in the mean."""

    choices = ("maxpool", "avgpool")

    def __init__(self, kernel, stride=None, padding=0):
        super().__init__()
        self.window = (kernel, stride or kernel, padding)

    def forward(self, x):
        shares = self.shares
        return shares[0] * F.max_pool2d(x, *self.window) + shares[1] * F.avg_pool2d(x, *self.window)

    def derived(self):
        return nn.MaxPool2d(*self.window) if self.keeps_comparison else nn.AvgPool2d(*self.window)


def gates_of(module):
    """(name, gate) of every gate of a module, in order."""
    return [(name, part) for name, part in module.named_modules() if isinstance(part, _Gate)]


def _replace(module, name, part):
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent) if parent else module, child, part)


def gated(module, scale=1.0, pools=True):
    """Puts a gate in the place of every ReLU, ReLU6 and max-pooling module, in place, and returns the module.

    A module that is used at several places would share one gate: give every place its own.
    """
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.ReLU6):
            _replace(module, name, GatedActivation(clip=6.0, scale=scale))
        elif isinstance(part, nn.ReLU):
            _replace(module, name, GatedActivation(scale=scale))
        elif pools and isinstance(part, nn.MaxPool2d):
            window = [part.kernel_size, part.stride, part.padding]
            if not all(isinstance(side, int) for side in window) or part.dilation != 1 or part.ceil_mode:
                raise ValueError(f"{name}: only square windows without dilation or ceil_mode have a choice")
            _replace(module, name, GatedPool(*window))
    return module


def derive(module):
    """Keeps the form with the larger alpha in every gate, in place, and returns the module."""
    for name, gate in gates_of(module):
        _replace(module, name, gate.derived())
    return module
