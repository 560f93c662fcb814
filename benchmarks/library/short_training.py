"""Short trainings that differ in one thing, and what their masks are worth."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import ChannelCut
from stamp_tf.data import DataSet
from stamp_tf.losses import classification_loss
from stamp_tf.meta.meta_train import meta_train
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.tensor import Tensor
from stamp_tf.training.budget_loss import BudgetLoss, budget_loss
from stamp_tf.training.pretrain import pretrain


@dataclass(frozen=True, kw_only=True)
class Row:
    """One ablation.

    Args:
        key: Its name, and that of the folder of what is trained for it.
        ablation: What is varied.
        title: The value that it has here.
        train: Which training comes first.
        settings: Options of that training.
        variant: Key of `VARIANTS`, where a part of the training is replaced.
        of: The row whose training it shares; None for one of its own.
        epochs_prune: K, epochs of steps on the target before the cut.
    """

    key: str
    ablation: str
    title: str
    train: Literal["nothing", "meta", "budgets"]
    settings: Mapping[str, Any] = field(default_factory=dict)
    variant: str | None = None
    of: str | None = None
    epochs_prune: float = 0.0

    @property
    def folder(self) -> str:
        """Name of the folder of the run that trains it."""
        return self.of or self.key


def read_rows(path: Path) -> dict[str, Row]:
    """Return the rows of a file, each with the settings that all of its kind have.

    Args:
        path: A TOML file with `rows`, and tables `meta` and `budgets` of what their trainings share.
    """
    content = tomllib.loads(path.read_text())
    rows = {key: Row(key=key, **row) for key, row in content["rows"].items()}
    return {
        key: Row(**{**vars(row), "settings": {**content.get(row.train, {}), **row.settings}})
        for key, row in rows.items()
    }


def trained(
    row: Row,
    dataset: DataSet,
    folder: Path,
    *,
    start: Reference,
    plain: Reference,
    on_step: Callable[..., None],
) -> Reference:
    """Return the reference of a row; what was trained before is loaded, what was begun goes on.

    Args:
        row: Which.
        dataset: What is trained on.
        folder: Of all runs.
        start: Where meta-training and rows without training start.
        plain: Where training at budgets starts.
        on_step: As in `meta_train`.
    """
    if row.train == "nothing":
        return start
    run = RunDirectory(folder / row.folder)
    if run.reference.exists():
        return load_reference(run.reference)
    options: dict[str, Any] = {"resume": run.config.exists(), "on_step": on_step}
    if row.train == "meta":
        return meta_train(dataset, start, run.path, **row.settings, **options)
    settings = {**row.settings, "budgets": tuple(row.settings["budgets"])}
    network: dict[str, Any] = {"backbone": plain.backbone.name, "backbone_options": plain.backbone.options}
    loss = VARIANTS[row.variant]
    return pretrain(dataset, run.path, start=plain, loss=loss, **network, **settings, **options)


def accuracy_after_steps(
    row: Row, reference: Reference, target: DataSet, *, max_flops: float, seed: int
) -> float:
    """Return the test accuracy of the network that K epochs on the target choose, before fine-tuning.

    Args:
        row: With K.
        reference: What to prune.
        target: The data set.
        max_flops: The budget.
        seed: Of everything random.
    """
    result = prune(
        target,
        reference,
        max_flops=max_flops,
        finetune=FinetuneConfig(epochs=0, evaluate=False),
        seed=seed,
        options={"epochs_prune": row.epochs_prune},
    )
    return result.test_accuracy


class ConstantCut(ChannelCut):
    """A cut whose masks have the gradient of a soft mask with a cut that is a constant."""

    def straight_through(self, scores: Tensor, limits: Tensor, *, temperature: float = 0.5) -> Tensor:
        """Return the mask of `ChannelCut`; no score has a price."""
        hard = ops.stop_gradient(super().straight_through(scores, limits, temperature=temperature))
        values = ops.stop_gradient(scores)
        # Between the worst kept and the best removed channel. Protected ones may be worse than that one: then it is the
        # cut, and where nothing is removed, a point below all.
        best_out = ops.max(ops.where(hard > 0, -np.inf, values))
        last_in = ops.min(ops.where(ops.logical_and(hard > 0, values >= best_out), values, np.inf))
        everything = ops.logical_not(ops.isfinite(best_out))
        cut = ops.where(everything, ops.min(values) - temperature, (last_in + best_out) / 2)
        soft = ops.sigmoid((scores - ops.where(ops.isfinite(cut), cut, best_out)) / temperature)
        return hard + (soft - ops.stop_gradient(soft))


def constant_cut(model: keras.Model, cut: ChannelCut, **inputs: Any) -> Any:
    """Return the loss at a budget with a `ConstantCut`."""
    return budget_loss(model, ConstantCut(cut.channel_map, cut.cost_model, rules=cut.rules), **inputs)


def labels_alone(model: keras.Model, cut: ChannelCut, **inputs: Any) -> Any:
    """Return the loss at a budget where the masked network learns from labels, and nothing from the full one."""
    return budget_loss(
        model, cut, **inputs, teach=lambda masked, _, labels: classification_loss(masked, labels)
    )


VARIANTS: Mapping[str | None, BudgetLoss] = {
    None: budget_loss,
    "constant_cut": constant_cut,
    "labels_alone": labels_alone,
}
"""Losses of the training at budgets, by the variant of a row."""
