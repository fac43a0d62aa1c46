"""Writes references.json: results of PyTorch (float64, seed 7) for the rules of the trainer's tape.

usage: python make.py > references.json     (needs torch; made with torch 2.15.0)

Every case has operands in NCHW order (row-major), an upstream gradient, the output, and the gradients of the operands.
"""
import json
import torch
import torch.nn.functional as F

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)
cases = []


def flat(t):
    return [round(v, 6) for v in t.detach().reshape(-1).tolist()]


def case(name, operands, compute, shapes=None):
    leaves = [o.clone().requires_grad_(True) for o in operands]
    out = compute(*leaves)
    upstream = torch.randn_like(out)
    out.backward(upstream)
    cases.append(dict(
        name=name, operands=[flat(o) for o in operands], shapes=[list(o.shape) for o in operands], upstream=flat(upstream),
        output=flat(out), outputShape=list(out.shape), gradients=[flat(l.grad) for l in leaves]))


r = torch.randn
for name, groups, stride, padding, cin, cout, k in [
    ("conv", 1, 1, 1, 3, 4, 3), ("conv stride 2", 1, 2, 1, 3, 4, 3), ("conv 5x5 no padding", 1, 1, 0, 2, 3, 5),
    ("conv groups", 2, 1, 1, 4, 6, 3), ("conv depthwise stride 2", 4, 2, 1, 4, 4, 3), ("conv 1x1 stride 2", 1, 2, 0, 3, 5, 1)]:
    case(name, [r(3, cin, 7, 6), r(cout, cin // groups, k, k), r(cout)],
         lambda x, w, b: F.conv2d(x, w, b, stride, padding, 1, groups))
case("linear", [r(5, 11), r(7, 11), r(7)], F.linear)
case("batchNorm training", [r(6, 3, 4, 5) * 2 + 1, r(3), r(3)],
     lambda x, g, b: F.batch_norm(x, None, None, g, b, True, 0.1, 1e-5))
case("batchNorm inference", [r(6, 3, 4, 5), r(3), r(3)],
     lambda x, g, b: F.batch_norm(x, torch.tensor([0.5, -1., 2.]), torch.tensor([0.5, 1., 2.]), g, b, False, 0.1, 1e-5))
factor = 8 / (3 * 4 * 5) ** 0.5
case("x2act", [r(6, 3, 4, 5), r(1), r(1), r(1)], lambda x, a, c, b: factor * a * x * x + c * x + b)
v = lambda t: t.view(1, -1, 1, 1)
case("x2act channels", [r(6, 3, 4, 5), r(3), r(3), r(3)], lambda x, a, c, b: factor * v(a) * x * x + v(c) * x + v(b))
labels = torch.tensor([3, 0, 4, 1, 1, 2])
case("crossEntropy", [r(6, 5) * 3], lambda x: F.cross_entropy(x, labels).view(1, 1))
case("crossEntropy smoothed", [r(6, 5) * 3], lambda x: F.cross_entropy(x, labels, label_smoothing=0.1).view(1, 1))
case("averagePool", [r(3, 2, 6, 5)], lambda x: F.avg_pool2d(x, 3, 2, 1))
case("relu", [r(3, 2, 4, 5)], F.relu)
case("leaky relu", [r(3, 2, 4, 5)], lambda x: F.leaky_relu(x, 0.25))
case("relu6", [r(3, 2, 4, 5) * 6], F.relu6)
case("abs", [r(3, 2, 4, 5)], torch.abs)
case("maxPool", [r(3, 2, 7, 6)], lambda x: F.max_pool2d(x, 3, 2, 1))
case("maxPool even", [r(3, 2, 6, 4)], lambda x: F.max_pool2d(x, 2, 2))
case("globalAveragePool", [r(3, 4, 5, 6)], lambda x: F.adaptive_avg_pool2d(x, 1))
case("subsamplePad", [r(3, 2, 5, 6)], lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2)))
case("rangePenalty", [r(6, 3, 4, 5) * 2], lambda x: 3 * F.relu(x.abs() - 0.5).square().mean().view(1, 1))


def blend(x, a, c, b, p):
    return p[0] * x.clamp(0, 6) + p[1] * (factor * v(a) * x * x + v(c) * x + v(b))


case("blendedActivation", [r(6, 3, 4, 5) * 4, r(3), r(3), r(3), torch.tensor([0.3, 0.7])], blend)
case("blendedPool", [r(3, 2, 7, 6), torch.tensor([0.3, 0.7])],
     lambda x, p: p[0] * F.max_pool2d(x, 3, 2, 1) + p[1] * F.avg_pool2d(x, 3, 2, 1))
case("softmax", [r(6, 5)], lambda x: F.softmax(x, 1))
teacher = torch.linspace(-2, 3, 30).view(6, 5)
case("distillation", [r(6, 5) * 3],
     lambda x: 9 * F.kl_div(F.log_softmax(x / 3, 1), F.softmax(teacher / 3, 1), reduction="batchmean").view(1, 1))
case("conv depthwise", [r(3, 4, 7, 6), r(4, 1, 3, 3), r(4)], lambda x, w, b: F.conv2d(x, w, b, 1, 1, 1, 4))
case("conv depthwise 5x5 of two", [r(3, 3, 7, 6), r(6, 1, 5, 5), r(6)], lambda x, w, b: F.conv2d(x, w, b, 1, 2, 1, 3))
case("clip", [r(3, 2, 4, 5)], lambda x: x.clamp(-0.4, 0.7))
# The straight-through estimator: the sign forwards, the clipped identity backwards.
case("sign", [r(3, 2, 4, 5)], lambda x: x.clamp(-1, 1) + (torch.where(x >= 0, 1.0, -1.0) - x.clamp(-1, 1)).detach())
case("flatten", [r(3, 2, 4, 5)], lambda x: x.flatten(1))
case("add", [r(3, 2, 4, 5), r(3, 2, 4, 5)], torch.add)
case("dot", [r(3)], lambda x: (x * torch.tensor([2, -1, 0.5])).sum().view(1, 1))
case("scaled", [r(3, 2, 4, 5)], lambda x: -1.5 * x)
case("concatenate", [r(3, 2, 4, 5), r(3, 1, 4, 5), r(3, 3, 4, 5)], lambda *x: torch.cat(x, 1))
case("reshape", [r(3, 2, 4, 5)], lambda x: x.reshape(3, 4, 2, 5))
case("offset", [r(3, 2, 4, 5), r(40)], lambda x, b: x + b.view(2, 4, 5))
print(json.dumps(cases))
