"""What pruning cost: the full network on the test images of the pruned one."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import keras

from stamp_tf.errors import DivergenceError, StampError
from stamp_tf.measure.full_accuracy import FullAccuracy
from stamp_tf.measure.phases import clock
from stamp_tf.on_step import OnPhase, OnStep
from stamp_tf.pruning.full_network import full_network
from stamp_tf.pruning.kept import Kept
from stamp_tf.pruning.learnt_from import learnt_from
from stamp_tf.pruning.result import PruneResult
from stamp_tf.pruning.target import own_head, refits
from stamp_tf.storage.records import read_record, write_json_atomic
from stamp_tf.storage.writing import writing
from stamp_tf.training.accuracy import count_hits
from stamp_tf.training.finetune import finetune

logger = logging.getLogger(__name__)

FIGURES = "figures.json"


def with_full(
    result: PruneResult,
    *,
    kept: Kept | None = None,
    states: Path | None = None,
    resume: bool = True,
    on_step: OnPhase | None = None,
) -> PruneResult:
    """Return a result with what the full network is worth on the same test images.

    Statistics and head are fitted as for the smaller network. With `config.baseline` it is fine-tuned,
    too, with the same options but without a teacher.

    Args:
        result: What was pruned.
        kept: Where other runs of the same reference and images find the figures.
        states: Folder for the figures and the states of fine-tuning; None keeps none.
        resume: Whether to take what lies there.
        on_step: Called with (phase, steps done, all steps, figures).
    """
    times, kept = dict(result.times), Kept() if kept is None else kept
    seen = dataclasses.replace(result, dataset=learnt_from(result.dataset, result.config, kept))

    def measured() -> FullAccuracy:
        return _measured(seen, times=times, states=states, resume=resume, on_step=on_step)

    return dataclasses.replace(result, full=kept.get("full accuracy", measured), times=times)


def _measured(
    result: PruneResult,
    *,
    times: dict[str, float],
    states: Path | None,
    resume: bool,
    on_step: OnPhase | None,
) -> FullAccuracy:
    """Measure what is not on disk."""
    found = _read(states) if resume else None
    if found is None:
        with clock(times, "full"):
            counts = count_hits(
                _network(result),
                result.dataset.test,
                normalization=result.normalization,
                on_step=_of(on_step, "full"),
            )
        has_new_head = not own_head(result.config.head, result.reference)
        found = FullAccuracy(accuracy=counts.accuracy, images=counts.num_images, has_new_head=has_new_head)
        _write(states, found)
    if result.config.baseline and found.tuned_accuracy is None:
        with clock(times, "baseline"):
            found = _tuned(result, found, states=states, resume=resume, on_step=on_step)
        _write(states, found)
    return found


def _network(result: PruneResult) -> keras.Model:
    return full_network(
        result.reference,
        result.dataset,
        normalization=result.normalization,
        head=result.config.head,
        seed=result.config.seed,
        refits=refits(result.config, result.reference),
    )


def _tuned(
    result: PruneResult, found: FullAccuracy, *, states: Path | None, resume: bool, on_step: OnPhase | None
) -> FullAccuracy:
    """Fine-tune the full network as the pruned one was, and test it."""
    model, options = _network(result), result.config.finetune
    # Without a part held out, only the end is looked at.
    evaluate = options.evaluate if options.val_split is not None else False
    try:
        records = finetune(
            model,
            result.dataset,
            normalization=result.normalization,
            # There is no larger network to learn from.
            config=dataclasses.replace(options, distill=0.0, evaluate=evaluate),
            end=result.reference.backbone.end,
            checkpoints=states,
            resume=resume,
            on_step=_of(on_step, "baseline"),
        )
    except DivergenceError as error:
        # The pruned network is done, and worth more than a figure beside it.
        logger.warning("Warning: the full network has no figure with fine-tuning. %s", error)
        return found
    counts = count_hits(model, result.dataset.test, normalization=result.normalization)
    return dataclasses.replace(
        found,
        tuned_accuracy=counts.accuracy,
        tuned_epochs=records[-1].epoch,
        tuned_seconds=records[-1].seconds,
    )


def _of(on_step: OnPhase | None, phase: str) -> OnStep | None:
    return None if on_step is None else lambda done, total, figures: on_step(phase, done, total, figures)


def _read(states: Path | None) -> FullAccuracy | None:
    """Return the figures on disk; None where there are none, or, with a warning, damaged ones."""
    if states is None or not (states / FIGURES).exists():
        return None
    try:
        return read_record(states / FIGURES, FullAccuracy, remedy="start anew with `overwrite=True`")
    except StampError as error:
        logger.warning("Warning: testing the full network again. %s", error)
        return None


def _write(states: Path | None, figures: FullAccuracy) -> None:
    if states is None:
        return
    with writing(states):
        states.mkdir(parents=True, exist_ok=True)
    write_json_atomic(states / FIGURES, dataclasses.asdict(figures))
