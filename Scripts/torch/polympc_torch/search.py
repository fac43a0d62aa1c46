"""The bilevel step of the search."""
import contextlib

import torch
import torch.distributed
from torch import nn


def average(tensors):
    """Means over the processes of the default group, in place; what they are where there is no group."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)
            tensor /= torch.distributed.get_world_size()
    return tensors


@contextlib.contextmanager
def frozen_statistics(module):
    """Keeps running statistics of batch normalisation where they are, while batches are still normalised by their own."""
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    kept = [(norm.running_mean, norm.running_var, norm.num_batches_tracked) for norm in norms]
    try:
        for norm, state in zip(norms, kept):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = (
                None if value is None else value.clone() for value in state)
        yield module
    finally:
        for norm, state in zip(norms, kept):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = state


def architecture_gradient(weights, alphas, training_loss, validation_loss, rate):
    """Gradients of `alphas` for `validation_loss(w - rate grad training_loss(w))`, second order by finite differences.

    `training_loss` and `validation_loss` are functions of nothing that compute the loss at the present values. The weights end as
    they began. With `rate = 0` this is the first order. Batch normalisation must not move meanwhile: see `frozen_statistics`.
    Under torchrun each process computes its share of the batch on the module without its DistributedDataParallel wrapper; every
    gradient is averaged over the processes, so that all return the same.
    """
    weights, alphas = list(weights), list(alphas)
    kept = [w.detach().clone() for w in weights]

    def gradients(loss, of):
        found = torch.autograd.grad(loss, of, allow_unused=True)
        return average([torch.zeros_like(p) if g is None else g.contiguous() for p, g in zip(of, found)])

    @torch.no_grad()
    def place(factor, directions):
        for w, start, direction in zip(weights, kept, directions):
            w.copy_(start + factor * direction)

    try:
        if rate:
            place(-rate, gradients(training_loss(), weights))
        found = gradients(validation_loss(), alphas + weights)
        outer, direction = found[:len(alphas)], found[len(alphas):]
        norm = torch.sqrt(sum((d * d).sum() for d in direction))
        if not rate or not norm > 0:
            return outer
        epsilon = 0.01 / norm
        place(epsilon, direction)
        above = gradients(training_loss(), alphas)
        place(-epsilon, direction)
        below = gradients(training_loss(), alphas)
        return [a - rate * (p - m) / (2 * epsilon) for a, p, m in zip(outer, above, below)]
    finally:
        with torch.no_grad():
            for w, start in zip(weights, kept):
                w.copy_(start)
