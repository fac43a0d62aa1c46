"""One process of a step over gates: run alone, or under torchrun, where every process takes its part of the batch.

usage: worker.py FOLDER     writes FOLDER/RANKofSIZE.pt: gradients of the weights, second order of the alphas
"""
import gc
import os
import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import polympc_torch as p  # noqa: E402

rank, size = 0, 1
if "WORLD_SIZE" in os.environ:
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(3)
torch.set_default_dtype(torch.float64)
table = p.LatencyTable(dict(format=1, fixedMilliseconds=1.0, rows=[
    dict(layer="1", milliseconds=dict(relu=2.0, x2act=0.5)), dict(layer="2", milliseconds=dict(maxpool=1.0, avgpool=0.0))]))
net = p.gated(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)), scale=2)
latency = p.LatencyLoss(table, net, 0.1)
pictures, labels = torch.randn(2, 8, 1, 8, 8), torch.randint(0, 4, (2, 8))
mine = slice(rank * 8 // size, (rank + 1) * 8 // size)
alphas = [gate.alpha for _, gate in p.gates_of(net)]
weights = [q for name, q in net.named_parameters() if not name.endswith("alpha")]
found = p.architecture_gradient(
    weights, alphas, lambda: F.cross_entropy(net(pictures[0, mine]), labels[0, mine]),
    lambda: F.cross_entropy(net(pictures[1, mine]), labels[1, mine]) + latency(), 0.1)
parallel = nn.parallel.DistributedDataParallel(net) if size > 1 else net
F.cross_entropy(parallel(pictures[0, mine]), labels[0, mine]).backward()
result = {name: q.grad for name, q in net.named_parameters()}
result.update({f"second {index}": g for index, g in enumerate(found)})
torch.save(result, os.path.join(sys.argv[1], f"{rank}of{size}.pt"))
if size > 1:
    # The wrapper holds the group: it goes before the group does.
    del parallel
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()
