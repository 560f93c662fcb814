"""torch-pruning's part of `peers.py`: a process that answers one JSON line with another.

Started by `peers.py --torch-python`, with PyTorch and torch-pruning installed. It does on a PyTorch network what
`KerasSide` does on the same Keras network, under the same names.
"""

import copy
import gc
import json
import os
import sys
import time
from importlib.metadata import version
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn
from torch_networks import NETWORKS

_KINDS = (nn.Conv2d, nn.Linear)


class TorchSide:
    """One network, traced and pruned by torch-pruning."""

    def open(self, network: str, image_size: int, num_classes: int, seed: int) -> dict[str, Any]:
        """Build the network and say what it costs, and what share of it can be removed."""
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.models = {"full": NETWORKS[network](num_classes)}
        self.shape = (3, image_size, image_size)
        self.num_classes = num_classes
        self.steps: dict[tuple[str, str], Any] = {}
        model = self.models["full"]
        groups = self._groups(self._traced(model), model)
        return {
            **self._cost(model),
            "num_groups": len(groups),
            "removable_share": _removable_share(model, groups),
            "versions": {package: version(package) for package in ("torch", "torch-pruning")},
        }

    def trace(self) -> dict[str, Any]:
        """Time the dependency graph, it with the list of all groups, and the copy that pruning in place needs."""
        gc.collect()  # Else what other steps left behind is cleared away within this one.
        copying = time.process_time()
        self.copy = copy.deepcopy(self.models["full"])
        started = time.process_time()
        self.graph = self._traced(self.copy)
        traced = time.process_time()
        self._groups(self.graph, self.copy)
        return {
            "seconds": time.process_time() - started,
            "seconds_of_graph": traced - started,
            "seconds_of_copy": started - copying,
        }

    def remove(self, seed: int) -> dict[str, Any]:
        """Time the removal of half the channels of every group, in place, from the network traced last."""
        generator = torch.Generator().manual_seed(seed)
        chosen = []
        for group in self._groups(self.graph, self.copy):
            dependency, indices = group[0]
            order = torch.randperm(len(indices), generator=generator)[: len(indices) // 2]
            chosen.append((dependency.target.module, dependency.handler, order.tolist()))
        gc.collect()
        started = time.process_time()
        for module, handler, indices in chosen:
            if indices:
                self.graph.get_pruning_group(module, handler, indices).prune()
        seconds = time.process_time() - started
        self.models["pruned"] = self.copy
        return {"seconds": seconds, **self._cost(self.copy)}

    def step(self, model: str, kind: str, batch_size: int) -> dict[str, Any]:
        """Time one inference or training step."""
        network = self.models[model]
        generator = torch.Generator().manual_seed(0)
        images = torch.randn((batch_size, *self.shape), generator=generator)
        labels = torch.randint(self.num_classes, (batch_size,), generator=generator)
        if kind == "inference":
            network.eval()
            with torch.inference_mode():
                started = time.process_time()
                network(images)
                return {"seconds": time.process_time() - started}
        network.train()
        key = (model, kind)
        if key not in self.steps:
            # A rate of zero costs what any rate costs, and random labels cannot drive the weights to infinity.
            self.steps[key] = torch.optim.SGD(network.parameters(), lr=0.0, momentum=0.9)
        optimizer = self.steps[key]
        started = time.process_time()
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        return {"seconds": time.process_time() - started}

    def _traced(self, model: nn.Module) -> Any:
        model.eval()
        return torch_pruning.DependencyGraph().build_dependency(model, torch.randn(1, *self.shape))

    @staticmethod
    def _groups(graph: Any, model: nn.Module) -> list[Any]:
        """Return all groups but the logits'."""
        return list(graph.get_all_groups(ignored_layers=[model.logits]))

    def _cost(self, model: nn.Module) -> dict[str, int]:
        """Return trainable parameters, and multiply-adds of one image counted while it passes."""
        flops = 0

        def count(module: nn.Module, _: Any, output: Tensor) -> None:
            nonlocal flops
            flops += module.weight.numel() * (output.shape[2] * output.shape[3] if output.ndim == 4 else 1)

        hooks = [
            module.register_forward_hook(count) for module in model.modules() if isinstance(module, _KINDS)
        ]
        model.eval()
        with torch.inference_mode():
            model(torch.zeros(1, *self.shape))
        for hook in hooks:
            hook.remove()
        return {"parameters": sum(weight.numel() for weight in model.parameters()), "flops": flops}


def _removable_share(model: nn.Module, groups: list[Any]) -> float:
    """Return the parameters within groups / all of convolutions and linear layers.

    A number stays only if neither its output nor its input belongs to a group.
    """
    graph_functions = torch_pruning.DependencyGraph()
    outputs: dict[nn.Module, set[int]] = {}
    inputs: dict[nn.Module, set[int]] = {}
    for group in groups:
        for dependency, indices in group:
            module = dependency.target.module
            if not isinstance(module, _KINDS):
                continue
            is_output = graph_functions.is_out_channel_pruning_fn(dependency.handler)
            (outputs if is_output else inputs).setdefault(module, set()).update(indices)
    total = kept = 0
    for module in model.modules():
        if not isinstance(module, _KINDS):
            continue
        num_outputs, num_inputs, *kernel = module.weight.shape
        kept_outputs = num_outputs - len(outputs.get(module, ()))
        # A depthwise kernel's only input goes with its output.
        kept_inputs = (
            num_inputs - len(inputs.get(module, ())) if getattr(module, "groups", 1) == 1 else num_inputs
        )
        total += module.weight.numel()
        kept += kept_outputs * kept_inputs * int(torch.tensor(kernel).prod())
        if module.bias is not None:
            total += num_outputs
            kept += kept_outputs
    return 1 - kept / total


def main() -> None:
    """Answer requests `{"do": name, ...}` until the input ends."""
    # What torch-pruning prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = sys.stderr
    side = TorchSide()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(side, request.pop("do"))(**request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
