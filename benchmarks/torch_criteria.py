"""torch-pruning's part of `peers_accuracy.py`: which channels its criteria keep of a network, and what is left then.

Started by `peers_accuracy.py --torch-python`, with a folder in which it finds the network and images, and leaves
`kept.json`. Runs with PyTorch, torch-pruning and NumPy alone.
"""

import copy
import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import Tensor, nn
from torch.nn import functional

_CRITERIA = {
    "L1": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=1),
    "L2": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=2),
    "batch-norm scale": torch_pruning.importance.BNScaleImportance,
    "Taylor": torch_pruning.importance.GroupTaylorImportance,
    "LAMP": lambda: torch_pruning.importance.LAMPImportance(p=2),
}
_STEPS = 10


class Described(nn.Module):
    """A network that repeats the steps of a Keras one.

    Args:
        steps: As `library.described` wrote them.
        weights: By `step.weight`.
    """

    def __init__(self, steps: list[dict[str, Any]], weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.steps = steps
        for step in steps:
            if (layer := _layer(step, weights)) is not None:
                self.add_module(step["name"], layer)
        self.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `[B, classes]` of images `[B, 3, H, W]`."""
        values = {"input": images}
        for step in self.steps:
            values[step["name"]] = self._done(step, [values[name] for name in step["reads"]])
        return values[self.steps[-1]["name"]]

    def _done(self, step: dict[str, Any], read: list[Tensor]) -> Tensor:
        match step["do"]:
            case "convolution":
                layer = getattr(self, step["name"])
                return layer(_padded_as_keras_does(read[0], layer) if step["padding"] == "same" else read[0])
            case "normalization" | "Dense":
                return getattr(self, step["name"])(read[0])
            case "relu" | "relu6":
                return getattr(functional, step["do"])(read[0])
            case "Add":
                return sum(read[1:], read[0])
            case "padding":
                (top, bottom), (left, right) = step["sizes"]
                return functional.pad(read[0], (left, right, top, bottom))
            case "maximum":
                return functional.max_pool2d(read[0], step["size"], step["strides"])
            case "mean":
                return functional.avg_pool2d(read[0], step["size"], step["strides"])
            case "GlobalAveragePooling2D":
                return torch.flatten(functional.adaptive_avg_pool2d(read[0], 1), 1)
            case "Flatten":
                return torch.flatten(read[0], 1)
            case "every second":
                return read[0][:, :, ::2, ::2]
            case "channels of zeros":
                return functional.pad(read[0], (0, 0, 0, 0, *step["sizes"]))
        raise ValueError(step["do"])


def _layer(step: dict[str, Any], weights: dict[str, np.ndarray]) -> nn.Module | None:
    kernel, has_bias = weights.get(f"{step['name']}.weight"), f"{step['name']}.bias" in weights
    if kernel is None:
        return None
    if step["do"] == "convolution":
        groups = step["groups"]
        return nn.Conv2d(
            kernel.shape[1] * groups,
            kernel.shape[0],
            kernel.shape[2:],
            step["strides"],
            groups=groups,
            bias=has_bias,
        )
    if step["do"] == "normalization":
        return nn.BatchNorm2d(len(kernel), eps=step["epsilon"])
    return nn.Linear(kernel.shape[1], kernel.shape[0], bias=has_bias)


def _padded_as_keras_does(images: Tensor, layer: nn.Conv2d) -> Tensor:
    sizes: list[int] = []
    for size, width, stride in zip(images.shape[2:], layer.kernel_size, layer.stride, strict=True):
        missing = max((-(-size // stride) - 1) * stride + width - size, 0)
        sizes = [missing // 2, missing - missing // 2, *sizes]
    return functional.pad(images, sizes)


class Cutter:
    """Prunes copies of one network.

    Args:
        model: The network.
        ignored: Names of layers whose outputs stay.
        image: An example, `[1, 3, H, W]`.
        gradients: Of the loss, by the name of the parameter.
    """

    def __init__(
        self, model: nn.Module, *, ignored: list[str], image: Tensor, gradients: dict[str, Tensor]
    ) -> None:
        self.model, self.ignored, self.image, self.gradients = model, ignored, image, gradients
        self.full = flops_of(model, image)

    def cut(self, criterion: str, *, is_global: bool, max_flops: float) -> dict[str, Any] | None:
        """Return what is kept at the largest ratio that meets a budget, or None where a criterion failed."""
        low, high, best = 0.0, 1.0, None
        for _ in range(_STEPS):
            ratio = (low + high) / 2
            try:
                model, kept = self._at(criterion, is_global=is_global, ratio=ratio)
                flops = flops_of(model, self.image) / self.full
            except Exception as error:
                return {"failed": f"{type(error).__name__}: {error}"[:200]}
            if flops <= max_flops:
                high, best = ratio, (model, kept, flops)
            else:
                low = ratio
        if best is None:
            return None
        model, kept, flops = best
        with torch.inference_mode():
            logits = model.eval()(self.image)
        return {"kept": kept, "flops_fraction": flops, "logits": logits.tolist()}

    def _at(self, criterion: str, *, is_global: bool, ratio: float) -> tuple[nn.Module, dict[str, list[int]]]:
        model = copy.deepcopy(self.model)
        for name, parameter in model.named_parameters():
            parameter.grad = self.gradients[name].clone()
        names = {layer: name for name, layer in model.named_modules()}
        kept = {
            name: list(range(len(layer.weight)))
            for name, layer in model.named_modules()
            if isinstance(layer, nn.Conv2d)
        }
        pruner = torch_pruning.pruner.BasePruner(
            model,
            self.image,
            _CRITERIA[criterion](),
            global_pruning=is_global,
            pruning_ratio=ratio,
            # One layer must not lose all that it writes.
            max_pruning_ratio=0.95 if is_global else 1.0,
            ignored_layers=[getattr(model, name) for name in self.ignored],
        )
        for group in pruner.step(interactive=True):
            for dependency, indices in group:
                layer = dependency.target.module
                if isinstance(layer, nn.Conv2d) and pruner.DG.is_out_channel_pruning_fn(dependency.handler):
                    name = names[layer]
                    gone = set(indices)
                    kept[name] = [one for place, one in enumerate(kept[name]) if place not in gone]
            group.prune()
        return model, kept


def flops_of(model: nn.Module, image: Tensor) -> int:
    """Return the multiply-adds of convolutions and linear layers for one image."""
    flops = 0

    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal flops
        flops += layer.weight.numel() * (output.shape[2] * output.shape[3] if output.ndim == 4 else 1)

    hooks = [
        layer.register_forward_hook(count)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.inference_mode():
        model.eval()(image)
    for hook in hooks:
        hook.remove()
    return flops


def _gradients(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the gradients of the mean loss, statistics being those of training."""
    model.eval()
    model.zero_grad()
    for batch, target in _batches(images, labels):
        (functional.cross_entropy(model(batch), target, reduction="sum") / len(images)).backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def _batches(images: Tensor, labels: Tensor, size: int = 100) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(images), size):
        yield images[start : start + size], labels[start : start + size]


def main(folder: Path) -> None:
    """Write what every criterion keeps at every budget."""
    torch.set_num_threads(1)
    asked = json.loads((folder / "asked.json").read_text())
    with np.load(folder / "weights.npz") as file:
        weights = dict(file)
    model = Described(asked["steps"], weights).eval()
    with np.load(folder / "images.npz") as file:
        images, labels = (
            torch.from_numpy(file["images"]).permute(0, 3, 1, 2),
            torch.from_numpy(file["labels"]),
        )
    with torch.inference_mode():
        logits = model(images[:1]).tolist()
    gradients = _gradients(model, images, labels)
    cutter = Cutter(model, ignored=asked["ignored"], image=images[:1], gradients=gradients)
    kept = [
        {"criterion": criterion, "is_global": is_global, "max_flops": budget}
        | (
            cutter.cut(criterion, is_global=is_global, max_flops=budget)
            or {"failed": "no ratio met the budget"}
        )
        for budget in asked["budgets"]
        for criterion in _CRITERIA
        for is_global in (False, True)
    ]
    versions = {package: version(package) for package in ("torch", "torch-pruning")}
    (folder / "kept.json").write_text(json.dumps({"logits": logits, "kept": kept, "versions": versions}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
