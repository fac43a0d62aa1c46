"""Writes torch.pack: networks as PyTorch users write them, exported by both of PyTorch's exporters, with inputs and outputs.

usage: python torch_networks.py     (needs torch, onnx, onnxscript, onnxruntime, numpy; made with torch 2.15.0, onnx 1.23.2)

The named ones are small versions of what torchvision has, and of the usual heads and outputs. The random ones are seeded
chains of blocks: dense blocks, inverted residuals, fire modules, shuffled channels, residual sums with zero channels, a part
joined twice, every activation with a protocol, poolings, and layers whose numbers are far larger or smaller than one. The
oracle is PyTorch; onnxruntime must agree before a case is stored. The exporter and the operator set are drawn.
"""
import io
import os
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

import pack

warnings.filterwarnings("ignore")
onnxruntime.set_default_logger_severity(3)
FOLDER = os.path.dirname(os.path.abspath(__file__))


def conv_bn(i, o, k, s=1, p=0, groups=1, act=None):
    layers = [nn.Conv2d(i, o, k, s, p, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, act) if act else nn.Sequential(*layers)


class Residual(nn.Module):
    """ResNet's basic block (kernels 3, 3) or bottleneck (1, 3, 1)."""

    def __init__(self, i, o, stride=1, bottleneck=False):
        super().__init__()
        w = max(o // 4, 2)
        self.body = nn.Sequential(
            conv_bn(i, w, 1, act=nn.ReLU()), conv_bn(w, w, 3, stride, 1, act=nn.ReLU()), conv_bn(w, o, 1)
        ) if bottleneck else nn.Sequential(conv_bn(i, o, 3, stride, 1, act=nn.ReLU(inplace=True)), conv_bn(o, o, 3, 1, 1))
        self.short = conv_bn(i, o, 1, stride) if stride > 1 or i != o else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.short(x))


class PaddedResidual(nn.Module):
    """Option A: strided pixels and channels of zeros."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.body, self.stride, self.more = conv_bn(i, o, 3, stride, 1), stride, o - i

    def forward(self, x):
        short = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(self.body(x) + short)


class Inverted(nn.Module):
    def __init__(self, i, o, stride, expand, act):
        super().__init__()
        h = i * expand
        self.body = nn.Sequential(conv_bn(i, h, 1, act=act), conv_bn(h, h, 3, stride, 1, h, act), conv_bn(h, o, 1))
        self.adds = stride == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.adds else self.body(x)


class Dense(nn.Module):
    """DenseNet's block: each layer reads all before it, normalised for it alone."""

    def __init__(self, i, growth, layers):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(i + n * growth), nn.ReLU(), nn.Conv2d(i + n * growth, 2 * growth, 1, bias=False),
                          nn.BatchNorm2d(2 * growth), nn.ReLU(), nn.Conv2d(2 * growth, growth, 3, 1, 1, bias=False))
            for n in range(layers))
        self.norm = nn.BatchNorm2d(i + layers * growth)

    def forward(self, x):
        parts = [x]
        for layer in self.layers:
            parts.append(layer(torch.cat(parts, 1)))
        return F.relu(self.norm(torch.cat(parts, 1)))


class Fire(nn.Module):
    def __init__(self, i, s, e):
        super().__init__()
        self.squeeze, self.one, self.three = nn.Conv2d(i, s, 1), nn.Conv2d(s, e, 1), nn.Conv2d(s, e, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)


class Inception(nn.Module):
    def __init__(self, i):
        super().__init__()
        act = nn.ReLU()
        self.a, self.b = conv_bn(i, 3, 1, act=act), nn.Sequential(conv_bn(i, 2, 1, act=act), conv_bn(2, 4, 3, 1, 1, act=act))
        self.c = nn.Sequential(conv_bn(i, 3, (1, 5), 1, (0, 2), act=act), conv_bn(3, 3, (5, 1), 1, (2, 0), act=act))
        self.d = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), conv_bn(i, 2, 1, act=act))

    def forward(self, x):
        return torch.cat([self.a(x), self.b(x), self.c(x), self.d(x)], 1)


def shuffled(x, groups):
    b, c, h, w = x.size()
    return torch.transpose(x.view(b, groups, c // groups, h, w), 1, 2).contiguous().view(b, c, h, w)


class ShuffleV1(nn.Module):
    def __init__(self, c, groups):
        super().__init__()
        self.groups = groups
        self.a, self.d = conv_bn(c, c, 1, groups=groups, act=nn.ReLU()), conv_bn(c, c, 3, 1, 1, c)
        self.e = conv_bn(c, c, 1, groups=groups)

    def forward(self, x):
        return F.relu(x + self.e(self.d(shuffled(self.a(x), self.groups))))


class ShuffleV2(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c // 2
        self.body = nn.Sequential(
            conv_bn(h, h, 1, act=nn.ReLU()), conv_bn(h, h, 3, 1, 1, h), conv_bn(h, h, 1, act=nn.ReLU()))

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        return shuffled(torch.cat((a, self.body(b)), 1), 2)


class Twice(nn.Module):
    """One part, read twice by one concatenation before any activation, with a mean of it or as it is."""

    def __init__(self, i, o, pooled):
        super().__init__()
        self.part, self.other, self.pooled = nn.Conv2d(i, o, 3, padding=1), nn.Conv2d(i, 2, 1), pooled
        self.norm = nn.BatchNorm2d(2 * o + 2)

    def forward(self, x):
        part = self.part(x)
        again = F.avg_pool2d(part, 3, 1, 1) if self.pooled else part
        joined = torch.cat([part, self.other(x), again], 1)
        return F.relu(joined if self.pooled else self.norm(joined))


class Scaled(nn.Module):
    """A layer whose results are of another size than those before."""

    def __init__(self, i, o, factor):
        super().__init__()
        self.conv, self.factor = nn.Conv2d(i, o, 3, padding=1), factor

    def reset(self):
        self.conv.weight.data *= self.factor
        self.conv.bias.data *= self.factor

    def forward(self, x):
        return F.relu(self.conv(x))


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Sum(nn.Module):
    """A residual sum whose branch is far larger than its shortcut."""

    def __init__(self, c, factor):
        super().__init__()
        self.branch = Scaled(c, c, factor)

    def forward(self, x):
        return F.relu(x + self.branch.conv(x))


def head(features, function=lambda x: x.mean((2, 3)), classes=5, bias=True):
    return nn.Sequential(Lambda(function), nn.Linear(features, classes, bias=bias))


def stem(act=None, o=6):
    return nn.Sequential(nn.Conv2d(3, o, 3, 2, 1), act or nn.ReLU())


class Vgg(nn.Module):
    def __init__(self, side):
        super().__init__()
        self.f = nn.Sequential(conv_bn(3, 4, 3, 1, 1, act=nn.ReLU(True)), nn.MaxPool2d(2, 2))
        self.pool = nn.AdaptiveAvgPool2d((side, side))
        self.c = nn.Sequential(nn.Linear(4 * side * side, 12), nn.ReLU(True), nn.Dropout(), nn.Linear(12, 5))

    def forward(self, x):
        x = self.pool(self.f(x))
        return self.c(x.view(x.size(0), -1))


class Normalised(nn.Module):
    """The input normalised in the network, channel by channel as torchvision's GoogLeNet does."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(conv_bn(3, 6, 7, 2, 3, act=nn.ReLU()), nn.MaxPool2d(3, 2, ceil_mode=True), Inception(6))
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        parts = [torch.unsqueeze(x[:, n], 1) * (d / 0.5) + (m - 0.5) / 0.5
                 for n, (m, d) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)])]
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.net(torch.cat(parts, 1)), 1), 1))


class Polynomial(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(0.1)), nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.a * x**2 + self.b * x + 0.1


class TwoOutputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.head = stem(), head(6)

    def forward(self, x):
        x = self.stem(x)
        return self.head(x), x


PICTURE = (3, 19, 23)
relu6 = nn.ReLU6()
NAMED = {
    "resnet18": (nn.Sequential(conv_bn(3, 6, 7, 2, 3, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1), Residual(6, 6), Residual(6, 8, 2),
                               nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(1), nn.Linear(8, 5)), (3, 31, 27)),
    "resnet50": (nn.Sequential(stem(), Residual(6, 16, 1, True), Residual(16, 16, 2, True), Residual(16, 16, 1, True),
                               head(16)), PICTURE),
    "vgg16_bn": (Vgg(4), (3, 16, 16)),
    "mobilenet_v2": (nn.Sequential(conv_bn(3, 4, 3, 2, 1, act=relu6), Inverted(4, 4, 1, 2, relu6), Inverted(4, 6, 2, 3, relu6),
                                   Inverted(6, 6, 1, 2, relu6), conv_bn(6, 12, 1, act=relu6),
                                   Lambda(lambda x: F.adaptive_avg_pool2d(x, (1, 1)).reshape(x.shape[0], -1)),
                                   nn.Dropout(0.2), nn.Linear(12, 5)), PICTURE),
    "densenet": (nn.Sequential(conv_bn(3, 6, 3, 2, 1, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1), Dense(6, 3, 3),
                               nn.Conv2d(15, 7, 1, bias=False), nn.AvgPool2d(2, 2), Dense(7, 3, 2), head(13)), (3, 32, 24)),
    "squeezenet": (nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(6, 3, 4),
                                 nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8, 3, 4), nn.Dropout(), nn.Conv2d(8, 5, 1),
                                 nn.ReLU(True), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()), (3, 35, 31)),
    "googlenet": (Normalised(), PICTURE),
    "shufflenet_v1": (nn.Sequential(stem(o=8), ShuffleV1(8, 2), ShuffleV1(8, 4), head(8)), PICTURE),
    "shufflenet_v2": (nn.Sequential(stem(o=8), ShuffleV2(8), ShuffleV2(8), head(8)), PICTURE),
    "mlp": (nn.Sequential(nn.Linear(20, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 12),
                          nn.LeakyReLU(), nn.Linear(12, 5), nn.LogSoftmax(dim=1)), (20,)),
    "conv1d": (nn.Sequential(nn.Conv1d(4, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2),
                             nn.Conv1d(8, 8, 3, padding=1, groups=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1),
                             Lambda(lambda x: x.squeeze(-1)), nn.Linear(8, 5)), (4, 33)),
    "polynomial": (nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), Polynomial(), head(6)), PICTURE),
    "crelu": (nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Lambda(lambda x: F.relu(torch.cat([x, -x], 1))), head(8)), PICTURE),
    "joined_twice": (nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Lambda(lambda x: F.relu(torch.cat([x, x], 1))), head(8)), PICTURE),
    "two_outputs": (TwoOutputs(), PICTURE),
    "permuted": (nn.Sequential(stem(), Lambda(lambda x: x.permute(0, 2, 3, 1).flatten(1)), nn.Linear(6 * 10 * 12, 5)), PICTURE),
}
for name, function in {
    "mean_keepdim": lambda x: x.mean((2, 3), keepdim=True).flatten(1), "mean_of_means": lambda x: x.mean(3).mean(2),
    "mean_of_rows": lambda x: x.mean(3).flatten(1), "amax": lambda x: x.amax((2, 3)), "sum": lambda x: x.sum((2, 3)) / 120,
    "view": lambda x: x.view(x.shape[0], -1), "reshape": lambda x: x.reshape(-1, 6 * 10 * 12),
    "adaptive_max": lambda x: F.adaptive_max_pool2d(x, 1).squeeze(-1).squeeze(-1), "index": lambda x: x.mean((2, 3), True)[:, :, 0, 0],
    "slice": lambda x: x.mean((2, 3))[:, 1:5],
}.items():
    features = {"view": 720, "reshape": 720, "mean_of_rows": 60, "slice": 4}.get(name, 6)
    NAMED["head_" + name] = (nn.Sequential(stem(), head(features, function, bias=False)), PICTURE)
for name, act in {
    "leaky_default": nn.LeakyReLU(), "leaky_third": nn.LeakyReLU(0.3), "hardsigmoid": nn.Hardsigmoid(), "relu6": nn.ReLU6(),
    "hardtanh": nn.Hardtanh(-2, 2), "prelu": nn.PReLU(), "threshold": Lambda(lambda x: x.clamp(min=0.25)),
}.items():
    NAMED["act_" + name] = (nn.Sequential(stem(act), head(6)), PICTURE)
for name, function in {
    "softmax": lambda y: F.softmax(y, -1), "sigmoid": torch.sigmoid, "tanh": torch.tanh, "argmax": lambda y: y.argmax(1),
    "argmax_of_softmax": lambda y: F.softmax(y, 1).argmax(1, keepdim=True), "temperature": lambda y: y / 0.07,
}.items():
    NAMED["output_" + name] = (nn.Sequential(stem(), head(6), Lambda(function)), PICTURE)


def random_network(seed):
    r = np.random.default_rng(seed)
    c = int(r.integers(3, 8))
    layers = [conv_bn(3, c, (int(r.integers(1, 4)), int(r.integers(1, 4))), (1, int(r.integers(1, 3))), (int(r.integers(0, 2)), 1),
                      act=nn.ReLU())]
    for _ in range(int(r.integers(1, 4))):
        kind = r.choice(["dense", "inverted", "fire", "shuffle", "padded", "twice", "scaled", "sum", "grouped", "pool", "leaky"])
        if kind == "dense":
            g, n = int(r.integers(1, 4)), int(r.integers(1, 4))
            layers.append(Dense(c, g, n))
            c += g * n
        elif kind == "inverted":
            o = c if r.random() < 0.5 else int(r.integers(3, 8))
            act = [nn.ReLU6(), nn.ReLU(), nn.LeakyReLU(0.1)][int(r.integers(3))]
            layers += [Inverted(c, o, int(r.integers(1, 3)), 2, act), nn.ReLU()]
            c = o
        elif kind == "fire":
            layers.append(Fire(c, 3, 4))
            c = 8
        elif kind == "shuffle":
            layers.append(nn.Sequential(conv_bn(c, 8, 1, act=nn.ReLU()), ShuffleV1(8, 2) if r.random() < 0.5 else ShuffleV2(8)))
            c = 8
        elif kind == "padded":
            layers.append(PaddedResidual(c, c + int(r.integers(0, 4)), int(r.integers(1, 3))))
            c = layers[-1].body[0].out_channels
        elif kind == "twice":
            o = int(r.integers(1, 4))
            layers.append(Twice(c, o, r.random() < 0.5))
            c = 2 * o + 2
        elif kind == "scaled":
            o = int(r.integers(3, 7))
            layers.append(Scaled(c, o, float(10.0 ** r.integers(-6, 9))))
            c = o
        elif kind == "sum":
            layers.append(Sum(c, float(10.0 ** r.integers(0, 6))))
        elif kind == "grouped":
            layers.append(conv_bn(c, 2 * c, 3, 1, (1, 0), c if r.random() < 0.5 else 1, act=nn.LeakyReLU(float(r.choice([0.01, 0.2, 0.125])))))
            c *= 2
        elif kind == "pool":
            layers.append([nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 2, 1, count_include_pad=False),
                           nn.AvgPool2d((2, 3), (1, 2), (1, 1), ceil_mode=True)][int(r.integers(3))])
        else:
            layers += [nn.Conv2d(c, c, 1), nn.LeakyReLU(float(r.choice([0.01, 0.05, 0.3, 0.25]))), nn.MaxPool2d(2)]
    function = [lambda x: x.mean((2, 3)), lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), lambda x: x.amax((2, 3))][int(r.integers(3))]
    layers.append(head(c, function))
    if r.random() < 0.3:
        layers.append(nn.Softmax(1))
    return nn.Sequential(*layers), (3, int(r.integers(9, 18)), int(r.integers(9, 18))), int(r.integers(1, 4))


def initialise(net, seed):
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            module.running_mean.copy_(torch.randn_like(module.running_mean) * 0.2)
            module.running_var.copy_(torch.rand_like(module.running_var) + 0.5)
            module.weight.data = torch.rand_like(module.weight) + 0.5
            module.bias.data = torch.randn_like(module.bias) * 0.2
        elif isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            module.reset_parameters()
    for module in net.modules():
        if isinstance(module, Scaled):
            module.reset()
    return net.eval()


def exported(net, x, dynamo, opset, dynamic):
    file = io.BytesIO()
    if dynamo:
        shapes = ({0: torch.export.Dim("batch")},) if dynamic and x.shape[0] > 1 else None
        torch.onnx.export(net, (x,), dynamo=True, opset_version=opset, dynamic_shapes=shapes, verbose=False).save(file)
    else:
        torch.onnx.export(net, (x,), file, dynamo=False, opset_version=opset, input_names=["input"],
                          dynamic_axes={"input": {0: "batch"}} if dynamic else None)
    model = onnx.load_from_string(file.getvalue())
    for node in model.graph.node:  # what it says of the source's lines
        node.doc_string = ""
        del node.metadata_props[:]
    return model.SerializeToString()


def stored(records, case, net, x, dynamo, opset, dynamic):
    with torch.no_grad():
        y = net(x)
    y = (y[0] if isinstance(y, tuple) else y).numpy().astype(np.float32)
    model = exported(net, x, dynamo, opset, dynamic)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    np.testing.assert_allclose(found, y, rtol=1e-3, atol=1e-4 * max(1, np.abs(y).max()))
    records[case + "/model.onnx"] = model
    records[case + "/input_0.pb"] = numpy_helper.from_array(x.numpy()).SerializeToString()
    records[case + "/output_0.pb"] = numpy_helper.from_array(y).SerializeToString()


records = {}
r = np.random.default_rng(5)
for name, (net, shape) in NAMED.items():
    for dynamo in (False, True):
        opset = int(r.choice([18, 20, 22, 23] if dynamo else [13, 14, 16, 17, 18, 20]))
        net = initialise(net, 3)
        x = torch.randn(2, *shape)
        stored(records, f"torch/{name}-{'dynamo' if dynamo else 'script'}-{opset}", net, x, dynamo, opset, bool(r.random() < 0.6))
seed = count = 0
while count < 60:
    seed += 1
    net, shape, batch = random_network(seed)
    net = initialise(net, seed)
    dynamo = seed % 5 == 0
    opset = int(r.choice([18, 20, 23] if dynamo else [13, 15, 17, 20]))
    x, dynamic = torch.randn(batch, *shape), bool(r.random() < 0.5)
    try:
        with torch.no_grad():
            net(x)
    except RuntimeError:
        continue  # a picture smaller than a window
    try:
        stored(records, f"torch-random/{seed:03}", net, x, dynamo, opset, dynamic)
        count += 1
    except AssertionError:
        pass  # PyTorch and onnxruntime divide a window by different counts where ceil_mode meets padding that counts
pack.write(FOLDER + "/torch.pack", records)
