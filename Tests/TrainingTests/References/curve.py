"""Writes curve.json: losses of the digits network (X2act, batch normalisation) over ten steps of PyTorch's SGD, float64.

usage: python curve.py > curve.json     (needs torch; made with torch 2.13.0)

Weights, pictures and labels are formulas of their index, so that a test makes the same ones. Step k sees batch k % 3.
"""
import json
import math
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def wave(count, salt, scale):
    return torch.tensor([scale * math.sin(0.7 * (i + 1) * (1 + 0.013 * salt) + salt) for i in range(count)])


shapes = dict(conv1=(16, 1, 3, 3), conv2=(32, 16, 3, 3), fc=(10, 512))
weights = {n: wave(math.prod(s), k, math.sqrt(4 / math.prod(s[1:]))).view(s).requires_grad_() for k, (n, s) in
           enumerate(shapes.items())}
bias = torch.zeros(10, requires_grad=True)
norms = {n: [torch.ones(c, requires_grad=True), torch.zeros(c, requires_grad=True), torch.zeros(c), torch.ones(c)]
         for n, c in (("conv1", 16), ("conv2", 32))}
acts = {n: [torch.tensor(0.005, requires_grad=True), torch.tensor(1.0, requires_grad=True),
            torch.tensor(0.0, requires_grad=True)] for n in norms}


def layer(name, x, stride):
    x = F.conv2d(x, weights[name], None, stride, 1)
    gamma, beta, mean, variance = norms[name]
    x = F.batch_norm(x, mean, variance, gamma, beta, True, 0.1, 1e-5)
    w1, w2, b = acts[name]
    return 8 / math.sqrt(x[0].numel()) * w1 * x * x + w2 * x + b


plain = [bias] + [t for n in norms.values() for t in n[:2]] + [t for a in acts.values() for t in a]
optimizer = torch.optim.SGD([dict(params=list(weights.values()), weight_decay=5e-4), dict(params=plain)], lr=0.1,
                            momentum=0.9)
losses = []
for step in range(10):
    batch = step % 3
    x = wave(16 * 64, 20 + batch, 1.5).view(16, 1, 8, 8)
    labels = torch.tensor([(7 * i + 3 * batch) % 10 for i in range(16)])
    logits = F.linear(layer("conv2", layer("conv1", x, 1), 2).flatten(1), weights["fc"], bias)
    loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(weights.values()) + plain, 1)
    optimizer.step()
    losses.append(loss.item())
print(json.dumps(dict(losses=losses, w1=[acts[n][0].item() for n in acts], mean=norms["conv1"][2].tolist(),
                      variance=norms["conv2"][3].tolist())))
