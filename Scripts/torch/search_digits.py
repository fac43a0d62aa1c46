"""Searches, fine-tunes and exports the digits network on one process or many: a pattern for larger ones.

usage: polympc hw table --network digits --device zcu104 --output table.json
       torchrun --nproc_per_node=2 search_digits.py --table table.json --budget 1.5 --output digits.onnx

Under torchrun every process takes its part of each batch (gloo on processors, nccl on GPUs). What is printed and written is
process 0's. `polympc import digits.onnx` makes a model of the result.
"""
import argparse
import collections
import csv
import gc
import gzip
import json
import os
import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import polympc_torch as p  # noqa: E402

DIGITS = os.path.join(HERE, "..", "..", "Sources", "Training", "Resources", "digits.csv.gz")


def digits(path):
    """Normalised pictures and labels as `polympc train digits` splits them: the first four fifths are for training."""
    with gzip.open(path, "rt") as file:
        rows = torch.tensor([[int(v) for v in row] for row in csv.reader(file)])
    pictures = ((rows[:, :64].float() / 16 - 0.305) / 0.376).view(-1, 1, 8, 8)
    cut = len(rows) * 4 // 5
    return (pictures[:cut], rows[:cut, 64]), (pictures[cut:], rows[cut:, 64])


def network():
    """Layers have the names that `polympc hw table --network digits` has: conv1.act, conv2.act."""
    def layer(inside, outside, stride):
        return nn.Sequential(collections.OrderedDict(
            conv=nn.Conv2d(inside, outside, 3, stride, 1, bias=False), bn=nn.BatchNorm2d(outside), act=nn.ReLU()))

    return nn.Sequential(collections.OrderedDict(
        conv1=layer(1, 16, 1), conv2=layer(16, 32, 2), flatten=nn.Flatten(), fc=nn.Linear(512, 10)))


class Batches:
    """Endless shuffled batches, of which each process sees its part; all processes draw the same order."""

    def __init__(self, data, batch, seed, rank, size, device):
        self.pictures, self.labels = (part.to(device) for part in data)
        self.batch, self.rank, self.size = batch, rank, size
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)

    def next(self):
        if len(self.order) < self.batch:
            self.order = torch.randperm(len(self.labels), generator=self.generator)
        chosen, self.order = self.order[:self.batch], self.order[self.batch:]
        chosen = chosen[self.rank::self.size].to(self.labels.device)
        return self.pictures[chosen], self.labels[chosen]


def train(module, batches, epochs, steps, rate, architecture=None, say=lambda _: None):
    """SGD on the weights with a cosine, and `architecture(step's rate)` before each step where there is a search."""
    weights = [q for name, q in module.named_parameters() if not name.endswith("alpha")]
    optimizer = torch.optim.SGD(weights, lr=rate, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    parallel = nn.parallel.DistributedDataParallel(module) if dist.is_initialized() else module
    for epoch in range(epochs):
        total = 0.0
        for _ in range(steps):
            if architecture:
                architecture(schedule.get_last_lr()[0])
            pictures, labels = batches.next()
            loss = F.cross_entropy(parallel(pictures), labels)
            module.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1)
            optimizer.step()
            schedule.step()
            total += loss.item()
        # Each process has followed its own part of the batches: the means serve everyone.
        p.average([buffer for buffer in module.buffers() if buffer.is_floating_point()])
        say(dict(epoch=epoch + 1, loss=total / steps))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="file of `polympc hw table`")
    parser.add_argument("--lambda", dest="weight", type=float, default=0.01, help="loss of an expected millisecond")
    parser.add_argument("--budget", type=float, help="expected milliseconds that must hold, instead of lambda")
    parser.add_argument("--order", choices=("first", "second"), default="second")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of the search, and of fine-tuning")
    parser.add_argument("--batch", type=int, default=64, help="samples in a step, over all processes")
    parser.add_argument("--alpha-rate", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", default=DIGITS, help="gzipped CSV of 64 pixels and a label a line")
    parser.add_argument("--output", required=True, help="ONNX file to write")
    arguments = parser.parse_args()

    rank, size, device = 0, 1, torch.device("cpu")
    if "WORLD_SIZE" in os.environ:
        if torch.cuda.is_available():
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        rank, size = dist.get_rank(), dist.get_world_size()
    if arguments.batch % size:
        parser.error(f"--batch {arguments.batch} does not divide among {size} processes")

    def say(record):
        if rank == 0:
            print(json.dumps(record), flush=True)

    torch.manual_seed(arguments.seed)
    (pictures, labels), (held, answers) = digits(arguments.data)
    mixed = torch.randperm(len(labels), generator=torch.Generator().manual_seed(arguments.seed))
    halves = [(pictures[part], labels[part]) for part in mixed.tensor_split(2)]
    weights_data, alphas_data = (Batches(half, arguments.batch, arguments.seed + 1 + k, rank, size, device)
                                 for k, half in enumerate(halves))

    module = p.gated(network(), scale=8).to(device)
    latency = p.LatencyLoss(p.LatencyTable.read(arguments.table), module, arguments.weight)
    alphas = [gate.alpha for _, gate in p.gates_of(module)]
    weights = [q for name, q in module.named_parameters() if not name.endswith("alpha")]
    adam = torch.optim.Adam(alphas, lr=arguments.alpha_rate, betas=(0.5, 0.999), weight_decay=1e-3)
    multiplier = 0.0 if arguments.budget else arguments.weight

    def architecture(rate):
        nonlocal multiplier
        (x, y), (u, v) = weights_data.next(), alphas_data.next()
        price = multiplier / (arguments.budget or 1)
        with p.frozen_statistics(module):
            found = p.architecture_gradient(
                weights, alphas, lambda: F.cross_entropy(module(x), y),
                lambda: F.cross_entropy(module(u), v) + price * latency.milliseconds(),
                rate if arguments.order == "second" else 0)
        for alpha, gradient in zip(alphas, found):
            alpha.grad = gradient
        adam.step()
        if arguments.budget:
            # Dual ascent: the price rises while the expectation is above the budget.
            multiplier = max(0.0, multiplier + 0.05 * (latency.milliseconds().item() / arguments.budget - 1))

    train(module, weights_data, arguments.epochs, len(halves[0][1]) // arguments.batch, 0.05, architecture, say)
    kept = {name: gate.choices[0] if gate.keeps_comparison else gate.choices[1] for name, gate in p.gates_of(module)}
    expected = latency.milliseconds().item()
    p.derive(module)
    everything = Batches((pictures, labels), arguments.batch, arguments.seed + 3, rank, size, device)
    train(module, everything, arguments.epochs, len(labels) // arguments.batch, 0.05, say=say)
    module.eval()
    with torch.no_grad():
        accuracy = (module(held.to(device)).argmax(1).cpu() == answers).double().mean().item()
        sums = torch.stack([q.double().sum() for q in module.parameters()])
    spread = (sums - p.average([sums.clone()])[0]).abs().max().item()
    if spread > 1e-6:
        raise SystemExit(f"process {rank}: weights differ between the processes by {spread}")
    if rank == 0:
        p.export_onnx(module.cpu(), held[:1], arguments.output)
    say(dict(kept=kept, expectedMilliseconds=expected, accuracy=accuracy, processes=size, output=arguments.output))
    if dist.is_initialized():
        gc.collect()  # Wrappers hold the group: they go before it does.
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
