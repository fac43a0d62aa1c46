"""Latency tables of `polympc hw table`, and the loss they make."""
import json
import math

from torch import nn

from .gates import gates_of


class LatencyTable:
    """Milliseconds of each choice of each layer, and of everything without a choice."""

    def __init__(self, table):
        if table.get("format") != 1:
            raise ValueError(f"latency table: format {table.get('format')} is not 1")
        self.fixed = self._number(table["fixedMilliseconds"], "fixedMilliseconds")
        self.rows = {}
        for row in table["rows"]:
            if row["layer"] in self.rows:
                raise ValueError(f"latency table: the layer {row['layer']} has two rows")
            self.rows[row["layer"]] = {choice: self._number(value, row["layer"])
                                       for choice, value in row["milliseconds"].items()}

    @staticmethod
    def _number(value, where):
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise ValueError(f"latency table: {where} has a latency that is negative or not finite")
        return float(value)

    @classmethod
    def read(cls, path):
        with open(path) as file:
            return cls(json.load(file))

    def costs(self, layer, choices):
        """Milliseconds of both choices of a layer."""
        if layer not in self.rows:
            raise KeyError(f"latency table: the layer {layer} has no row; write the table for this network")
        return [self.rows[layer][choice] for choice in choices]


class LatencyLoss(nn.Module):
    """`weight` times the expected milliseconds of a gated module.

    `names` maps names of gates to layers of the table, where they differ.
    """

    def __init__(self, table, module, weight, names=None):
        super().__init__()
        self.table, self.weight = table, weight
        self.parts = [(gate, table.costs((names or {}).get(name, name), gate.choices))
                      for name, gate in gates_of(module)]
        if not self.parts:
            raise ValueError("LatencyLoss: the module has no gates")

    def milliseconds(self):
        return self.table.fixed + sum((gate.shares * gate.alpha.new_tensor(cost)).sum() for gate, cost in self.parts)

    def forward(self):
        return self.weight * self.milliseconds()
