"""Masks of torch-pruning on a Keras network: found by it, proven to be the same cut, and made ready here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from library.described import Step, described
from library.measured_refit import RefitMeasure
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelMap, slice_model
from stamp_tf.data import ImageSet

_PROGRAM = Path(__file__).parents[1] / "torch_criteria.py"
_CLOSE = 1e-3
"""Logits in float32 of the two sides differ by no more than this fraction of the largest."""


def peer_masks(
    measure: RefitMeasure, *, budgets: Sequence[float], torch_python: str
) -> Iterator[tuple[dict[str, Any], ChannelMask | None]]:
    """Yield a criterion with its budget, and the mask of what it keeps; None where it failed, and why.

    Args:
        measure: The network and its images.
        budgets: Fractions of the FLOPs.
        torch_python: A Python with PyTorch and torch-pruning.

    Raises:
        AssertionError: If the two sides do not compute the same, in full or cut.
    """
    target = measure.target
    model = measure.full_model()
    steps, weights = described(model)
    train = target.dataset.train
    assert isinstance(train, ImageSet)
    images = target.normalization(train.images).astype("float32")
    channel_map = target.reference.channel_map
    with TemporaryDirectory() as name:
        folder = Path(name)
        kernels: dict[str, Any] = {key: value.astype("float32") for key, value in weights.items()}
        np.savez(folder / "weights.npz", **kernels)
        np.savez(folder / "images.npz", images=images, labels=train.labels.astype("int64"))
        asked = {"steps": steps, "budgets": list(budgets), "ignored": _ignored(steps)}
        (folder / "asked.json").write_text(json.dumps(asked))
        subprocess.run([torch_python, str(_PROGRAM), str(folder)], check=True)
        answer = json.loads((folder / "kept.json").read_text())
    _expect_close(model, images[:1], answer["logits"])
    for one in answer["kept"]:
        logits, kept = one.pop("logits", None), one.pop("kept", None)
        one["versions"] = answer["versions"]
        if kept is None:
            yield one, None
            continue
        mask = _mask_of(kept, channel_map)
        _expect_close(slice_model(model, channel_map, mask), images[:1], logits)
        flops = float(target.cost.exact_fractions(mask)[1])
        assert abs(flops - one["flops_fraction"]) < 1e-3, (flops, one)
        yield one, mask


def _ignored(steps: list[Step]) -> list[str]:
    """Return the layers that torch-pruning leaves alone: the last, and what is added where a shortcut is sliced.

    It fails on the shortcut without parameters, whose channels it takes for those of the sum.
    """
    last = next(step["name"] for step in reversed(steps) if step["do"] == "Dense")
    is_sliced = any(step["do"] == "channels of zeros" for step in steps)
    return [last, *(sorted(_added(steps)) if is_sliced else [])]


def _added(steps: list[Step]) -> set[str]:
    """Return the convolutions whose outputs reach a sum, whatever scales them on the way."""
    by_name = {step["name"]: step for step in steps}
    waiting = [name for step in steps if step["do"] == "Add" for name in step["reads"]]
    found = set()
    while waiting:
        name = waiting.pop()
        if name != "input" and by_name[name]["do"] == "convolution":
            found.add(name)
        elif name != "input" and by_name[name]["do"] != "Add":
            waiting += by_name[name]["reads"]
    return found


def _mask_of(kept: dict[str, list[int]], channel_map: ChannelMap) -> ChannelMask:
    values = np.ones(channel_map.num_channels, "float32")
    for axis in channel_map.weight_axes:
        name = axis.path.split("/")[-2].replace(".", "_")
        if axis.role == "producer" and name in kept and axis.path.endswith("kernel"):
            gone = np.setdiff1d(np.arange(len(axis.channels)), kept[name])
            values[axis.channels[gone]] = 0.0
    return ChannelMask(values)


def _expect_close(model: keras.Model, images: np.ndarray, logits: list[list[float]]) -> None:
    ours, theirs = np.asarray(model.predict_on_batch(images)), np.asarray(logits)
    assert np.abs(ours - theirs).max() <= _CLOSE * max(1.0, np.abs(theirs).max()), (ours, theirs)
