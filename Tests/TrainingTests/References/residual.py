"""Writes residual.json: ten steps of a residual network with X2act a channel, and of its ReLU twin, in PyTorch's float64.

usage: python residual.py > residual.json     (needs torch; made with torch 2.15.0)

The network is `resnet20-w0.25-d0.34` (4, 8, 16 channels, a block each) with a penalty on operands, trained by PyTorch's own SGD
with momentum and weight decay under its own schedulers: two steps of linear warm-up, then a cosine. Weights, pictures and labels are
formulas of their index.
"""
import json
import math
import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
STEPS, WARM, PEAK, FINAL = 10, 2, 0.05, 0.001


def wave(count, salt, scale):
    return torch.tensor([scale * math.sin(0.7 * (i + 1) * (1 + 0.013 * salt) + salt) for i in range(count)])


class X2act(nn.Module):
    penalty = 0

    def __init__(self, channels, uses_relu):
        super().__init__()
        self.uses_relu = uses_relu
        self.w1 = nn.Parameter(torch.full((channels,), 0.005))
        self.w2 = nn.Parameter(torch.ones(channels))
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        if self.uses_relu:
            return F.relu(x)
        X2act.penalty = X2act.penalty + 0.1 * F.relu(x.abs() - 1.5).square().mean()
        a, c, b = (p.view(1, -1, 1, 1) for p in (self.w1, self.w2, self.b))
        return 8 / math.sqrt(x[0].numel()) * a * x * x + c * x + b


class Block(nn.Module):
    def __init__(self, before, after, uses_relu):
        super().__init__()
        self.stride = 1 if before == after else 2
        self.conv1 = nn.Conv2d(before, after, 3, self.stride, 1, bias=False)
        self.bn1, self.act1 = nn.BatchNorm2d(after), X2act(after, uses_relu)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2, self.act2 = nn.BatchNorm2d(after), X2act(after, uses_relu)
        self.extra = (after - before) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra, self.extra))
        return self.act2(y + x)


def run(uses_relu):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), X2act(4, uses_relu), Block(4, 4, uses_relu),
        Block(4, 8, uses_relu), Block(8, 16, uses_relu), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for salt, layer in enumerate(layers):
        layer.weight.data = wave(layer.weight.numel(), salt, math.sqrt(4 / layer.weight[0].numel())).view_as(layer.weight)
    nn.init.zeros_(layers[-1].bias)
    weights = [layer.weight for layer in layers]
    others = [p for p in net.parameters() if all(p is not w for w in weights)]
    optimizer = torch.optim.SGD([dict(params=weights, weight_decay=5e-4), dict(params=others)], lr=PEAK, momentum=0.9)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [
        torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARM, 1, WARM - 1),
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS - WARM, FINAL)], [WARM])
    losses, rates = [], []
    for step in range(STEPS):
        batch = step % 3
        x = wave(8 * 3 * 1024, 20 + batch, 1.5).view(8, 3, 32, 32)
        labels = torch.tensor([(7 * i + 3 * batch) % 10 for i in range(8)])
        X2act.penalty = torch.zeros(())
        loss = F.cross_entropy(net(x), labels)
        optimizer.zero_grad()
        (loss + X2act.penalty).backward()
        losses.append([loss.item(), X2act.penalty.item()])
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        logits = net(wave(8 * 3 * 1024, 20, 1.5).view(8, 3, 32, 32))
    return dict(losses=losses, rates=rates, logits=logits.tolist())


print(json.dumps(dict(x2act=run(False), relu=run(True))))
