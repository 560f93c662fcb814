"""Prune a reference network for a data set: propose, cut, slice, make ready, fine-tune."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.data import DataSet, as_dataset
from stamp_tf.data.load import check_dataset_type
from stamp_tf.measure.phases import clock
from stamp_tf.on_step import OnPhase
from stamp_tf.options.fields import overridden
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.choose import check_methods, with_fixed
from stamp_tf.pruning.measure_full import with_full
from stamp_tf.pruning.prune_settled import prune_settled
from stamp_tf.pruning.result import PruneResult
from stamp_tf.pruning.target import settle_target
from stamp_tf.references.find import find_reference
from stamp_tf.references.reference import Reference


def prune(
    dataset: DataSet | str,
    reference: Reference | keras.Model | str | Path | None = None,
    *,
    backbone: str = "vgg19",
    pixels: str | None = None,
    config: PruneConfig | None = None,
    checkpoints: str | Path | None = None,
    resume: bool = True,
    on_step: OnPhase | None = None,
    **overrides: Any,
) -> PruneResult:
    """Make the physically smaller, fine-tuned network for a data set.

    A method proposes which channels matter, the budget cuts what it proposed, the network is sliced and made ready in
    closed form, and is then fine-tuned.

    Args:
        dataset: The target, or its name as `load_dataset` takes it.
        reference: A reference, a run directory or file of one; your own model or its `.keras` file, for a method
            that needs no meta-training; None takes the bundled one.
        backbone: Which bundled reference.
        pixels: What the images of your own model are scaled to, such as `0:1`; see `reference_of_model`.
        config: Options.
        checkpoints: Where fine-tuning keeps its state; None keeps none.
        resume: Whether to go on from the mask and the state that lie in `checkpoints`, if they do.
        on_step: Called with (phase, steps done, all steps, figures).
        **overrides: Fields of `PruneConfig`, such as `max_flops=0.25`.

    Returns:
        The network and its figures.

    Raises:
        StampError: If the budget cannot be met, nothing was removed, or an option or input does not fit.

    Example:
        >>> result = stamp_tf.prune("digits", max_flops=0.25)
        >>> result.test_accuracy, result.flops_fraction
    """
    config = overridden(config, overrides, kind=PruneConfig)
    check_dataset_type(dataset)
    check_arguments(
        backbone=(backbone, str),
        pixels=(pixels, str | None),
        resume=(resume, bool),
        on_step=(on_step, Callable | None),
    )
    checkpoints = None if checkpoints is None else as_path(checkpoints, "checkpoints")
    config = with_fixed(config)
    times: dict[str, float] = {}
    with clock(times, "load"):
        reference = find_reference(reference, backbone=backbone, pixels=pixels)
        check_methods([config], reference)
        dataset = as_dataset(dataset, image_shape=reference.backbone.input_shape, seed=config.seed)
    reference, dataset = settle_target(reference, dataset, config)
    result = prune_settled(
        reference,
        dataset,
        config,
        times=times,
        checkpoints=checkpoints,
        resume=resume,
        on_step=on_step,
    )
    if not config.baseline:
        return result
    states = None if checkpoints is None else checkpoints / "full"
    return with_full(result, states=states, resume=resume, on_step=on_step)
