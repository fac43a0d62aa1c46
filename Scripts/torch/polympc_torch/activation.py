"""The trainable quadratic activation."""
import math

import torch
from torch import nn


def gaussian_quadratic(mean, deviation):
    """Coefficients (square, linear, constant) of the quadratic nearest to ReLU under a normal operand, in mean square.

    AutoReP's distribution-aware approximation; `deviation` is the standard deviation, where the authors' code passes the variance.
    """
    v = max(deviation, 1e-3)
    e = math.exp(-mean * mean / (2 * v * v)) / (2 * math.sqrt(2 * math.pi) * v)
    return e, 1 - math.erfc(mean / (math.sqrt(2) * v)) / 2 - 2 * mean * e, (mean * mean + v * v) * e


class X2act(nn.Module):
    """`y = (scale / sqrt(Nx)) w1 x^2 + w2 x + b`, Nx the elements of one sample. Nothing clips x.

    Starts near the identity (STPAI): w1 = `square`, w2 = 1, b = 0. `channels` gives each channel a triple of its own.
    """

    def __init__(self, scale=1.0, channels=None, square=0.005):
        super().__init__()
        if not scale > 0:
            raise ValueError("X2act: scale must be positive")
        count = channels or 1
        self.scale, self.channels = scale, channels
        self.w1 = nn.Parameter(torch.full((count,), float(square)))
        self.w2 = nn.Parameter(torch.ones(count))
        self.b = nn.Parameter(torch.zeros(count))

    def forward(self, x):
        # Shapes are known when a graph is traced, so the factor is a constant of the exported network.
        factor = self.scale / math.sqrt(x[0].numel())
        shape = (1, -1) + (1,) * (x.dim() - 2)
        w1, w2, b = (p.view(shape) for p in (self.w1, self.w2, self.b))
        return (factor * w1 * x + w2) * x + b
