"""Writes torch-digits.onnx, an ONNX file as PyTorch writes it, with inputs (torch-digits-input.pb) and PyTorch's own
outputs for them (torch-digits-output.pb).

usage: python torch_digits.py     (needs torch, onnx, onnxscript, onnxruntime, numpy; made with torch 2.15.0, onnx 1.23.2)

A small network trained for some seconds on the handwritten digits that the package ships: batch normalisation, a residual
sum whose shortcut takes every second pixel, groups, maxima, dropout, a softmax. The samples are held-out ones.
"""
import gzip
import os

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn

FOLDER = os.path.dirname(os.path.abspath(__file__))
DIGITS = FOLDER + "/../../../Sources/Training/Resources/digits.csv.gz"
torch.manual_seed(7)
torch.set_num_threads(1)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.body, self.body_norm = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2), nn.BatchNorm2d(8)
        self.pool, self.dropout, self.head = nn.MaxPool2d(2), nn.Dropout(0.1), nn.Linear(8 * 2 * 2, 10)

    def logits(self, x):
        x = torch.relu(self.stem_norm(self.stem(x)))
        x = torch.relu(self.body_norm(self.body(x)) + x[:, :, ::2, ::2])
        return self.head(self.dropout(torch.flatten(self.pool(x), 1)))

    def forward(self, x):
        return torch.softmax(self.logits(x), 1)


rows = np.loadtxt(gzip.open(DIGITS, "rt"), delimiter=",", dtype=np.float32)
x, y = torch.tensor(rows[:, :64] / 16).reshape(-1, 1, 8, 8), torch.tensor(rows[:, 64]).long()
network = Network()
optimizer = torch.optim.Adam(network.parameters(), 3e-3)
for epoch in range(25):
    order = torch.randperm(1400)
    for start in range(0, 1400, 50):
        part = order[start:start + 50]
        loss = nn.functional.cross_entropy(network.logits(x[part]), y[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
network.eval()
with torch.no_grad():
    print("accuracy", (network(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
    data = x[1400:1440].contiguous()
    output = network(data)
path = FOLDER + "/torch-digits.onnx"
torch.onnx.export(
    network, (data[:2],), path, input_names=["picture"], output_names=["probabilities"], dynamo=True, external_data=False,
    dynamic_shapes=({0: torch.export.Dim("N")},))
model = onnx.load(path)
for node in model.graph.node:
    del node.metadata_props[:]  # where the exporter ran, and from which lines
    node.doc_string = ""
for value in list(model.graph.value_info) + list(model.graph.input) + list(model.graph.output):
    del value.metadata_props[:]
del model.graph.metadata_props[:]
del model.metadata_props[:]
onnx.save(model, path)
again = onnxruntime.InferenceSession(path).run(None, {"picture": data.numpy()})[0]
np.testing.assert_allclose(again, output.numpy(), rtol=1e-4, atol=1e-5)
for name, array in (("input", data), ("output", output)):
    open(f"{FOLDER}/torch-digits-{name}.pb", "wb").write(numpy_helper.from_array(array.numpy()).SerializeToString())
