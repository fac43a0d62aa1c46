"""Writes search.json: one step of the architecture search of LeNet in PyTorch's float64, without this project's code.

usage: python search.py > search.json     (needs torch; made with torch 2.15.0)

Weights, pictures and labels are formulas of their index, so that the tests of the Swift trainer and of Scripts/torch make the
same ones, and both are held to these numbers. `second` takes finite differences of norm 0.01, as PolyMPCNet and both trainers do.
They are checked here: with shorter ones they become what differentiating twice gives.
"""
import json
import math
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

LAYERS = dict(conv1=(6, 1, 5, 5), conv2=(16, 6, 5, 5), fc1=(120, 256), fc2=(84, 120), fc3=(10, 84))
GATES = ["conv1.act", "pool1", "conv2.act", "pool2", "fc1.act", "fc2.act"]
SCALE, RATE, LAMBDA = 2.0, 0.05, 0.02
COSTS = [(9.0, 0.5), (4.0, 0.0), (5.0, 0.25), (2.0, 0.0), (0.75, 0.125), (0.5, 0.125)]


def wave(count, salt, scale):
    return torch.tensor([scale * math.sin(0.7 * (i + 1) * (1 + 0.013 * salt) + salt) for i in range(count)])


def rows():
    for name, cost in zip(GATES, COSTS):
        choices = ("maxpool", "avgpool") if name.startswith("pool") else ("relu", "x2act")
        yield dict(layer=name, shape=[1, 1, 1], milliseconds=dict(zip(choices, cost)))


table = dict(format=1, network="lenet", device="made up", link="none", protocolName="none", batch=1, fixedMilliseconds=2.0,
             rows=list(rows()))
weights = {}
for salt, (name, shape) in enumerate(LAYERS.items()):
    weights[name + ".weight"] = wave(math.prod(shape), salt, math.sqrt(4 / math.prod(shape[1:]))).view(shape)
    weights[name + ".bias"] = wave(shape[0], 10 + salt, 0.1)
for salt, name in enumerate(n for n in GATES if n.endswith("act")):
    weights[name + ".w1"] = torch.tensor(0.5 - 0.25 * salt)
    weights[name + ".w2"] = torch.tensor(0.75 + 0.125 * salt)
    weights[name + ".b"] = torch.tensor(0.125 * salt - 0.25)
alphas = [wave(2, 30 + i, 1.0).requires_grad_() for i in range(len(GATES))]
for value in weights.values():
    value.requires_grad_()
batches = [(wave(6 * 784, 20 + k, 1.5).view(6, 1, 28, 28), torch.tensor([(7 * i + 3 * k) % 10 for i in range(6)]))
           for k in range(2)]


def logits(w, x):
    def act(name, z):
        share = F.softmax(alphas[GATES.index(name)], 0)
        square = SCALE / math.sqrt(z[0].numel()) * w[name + ".w1"] * z * z + w[name + ".w2"] * z + w[name + ".b"]
        return share[0] * z.clamp(min=0) + share[1] * square

    def pool(name, z):
        share = F.softmax(alphas[GATES.index(name)], 0)
        return share[0] * F.max_pool2d(z, 2) + share[1] * F.avg_pool2d(z, 2)

    for k in ("1", "2"):
        x = pool("pool" + k, act(f"conv{k}.act", F.conv2d(x, w[f"conv{k}.weight"], w[f"conv{k}.bias"])))
    x = x.flatten(1)
    for k in ("1", "2"):
        x = act(f"fc{k}.act", F.linear(x, w[f"fc{k}.weight"], w[f"fc{k}.bias"]))
    return F.linear(x, w["fc3.weight"], w["fc3.bias"])


def milliseconds():
    return table["fixedMilliseconds"] + sum((F.softmax(a, 0) * torch.tensor(c)).sum() for a, c in zip(alphas, COSTS))


def loss(w, batch):
    x, labels = batches[batch]
    return F.cross_entropy(logits(w, x), labels)


def validation(w):
    return loss(w, 1) + LAMBDA * milliseconds()


names, leaves = list(weights), list(weights.values())
training = loss(weights, 0)
gradients = dict(zip(names, torch.autograd.grad(training, leaves, create_graph=True)))
ahead = {name: value - RATE * gradients[name] for name, value in weights.items()}
exact = torch.autograd.grad(validation(ahead), alphas, retain_graph=True)
first = torch.autograd.grad(validation(weights), alphas)


def differences(epsilon):
    """The second order by central differences whose step has the norm `epsilon`."""
    there = {name: value.detach().requires_grad_() for name, value in ahead.items()}
    found = torch.autograd.grad(validation(there), alphas + list(there.values()))
    outer, v = found[:len(alphas)], found[len(alphas):]
    norm = math.sqrt(sum((part * part).sum().item() for part in v))
    above, below = (
        torch.autograd.grad(loss({n: w.detach() + sign * epsilon / norm * d for (n, w), d in zip(weights.items(), v)}, 0),
                            alphas) for sign in (1, -1))
    return [o - RATE * (a - b) * norm / (2 * epsilon) for o, a, b in zip(outer, above, below)]


second = differences(0.01)
# Where no maximum changes its winner, differences are the derivative.
assert max((a - b).abs().max().item() for a, b in zip(differences(1e-4), exact)) < 1e-6
kept = [n for n in names if n.startswith("conv1") or ".act" in n or n == "fc3.bias"]
print(json.dumps(dict(
    table=table, scale=SCALE, rate=RATE, weight=LAMBDA, logits=logits(weights, batches[0][0]).tolist(),
    trainingLoss=training.item(), milliseconds=milliseconds().item(), validationLoss=validation(weights).item(),
    gradients={n: gradients[n].flatten().tolist() for n in kept}, first=[g.tolist() for g in first],
    second=[g.tolist() for g in second])))
