"""The package against the Swift trainer's stored numbers, and its own exact cases."""
import collections
import copy
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    raise unittest.SkipTest("torch is not installed: the tests of polympc_torch are skipped")

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import polympc_torch as p  # noqa: E402

REFERENCES = os.path.join(HERE, "..", "..", "..", "Tests", "TrainingTests", "References")


def table(**changes):
    rows = [dict(layer="0", shape=[1, 4, 4], milliseconds=dict(relu=5.0, x2act=0.5)),
            dict(layer="1", shape=[1, 4, 4], milliseconds=dict(maxpool=3.0, avgpool=0.0))]
    return dict(dict(format=1, network="n", device="d", link="l", protocolName="p", batch=1, fixedMilliseconds=2.0,
                     rows=rows), **changes)


class References(unittest.TestCase):
    """The rules that Tests/TrainingTests holds the Swift trainer to."""

    def compare(self, name, build):
        with open(os.path.join(REFERENCES, "references.json")) as file:
            cases = {case["name"]: case for case in json.load(file)}
        case = cases[name]
        operands = [torch.tensor(v, dtype=torch.float64).view(s) for v, s in zip(case["operands"], case["shapes"])]
        x = operands[0].requires_grad_()
        module, parameters = build(operands[1:])
        output = module(x)
        output.backward(torch.tensor(case["upstream"], dtype=torch.float64).view(output.shape))
        self.assertTrue(torch.allclose(output.detach().flatten(), torch.tensor(case["output"], dtype=torch.float64),
                                       atol=5e-5))
        for leaf, wanted in zip([x] + parameters, case["gradients"]):
            self.assertTrue(torch.allclose(leaf.grad.flatten(), torch.tensor(wanted, dtype=torch.float64), atol=5e-4),
                            name)

    def test_x2act(self):
        def build(values):
            module = p.X2act(scale=8, channels=len(values[0])).double()
            for parameter, value in zip((module.w1, module.w2, module.b), values):
                parameter.data.copy_(value)
            return module, [module.w1, module.w2, module.b]

        self.compare("x2act", build)
        self.compare("x2act channels", build)

    def test_gated_activation(self):
        def build(values):
            gate = p.GatedActivation(clip=6.0, scale=8, channels=3).double()
            for parameter, value in zip((gate.polynomial.w1, gate.polynomial.w2, gate.polynomial.b), values):
                parameter.data.copy_(value)
            gate.alpha.data.copy_(torch.log(values[3]))  # softmax(log p) = p
            return gate, [gate.polynomial.w1, gate.polynomial.w2, gate.polynomial.b]

        self.compare("blendedActivation", build)

    def test_gated_pool(self):
        def build(values):
            gate = p.GatedPool(3, 2, 1).double()
            gate.alpha.data.copy_(torch.log(values[0]))
            return gate, []

        self.compare("blendedPool", build)


def wave(count, salt, scale):
    """The numbers that the references are made of."""
    return torch.tensor([scale * math.sin(0.7 * (i + 1) * (1 + 0.013 * salt) + salt) for i in range(count)],
                        dtype=torch.float64)


def lenet():
    """LeNet, its layers named as in the tables of `polympc hw table`."""
    n = torch.nn

    def layer(weights):
        return n.Sequential(collections.OrderedDict(weights=weights, act=n.ReLU()))

    return n.Sequential(collections.OrderedDict(
        conv1=layer(n.Conv2d(1, 6, 5)), pool1=n.MaxPool2d(2), conv2=layer(n.Conv2d(6, 16, 5)), pool2=n.MaxPool2d(2),
        flatten=n.Flatten(), fc1=layer(n.Linear(256, 120)), fc2=layer(n.Linear(120, 84)), fc3=n.Linear(84, 10)))


class Search(unittest.TestCase):
    """A step of the search of LeNet: the numbers to which SearchReferenceTests.swift holds the Swift trainer."""

    def setUp(self):
        with open(os.path.join(REFERENCES, "search.json")) as file:
            self.reference = json.load(file)
        self.net = p.gated(lenet(), scale=self.reference["scale"]).double()
        self.latency = p.LatencyLoss(p.LatencyTable(self.reference["table"]), self.net, self.reference["weight"])
        self.named = {}
        layers = [m for m in self.net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
        for salt, (name, layer) in enumerate(zip(["conv1", "conv2", "fc1", "fc2", "fc3"], layers)):
            fan_in = layer.weight[0].numel()
            layer.weight.data = wave(layer.weight.numel(), salt, math.sqrt(4 / fan_in)).view_as(layer.weight)
            layer.bias.data = wave(layer.bias.numel(), 10 + salt, 0.1)
            self.named.update({name + ".weight": layer.weight, name + ".bias": layer.bias})
        activations = [(name, gate) for name, gate in p.gates_of(self.net) if isinstance(gate, p.GatedActivation)]
        for salt, (name, gate) in enumerate(activations):
            start = dict(w1=0.5 - 0.25 * salt, w2=0.75 + 0.125 * salt, b=0.125 * salt - 0.25)
            for key, value in start.items():
                getattr(gate.polynomial, key).data.fill_(value)
                self.named[f"{name}.{key}"] = getattr(gate.polynomial, key)
        self.alphas = [gate.alpha for _, gate in p.gates_of(self.net)]
        for salt, alpha in enumerate(self.alphas):
            alpha.data = wave(2, 30 + salt, 1.0)
        self.pictures = [wave(6 * 784, 20 + k, 1.5).view(6, 1, 28, 28) for k in range(2)]
        self.labels = [torch.tensor([(7 * i + 3 * k) % 10 for i in range(6)]) for k in range(2)]

    def training(self):
        return torch.nn.functional.cross_entropy(self.net(self.pictures[0]), self.labels[0])

    def validation(self):
        return torch.nn.functional.cross_entropy(self.net(self.pictures[1]), self.labels[1]) + self.latency()

    def close(self, found, wanted, tolerance):
        for a, b in zip(found, wanted, strict=True):
            self.assertLess((a.detach().flatten() - torch.tensor(b, dtype=torch.float64).flatten()).abs().max().item(),
                            tolerance)

    def test_forward_backward_and_latency(self):
        self.close(self.net(self.pictures[0]), self.reference["logits"], 1e-9)
        self.assertAlmostEqual(self.training().item(), self.reference["trainingLoss"], places=9)
        self.assertAlmostEqual(self.latency.milliseconds().item(), self.reference["milliseconds"], places=9)
        self.assertAlmostEqual(self.validation().item(), self.reference["validationLoss"], places=9)
        wanted = self.reference["gradients"]
        self.close(torch.autograd.grad(self.training(), [self.named[name] for name in wanted]), wanted.values(), 1e-9)

    def test_orders(self):
        weights = list(self.named.values())
        for rate, wanted in [(0, self.reference["first"]), (self.reference["rate"], self.reference["second"])]:
            found = p.architecture_gradient(weights, self.alphas, self.training, self.validation, rate)
            self.close(found, wanted, 1e-9)
        gap = max(abs(a - b) for f, s in zip(self.reference["first"], self.reference["second"]) for a, b in zip(f, s))
        self.assertGreater(gap, 1e-3)


class Behaviour(unittest.TestCase):
    def test_negative_operands_reach_the_polynomial(self):
        x = torch.tensor([[-3.0]])
        gate = p.GatedActivation()
        gate.polynomial.w1.data.fill_(2), gate.polynomial.w2.data.fill_(-1), gate.polynomial.b.data.fill_(0.5)
        self.assertEqual(gate.polynomial(x).item(), 21.5)
        self.assertEqual(gate(x).item(), 10.75)
        self.assertEqual(x.item(), -3)

    def test_moments(self):
        # Residual against ReLU is orthogonal to 1, t, t^2 under the normal weight.
        for mean, deviation in [(0.0, 1.0), (0.7, 2.0), (-1.5, 0.6)]:
            a, b, c = p.gaussian_quadratic(mean, deviation)
            t = torch.linspace(-10, 10, 40001, dtype=torch.float64)
            x = mean + deviation * t
            weight = torch.exp(-t * t / 2) / math.sqrt(2 * math.pi) * (t[1] - t[0])
            error = weight * (x.clamp(min=0) - a * x * x - b * x - c)
            for power in range(3):
                self.assertLess(abs((error * t ** power).sum().item()), 1e-5)

    def test_latency(self):
        net = p.gated(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool2d(2)))
        loss = p.LatencyLoss(p.LatencyTable(table()), net, 0.5)
        self.assertAlmostEqual(loss.milliseconds().item(), 2 + 2.75 + 1.5)
        loss().backward()
        # d/dalpha_0 of share * 5 + (1 - share) * 0.5 at share 1/2, times 0.5.
        self.assertAlmostEqual(net[0].alpha.grad[0].item(), 0.5 * 0.25 * 4.5)
        net[0].alpha.data.copy_(torch.tensor([-1.0, 1.0]))
        net[1].alpha.data.copy_(torch.tensor([1.0, -1.0]))
        derived = p.derive(net)
        self.assertIsInstance(derived[0], p.X2act)
        self.assertIsInstance(derived[1], torch.nn.MaxPool2d)

    def test_tables_are_checked(self):
        bad = table()
        bad["rows"][1]["layer"] = "0"
        for wrong in (bad, table(format=2), table(fixedMilliseconds=-1), table(fixedMilliseconds=float("nan"))):
            with self.assertRaises(ValueError):
                p.LatencyTable(wrong)
        net = p.gated(torch.nn.Sequential(torch.nn.ReLU()))
        with self.assertRaises(KeyError):
            p.LatencyLoss(p.LatencyTable(table(rows=[])), net, 1)

    def test_second_order(self):
        # The toy of the Swift trainer's test: L_train = alpha w^2 + w, L_val = w^2 / 2 + 3 alpha w.
        for alpha, weight, rate in [(0.5, 2.0, 0.25), (-1.0, 0.5, 0.125), (2.0, -1.5, 0.0625)]:
            w = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
            a = torch.tensor(alpha, dtype=torch.float64, requires_grad=True)
            found = p.architecture_gradient([w], [a], lambda: a * w * w + w, lambda: w * w / 2 + 3 * a * w, rate)[0]
            ahead = weight - rate * (2 * alpha * weight + 1)
            self.assertAlmostEqual(found.item(), 3 * ahead - (ahead + 3 * alpha) * rate * 2 * weight, places=8)
            self.assertEqual(w.item(), weight)
            first = p.architecture_gradient([w], [a], lambda: a * w * w + w, lambda: w * w / 2 + 3 * a * w, 0)[0]
            self.assertAlmostEqual(first.item(), 3 * weight)

    def test_copies_are_independent(self):
        gate = p.GatedActivation()
        other = copy.deepcopy(gate)
        other.alpha.data.fill_(3)
        self.assertEqual(gate.alpha.tolist(), [0, 0])


class Statistics(unittest.TestCase):
    def test_frozen_statistics(self):
        norm = torch.nn.BatchNorm1d(3)
        x = torch.randn(8, 3) + 2
        with p.frozen_statistics(norm):
            self.assertLess(norm(x).mean().abs().item(), 1e-5)
            self.assertEqual(norm.num_batches_tracked.item(), 1)
        self.assertEqual(norm.running_mean.tolist(), [0, 0, 0])
        self.assertEqual(norm.num_batches_tracked.item(), 0)
        norm(x)
        self.assertNotEqual(norm.running_mean.tolist(), [0, 0, 0])


class Export(unittest.TestCase):
    def setUp(self):
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            self.skipTest(f"{error.name} is not installed: the export is not tested")
        self.onnx, self.runtime = onnx, onnxruntime

    def test_runtime_agrees(self):
        torch.manual_seed(5)
        n = torch.nn
        net = n.Sequential(
            n.Conv2d(1, 4, 3, padding=1, bias=False), n.BatchNorm2d(4), n.ReLU(), n.MaxPool2d(2), n.Conv2d(4, 6, 3),
            n.ReLU6(), n.MaxPool2d(2, 1), n.Flatten(), n.Linear(6, 5))
        net(torch.randn(16, 1, 8, 8) * 2 + 1)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "net.onnx")
            p.gated(net, scale=3)
            with self.assertRaises(ValueError):
                p.export_onnx(net, torch.randn(1, 1, 8, 8), path)
            # The first activation and pooling become polynomials, the others stay.
            for (_, gate), lead in zip(p.gates_of(net), [-1.0, -1.0, 1.0, 1.0]):
                gate.alpha.data[0] = lead
                if isinstance(gate, p.GatedActivation):
                    gate.polynomial.w1.data.fill_(0.7), gate.polynomial.b.data.fill_(-0.2)
            p.derive(net)
            self.assertEqual([type(part).__name__ for part in net][2:4], ["X2act", "AvgPool2d"])
            self.assertTrue(net.training)
            p.export_onnx(net, torch.randn(1, 1, 8, 8), path)
            self.assertTrue(net.training)
            model = self.onnx.load(path)
            self.onnx.checker.check_model(model)
            self.assertLessEqual(
                {node.op_type for node in model.graph.node},
                {"Conv", "BatchNormalization", "Mul", "Add", "AveragePool", "MaxPool", "Clip", "Flatten", "Gemm",
                 "Constant", "Identity"})
            session = self.runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
            net.eval()
            for _ in range(4):
                x = torch.randn(1, 1, 8, 8) * 2 + 1
                found = torch.tensor(session.run(["logits"], dict(input=x.numpy()))[0])
                self.assertTrue(torch.allclose(found, net(x), atol=1e-4))


class Processes(unittest.TestCase):
    """torchrun with two processes on one machine, over gloo."""

    def torchrun(self, *arguments, count=2):
        if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
            self.skipTest("this torch has no gloo: torchrun is not tested")
        done = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}", *arguments],
            capture_output=True, text=True, timeout=300, env=dict(os.environ, OMP_NUM_THREADS="1"))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_gradient_is_that_of_one_process(self):
        with tempfile.TemporaryDirectory() as folder:
            worker = os.path.join(HERE, "worker.py")
            alone = subprocess.run([sys.executable, worker, folder], capture_output=True, text=True, timeout=300)
            self.assertEqual(alone.returncode, 0, alone.stderr)
            self.torchrun(worker, folder)
            wanted = torch.load(os.path.join(folder, "0of1.pt"))
            for rank in range(2):
                found = torch.load(os.path.join(folder, f"{rank}of2.pt"))
                self.assertEqual(found.keys(), wanted.keys())
                for name in wanted:
                    # Means of two halves against one mean, in float64.
                    self.assertTrue(torch.allclose(found[name], wanted[name], rtol=1e-6, atol=1e-10), name)

    def test_search_of_digits(self):
        rows = [dict(layer="conv1.act", shape=[16, 8, 8], milliseconds=dict(relu=8.0, x2act=0.1)),
                dict(layer="conv2.act", shape=[32, 4, 4], milliseconds=dict(relu=0.1, x2act=8.0))]
        with tempfile.TemporaryDirectory() as folder:
            path, output = os.path.join(folder, "table.json"), os.path.join(folder, "digits.onnx")
            with open(path, "w") as file:
                json.dump(table(rows=rows), file)
            lines = self.torchrun(
                os.path.join(HERE, "..", "search_digits.py"), "--table", path, "--lambda", "0.5", "--alpha-rate", "0.1",
                "--epochs", "4", "--output", output).splitlines()
            result = json.loads(lines[-1])
            # The table makes the polynomial cheap in one layer and dear in the other.
            self.assertEqual(result["kept"], {"conv1.act": "x2act", "conv2.act": "relu"})
            self.assertEqual(result["processes"], 2)
            self.assertGreater(result["accuracy"], 0.85)
            self.assertTrue(os.path.exists(output))


if __name__ == "__main__":
    unittest.main()
