"""A problem as a plug-in gets it: what it must not change is locked, or looked at afterwards."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from stamp_tf.data import DataSet, ImageSet, StreamedSet
from stamp_tf.finite import not_finite, weight_values
from stamp_tf.on_step import OnStep
from stamp_tf.plugin_code import PluginCode
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.references.fingerprint import fingerprint


def guarded(plugin: PluginCode, problem: PruningProblem) -> PruningProblem:
    """Return a problem whose images, labels and options are nobody else's, and that looks at what is reported.

    Args:
        plugin: Which pruner gets it.
        problem: The problem.
    """
    return dataclasses.replace(
        problem,
        dataset=_read_only(problem.dataset),
        options=copy.deepcopy(dict(problem.options)),
        config=copy.deepcopy(problem.config),
        on_step=None if problem.on_step is None else _checked_steps(plugin, problem.on_step),
    )


def check_untouched(plugin: PluginCode, problem: PruningProblem, before: str) -> None:
    """Refuse a pruner that has changed the reference, or made weights that are not finite.

    Args:
        plugin: Which pruner.
        problem: What it was given.
        before: Fingerprint of the reference, from before.

    Raises:
        PluginError: If it has.
    """
    if fingerprint(problem.reference) != before:
        raise plugin.breach("leave the reference as it is", "changed its values")
    if words := not_finite(weight_values(problem.model)):
        raise plugin.breach("leave finite weights in the model", words)


def _read_only(dataset: DataSet) -> DataSet:
    """Return a data set whose arrays refuse to be written to; those of the original do not."""
    train, test = (_locked(part) for part in (dataset.train, dataset.test))
    return dataclasses.replace(dataset, train=train, test=test)


def _locked(part: ImageSet | StreamedSet) -> ImageSet | StreamedSet:
    if not isinstance(part, ImageSet):
        return part
    images, labels = part.images.view(), part.labels.view()
    for array in (images, labels):
        array.flags.writeable = False
    return dataclasses.replace(part, images=images, labels=labels)


def _checked_steps(plugin: PluginCode, on_step: OnStep) -> OnStep:
    """Return a callback that refuses what is no progress before it is shown to anybody."""

    def call(done: Any, total: Any, figures: Any) -> None:
        is_count = isinstance(done, int) and isinstance(total, int)
        if not is_count or not 0 <= done <= total or not isinstance(figures, Mapping):
            raise plugin.breach(
                "report steps as on_step(steps done, all steps, figures)",
                f"called on_step({done!r}, {total!r}, {figures!r})",
            )
        on_step(done, total, figures)

    return call
