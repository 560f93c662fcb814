"""One curve of accuracy over time: a network in training, its clock and its points."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import keras
from keras import ops

from library.measured_pruning import full_network
from library.results import UNNAMED_RATE
from library.simpler_references import static_reference
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import slice_model
from stamp_tf.data import Batches, DataSet, Normalization
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.references.layer_arrays import assign_arrays, layer_arrays
from stamp_tf.references.reference import Reference
from stamp_tf.schedules import cosine_rate
from stamp_tf.storage.checkpoints import assign_optimizer, optimizer_arrays
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.reference_steps import compile_plain_step, make_weight_optimizer
from stamp_tf.training.statistics import recalibrate_statistics, statistics_images


class Curve:
    """One method in training: its network, its clock and its points.

    Args:
        case: What it is.
        model: The network, ready for its first step.
        mask: 0/1 per channel of the reference, `[C]`; says how to build the network again.
        figures: What is recorded; `points` and `step_seconds` grow.
        dataset: The target.
    """

    def __init__(
        self,
        case: Mapping[str, Any],
        model: keras.Model,
        *,
        mask: ChannelMask,
        figures: dict[str, Any],
        dataset: DataSet,
    ) -> None:
        self.case, self.model, self.mask, self.figures, self.dataset = case, model, mask, figures, dataset
        self.normalization = Normalization.of(dataset.train)
        self.settings = FinetuneConfig(
            epochs=case["epochs"], seed=case["seed"], learning_rate=case.get("learning_rate", UNNAMED_RATE)
        )
        self.batches = Batches(
            dataset.train,
            self.settings.batch_size,
            normalization=self.normalization,
            seed=self.settings.seed,
            augment=self.settings.augment != "none",
            flip=self.settings.flip and dataset.flips,
        )
        self.optimizer = make_weight_optimizer(
            momentum=self.settings.momentum, weight_decay=self.settings.weight_decay
        )
        self.optimizer.build(model.trainable_variables)
        self.step = compile_plain_step(model, self.optimizer)
        self._position = (0, 0)
        self._epoch: Iterator[Any] = self.batches.epoch(0)

    @property
    def method(self) -> str:
        """Its name."""
        return self.case["method"]

    def compile_step(self) -> None:
        """Trace and compile the step, outside of any clock, and leave all values as they were.

        A function is traced for what it assigns, so the step is taken on the network itself and then undone.
        """
        variables = [*self.model.variables, *self.optimizer.variables]
        values = [ops.convert_to_numpy(variable).copy() for variable in variables]
        started = time.perf_counter()
        self.step(*next(self.batches.epoch(0)))
        self._wait()
        self.figures.setdefault("compile_seconds", time.perf_counter() - started)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def train(self, num_done: int) -> None:
        """Take the steps of one piece of an epoch and add a point.

        Args:
            num_done: Number of pieces done.
        """
        num_steps = len(self.batches)
        epoch, piece = divmod(num_done, self.case["pieces"])
        first, stop = (num_steps * part // self.case["pieces"] for part in (piece, piece + 1))
        if self._position != (epoch, first):
            self._epoch = self.batches.epoch(epoch)
            # After a kill the batches that were seen are drawn again: they were paid for already.
            deque(islice(self._epoch, first), maxlen=0)
        started = time.perf_counter()
        for index, (images, labels) in enumerate(islice(self._epoch, stop - first), start=first):
            self.optimizer.learning_rate = cosine_rate(
                epoch * num_steps + index,
                self.settings.num_epochs * num_steps,
                peak=self.settings.peak_rate,
            )
            self.step(images, labels)
        self._wait()
        trained = time.perf_counter()
        recalibrate_statistics(
            self.model, statistics_images(self.dataset.train, self.normalization, seed=self.settings.seed)
        )
        recalibrated = time.perf_counter()
        self._position = (epoch, stop)
        self.figures["step_seconds"] += trained - started
        before = sum(self.figures["seconds"].values())
        # Steps do not use moving statistics, so that only the last recalibration would have been needed.
        seconds = before + self.figures["step_seconds"] + recalibrated - trained
        self.add_point(epoch + stop / num_steps, seconds)

    def add_point(self, epoch: float, seconds: float) -> None:
        """Test the network; the clock stands still."""
        accuracy = evaluate_accuracy(self.model, self.dataset.test, normalization=self.normalization)
        self.figures["points"].append({"epoch": epoch, "seconds": seconds, "accuracy": accuracy})

    def arrays(self) -> dict[str, Any]:
        """Return every value by name, for the state."""
        name = self.method
        return (
            {f"{name}/mask": self.mask.values}
            | layer_arrays(f"{name}/model", self.model)
            | optimizer_arrays(f"{name}/optimizer", self.optimizer)
        )

    def _wait(self) -> None:
        """Return when the device has finished: a value can be read once it is written, the last one too."""
        for variable in self.model.trainable_variables:
            ops.convert_to_numpy(variable)


def prepared(case: Mapping[str, Any], reference: Reference, dataset: DataSet) -> Curve:
    """Make a method's network, timed by phase, with its point before any step.

    Args:
        case: What to make.
        reference: The network to start from.
        dataset: The target.
    """
    fractions = (1.0, 1.0)
    if case["method"] == "full":
        normalization = Normalization.of(dataset.train)
        model, times = full_network(reference, dataset, normalization, seed=case["seed"])
        mask = ChannelMask.all_of(reference.channel_map.num_channels)
    else:
        if case["method"] == "static":
            reference = static_reference(reference)
        config = PruneConfig(
            method="stamp" if case["method"] == "static" else case["method"],
            max_flops=case["max_flops"],
            refit=False,
            finetune=FinetuneConfig(epochs=0, evaluate=False),
            seed=case["seed"],
        )
        result = prune(dataset, reference, config=config)
        model, mask = result.model, result.mask
        times = {phase: result.times[phase] for phase in ("propose", "slice", "statistics", "head")}
        fractions = (result.params_fraction, result.flops_fraction)
    figures: dict[str, Any] = {
        "params_fraction": fractions[0],
        "flops_fraction": fractions[1],
        "seconds": times,
        "step_seconds": 0.0,
        "points": [],
    }
    curve = Curve(case, model, mask=mask, figures=figures, dataset=dataset)
    curve.add_point(0.0, sum(times.values()))
    return curve


def restored(
    case: Mapping[str, Any],
    reference: Reference,
    dataset: DataSet,
    *,
    state: tuple[Mapping[str, Any], Any],
    path: Path,
) -> Curve:
    """Build a method's network again as a state has it.

    Args:
        case: What it is.
        reference: The network it was cut from.
        dataset: The target.
        state: Arrays and description that `save_step` wrote.
        path: Where the state is from, for messages.
    """
    arrays, metadata = state
    name = case["method"]
    mask = ChannelMask(arrays[f"{name}/mask"])
    full = reference.backbone.build(num_classes=dataset.num_classes)
    model = full if mask.keeps_all else slice_model(full, reference.channel_map, mask)
    curve = Curve(case, model, mask=mask, figures=metadata["figures"][name], dataset=dataset)
    assign_arrays(f"{name}/model", model, arrays, path=path)
    assign_optimizer(f"{name}/optimizer", curve.optimizer, arrays)
    return curve
