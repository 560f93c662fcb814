"""What a pruned network says of itself: the figures and settings of its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stamp_tf.data.doubt import doubt_of_reference
from stamp_tf.data.validation import num_trained_on
from stamp_tf.export.calling import calling_of
from stamp_tf.measure.machine import describe_versions
from stamp_tf.measure.memory import peak_bytes
from stamp_tf.measure.speed import describe_device
from stamp_tf.pruning.config import budget_of
from stamp_tf.pruning.result import PruneResult
from stamp_tf.quantities import duration, percent
from stamp_tf.report.history import history_entry
from stamp_tf.report.report import Report
from stamp_tf.report.rows import group_rows, layer_rows
from stamp_tf.report.sparse import SparseSize
from stamp_tf.report.tested import Tested
from stamp_tf.training.best_epoch import best_epoch


def report_of(result: PruneResult, *, times: Mapping[str, float], command: str, **others: Any) -> Report:
    """Return the report of a result.

    Args:
        result: What `prune` returned.
        times: Seconds of each phase.
        command: What was typed.
        **others: Further fields of a report.
    """
    config, backbone = result.config, result.reference.backbone
    full_params, full_flops = (int(value) for value in result.cost.full)
    details = {
        **backbone.options,
        **_pixel_details(result),
        "flops_not_counted": ", ".join(result.cost.uncounted) or None,
        "image_shape": list(backbone.input_shape),
        "train_images": len(result.dataset.train),
        "test_images": len(result.dataset.test),
        **_budget_details(result),
        "structure_only": config.structure_only or None,
        "epochs": _epochs(result),
        **_validation_details(result),
        "mixed_precision": config.finetune.mixed_precision or None,
        "distill": config.finetune.distill_in_words,
        "class_weights": config.finetune.class_weights if config.finetune.class_weights != "none" else None,
        "augment": config.finetune.augment if config.finetune.augment != "standard" else None,
        "batch_norm": "frozen" if config.finetune.batch_norm == "frozen" else None,
        **{name: value for name, value in config.options.items() if not isinstance(value, Mapping)},
    }
    step = history_entry(
        "prune",
        result.dataset,
        test_accuracy=result.test_accuracy,
        epochs=_epochs(result),
        seconds=result.seconds,
        command=command,
        doubt=doubt_of_reference(result.reference.description, result.dataset),
    )
    return Report(
        method=config.method,
        backbone=backbone.name,
        dataset=result.dataset.name,
        seed=config.seed,
        test_accuracy=result.test_accuracy,
        params=result.num_params,
        full_params=full_params,
        flops=result.cost.flops(result.mask),
        full_flops=full_flops,
        activation_bytes=result.cost.activation_bytes(result.mask),
        full_activation_bytes=result.cost.full_activation_bytes,
        seconds=result.seconds,
        times=times,
        layers=layer_rows(result.cost, result.mask, result.weights),
        sparse=None if result.weights is None else SparseSize.of(result.weights, num_params=full_params),
        groups=group_rows(result.reference.channel_map, result.mask),
        curve=result.records,
        tried=result.tried,
        full=result.full,
        tested=Tested.of(result.counts, result.dataset.class_names),
        peak_bytes=peak_bytes(),
        details={name: value for name, value in details.items() if value is not None},
        history=(step,),
        command=command,
        versions=describe_versions(),
        hardware=describe_device(),
        calling=calling_of(backbone.input_shape, result.dataset.class_names, backbone.end).to_json(),
        **others,
    )


def _epochs(result: PruneResult) -> int:
    """Return how many epochs were taken, which may be fewer than were asked for."""
    return result.records[-1].epoch if result.records else result.config.finetune.num_epochs


def _validation_details(result: PruneResult) -> dict[str, Any]:
    """Return how many training images judged epochs, and whose weights were kept."""
    options, best = result.config.finetune, best_epoch(result.records)
    if options.val_split is None:
        return {}
    own = result.dataset.validation
    held_out = len(result.dataset.train) - num_trained_on(result.dataset, options.val_split)
    held_out = held_out if own is None else len(own)
    is_best = options.keeps_best and best is not None
    return {"validation_images": held_out, "epoch_kept": best.epoch if best and is_best else None}


def _pixel_details(result: PruneResult) -> dict[str, Any]:
    """Return the scale of the images and where it comes from; a reference of ours goes by each data set's own."""
    chosen = result.reference.pixels
    return {} if chosen is None else {"pixels": f"{chosen.scale}, {chosen.reason}"}


def _budget_details(result: PruneResult) -> dict[str, Any]:
    """Return the limits and rules that were given, and the latency that was measured, in words."""
    config, timing = result.config, result.timing
    return {
        **{limit.kind.name: limit.kind.in_report(limit.value) for limit in budget_of(config).limits},
        "within": None if config.within is None else percent(config.within),
        "latency": None
        if timing is None
        else f"{duration(timing.seconds)} (spread {duration(timing.spread)}, batch {timing.batch_size})",
        "round_to": config.round_to if config.round_to > 1 else None,
        "min_channels": config.min_channels if config.min_channels > 1 else None,
        "keep": " ".join(config.keep) or None,
    }
