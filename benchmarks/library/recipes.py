"""Ways of training a reference that differ in one thing, and what the small networks in it are worth."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from library.masked_accuracy import MaskedAccuracy
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut, add_logistic_noise, mask_kernels
from stamp_tf.data import Batches, DataSet, ImageSet, Normalization, random_part
from stamp_tf.data.subset import held_out_indices
from stamp_tf.losses import accuracy, classification_loss, distillation_loss
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.tensor import Tensor
from stamp_tf.training.budget_loss import BudgetLoss, budget_loss, taught
from stamp_tf.training.forward import forward
from stamp_tf.training.pretrain import pretrain
from stamp_tf.training.reference_figures import reference_figures

_BATCH_SIZE = 128
_SMALLEST = 0.06
_SMOOTHING = 0.1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way of training.

    Args:
        key: Its name, and that of its run's folder.
        title: In words.
        group: What is varied.
        settings: Fields of `PretrainConfig`.
        start: The row whose reference it goes on from; None begins afresh.
        loss: Key of `LOSSES`, of its epochs at budgets.
    """

    key: str
    title: str
    group: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    loss: str = "usual"


def read_recipes(path: Path) -> dict[str, Recipe]:
    """Return the rows of a file, each with the settings that all share.

    Args:
        path: A TOML file with `rows` and a table `settings`.
    """
    content = tomllib.loads(path.read_text())
    rows = {key: Recipe(key=key, **row) for key, row in content["rows"].items()}
    shared = content.get("settings", {})
    return {key: dataclasses.replace(row, settings={**shared, **row.settings}) for key, row in rows.items()}


def split_training(dataset: DataSet, train_size: int, *, seed: int) -> DataSet:
    """Return a data set of training images alone: those beyond `train_size` take the place of the test images.

    Args:
        dataset: Its test images are not looked at.
        train_size: Images that stay for training, as many of each class.
        seed: Decides which.
    """
    train = dataset.train
    assert isinstance(train, ImageSet)
    held = held_out_indices(train.labels, fraction=1 - train_size / len(train), seed=seed)
    others = np.setdiff1d(np.arange(len(train)), held)
    return dataclasses.replace(dataset, train=train.take(others), test=train.take(held))


def trained_by(
    recipe: Recipe,
    recipes: Mapping[str, Recipe],
    dataset: DataSet,
    *,
    folder: Path,
    seed: int,
    on_step: Callable[..., None],
) -> Reference:
    """Return the reference of a row; what was trained before is loaded, what was begun goes on.

    Args:
        recipe: Which.
        recipes: All rows, among them the one that it goes on from.
        dataset: What is trained on.
        folder: Of all runs.
        seed: Of everything random.
        on_step: As in `pretrain`.
    """
    run = RunDirectory(folder / f"{recipe.key}-{seed}")
    if run.reference.exists():
        return load_reference(run.reference)
    start = None
    if recipe.start is not None:
        start = trained_by(recipes[recipe.start], recipes, dataset, folder=folder, seed=seed, on_step=on_step)
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in recipe.settings.items()
    }
    return pretrain(
        dataset,
        run.path,
        start=start,
        loss=LOSSES[recipe.loss],
        seed=seed,
        resume=run.config.exists(),
        on_step=on_step,
        **settings,
    )


class Judge:
    """Says what a reference and the networks in it are worth without a gradient step, on training images alone.

    Args:
        targets: Name to data set.
        train_size: Training images of a target; twice as many others are what it is judged on.
        seed: Of their parts.
    """

    def __init__(self, targets: Mapping[str, DataSet], *, train_size: int, seed: int) -> None:
        self._parts = {}
        for name, target in targets.items():
            part = random_part(target.train, 3 * train_size, seed=seed)
            order = np.random.default_rng(seed).permutation(len(part))
            self._parts[name] = tuple(part.take(half) for half in np.split(order, [train_size]))

    def __call__(
        self, reference: Reference, dataset: DataSet, *, budgets: Sequence[float]
    ) -> dict[str, float]:
        """Return accuracies in [0, 1]: `held_out` on the images of its own data set, then of each target.

        Args:
            reference: With scores, or the full network alone.
            dataset: What it was trained on, and what was held out.
            budgets: Fractions of FLOPs on targets; a reference without scores is judged in full.
        """
        batches = Batches(
            dataset.train, _BATCH_SIZE, normalization=reference.normalization, seed=0, augment=True
        )
        figures = {
            name.replace("test_accuracy", "held_out"): value
            for name, value in reference_figures(reference, dataset, batches).items()
        }
        evaluate = MaskedAccuracy(reference)
        scores = reference.scores
        for budget in budgets if scores is not None else (1.0,):
            if budget == 1.0 or scores is None:
                mask = ChannelMask.all_of(reference.cut.num_channels)
            else:
                mask = reference.cut.meet(scores, Budget(max_flops=budget))
            for name, (train, test) in self._parts.items():
                figures[f"{name}_at_{budget:g}"] = evaluate(
                    mask, train, test, normalization=Normalization.of(train)
                )
        return figures


def sandwich(
    model: Any,
    cut: ChannelCut,
    *,
    weights: Sequence[Tensor],
    scores: Tensor,
    statistics: Sequence[Tensor],
    images: Tensor,
    labels: Tensor,
    limits: Tensor,
    uniform: Tensor,
) -> Any:
    """Return the usual loss, with the smallest network beside the one of a random budget, half as much for each.

    Source:
        Yu & Huang 2019, Universally slimmable networks (the sandwich rule).
    """
    logits, new_statistics = forward(model, weights, statistics, images=images)
    loss = full_loss = classification_loss(logits, labels)
    paths = [variable.path for variable in model.trainable_variables]
    smallest = ops.stack([limits[0], ops.full_like(limits[1], _SMALLEST)])
    for limit in (limits, smallest):
        mask = cut.straight_through(add_logistic_noise(scores, uniform), limit)
        masked = mask_kernels(cut.channel_map, paths, weights=weights, mask=mask)
        small, _ = forward(model, masked, statistics, images=images)
        loss = loss + 0.25 * taught(small, logits, labels) + 0.25 * classification_loss(small, labels)
    return loss, (new_statistics, {"loss": full_loss, "accuracy": accuracy(logits, labels)})


def taught_alone(model: Any, cut: ChannelCut, **inputs: Any) -> Any:
    """Return the loss in which masked networks see no labels, but the full network's output alone."""

    def teach(masked: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        # Half of it counts, and the loss on labels is taken off again.
        return 2 * distillation_loss(masked, logits) - classification_loss(masked, labels)

    return budget_loss(model, cut, **inputs, teach=teach)


def smoothed(model: Any, cut: ChannelCut, **inputs: Any) -> Any:
    """Return the usual loss, where the full network learns from smoothed labels.

    Source:
        Szegedy et al. 2016.
    """
    full = []

    def teach(masked: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        full.append(logits)
        return taught(masked, logits, labels)

    loss, kept = budget_loss(model, cut, **inputs, teach=teach)
    spread = ops.logsumexp(full[0], axis=-1) - ops.mean(full[0], axis=-1)
    return loss + _SMOOTHING * (ops.mean(spread) - classification_loss(full[0], inputs["labels"])), kept


LOSSES: Mapping[str, BudgetLoss] = {
    "usual": budget_loss,
    "sandwich": sandwich,
    "taught alone": taught_alone,
    "smoothed": smoothed,
}
"""Losses of the epochs at budgets, by their names in the file of rows."""
