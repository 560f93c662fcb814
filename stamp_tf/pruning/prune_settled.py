"""Prune a reference for a data set once both are checked against each other: what one run and several share."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from stamp_tf.backbones.end import put_back
from stamp_tf.channels import ChannelCut
from stamp_tf.data import DataSet
from stamp_tf.errors import DivergenceError
from stamp_tf.measure.phases import clock
from stamp_tf.on_step import OnPhase
from stamp_tf.options.prune import PruneConfig
from stamp_tf.plugin_code import PluginCode, of_the_caller
from stamp_tf.pruning.choose import choose_pruner
from stamp_tf.pruning.config import budget_of, rules_of
from stamp_tf.pruning.cut_proposal import cut_proposal
from stamp_tf.pruning.full_network import teacher_of
from stamp_tf.pruning.kept import Kept
from stamp_tf.pruning.learnt_from import learnt_from
from stamp_tf.pruning.proposals import propose
from stamp_tf.pruning.pruner import Pruner
from stamp_tf.pruning.ready import make_ready, sliced_network
from stamp_tf.pruning.result import PruneResult
from stamp_tf.pruning.saved_mask import SavedMask, load_mask, save_mask
from stamp_tf.pruning.target import Target, first_head, refits
from stamp_tf.pruning.trial import Trial, with_held_out
from stamp_tf.pruning.weight_budget import NO_LIMITS, check_weights
from stamp_tf.pruning.within import BUDGET, search_within
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import TestCounts, count_hits
from stamp_tf.training.epoch_record import EpochRecord
from stamp_tf.training.finetune import finetune, resolve_options, warn_of_tested


def prune_settled(
    reference: Reference,
    dataset: DataSet,
    config: PruneConfig,
    *,
    kept: Kept | None = None,
    times: Mapping[str, float] | None = None,
    checkpoints: Path | None = None,
    resume: bool = True,
    on_step: OnPhase | None = None,
) -> PruneResult:
    """Make the smaller network as `prune` does, from what `settle_target` returned.

    Args:
        reference: What is pruned.
        dataset: The target.
        config: Options.
        kept: What earlier calls for the same reference and images, under other limits or methods, found out; it gets
            what this one does.
        times: Seconds of phases that are over, such as `load`.
        checkpoints: As in `prune`.
        resume: As in `prune`.
        on_step: As in `prune`.

    Raises:
        StampError: As `prune`.
    """
    kept, times = Kept() if kept is None else kept, dict(times or {})
    pruner = choose_pruner(config)
    keras.utils.set_random_seed(config.seed)
    whole, dataset = dataset, learnt_from(dataset, config, kept)
    normalization = kept.get("normalization", lambda: reference.normalization_for(dataset.train))
    # Anew each time, because whoever prunes may train the full network.
    target = Target.of(reference, dataset, normalization=normalization, kept=kept)
    # Patterns that match nothing are refused before any work is done.
    cut = ChannelCut(reference.channel_map, target.cost, rules=rules_of(config))
    saved = load_mask(checkpoints, cut.num_channels) if checkpoints is not None and resume else None
    small, chosen = _smaller_network(
        pruner, target, cut, config=config, saved=saved, times=times, on_step=on_step
    )
    config = _settled(config, target, finetunes=pruner.finetunes)
    records, counts = _finetune(
        small,
        target,
        config,
        chosen=chosen,
        times=times,
        checkpoints=checkpoints,
        resume=resume,
        on_step=on_step,
    )
    return PruneResult(
        model=put_back(small, reference.backbone.end),
        mask=chosen.mask.hard,
        reference=reference,
        cost=target.cost,
        dataset=whole,
        normalization=target.normalization,
        config=config,
        counts=counts,
        records=tuple(records),
        times=times,
        timing=chosen.timing,
        tried=chosen.tried,
        weights=chosen.weights,
    )


def _smaller_network(
    pruner: Pruner,
    target: Target,
    cut: ChannelCut,
    *,
    config: PruneConfig,
    saved: SavedMask | None,
    times: dict[str, float],
    on_step: OnPhase | None,
) -> tuple[keras.Model, SavedMask]:
    """Choose a mask, or take the one that was, and return the network that it leaves, ready to be trained."""
    fold = None
    if saved is not None and saved.is_trained:
        # A state of fine-tuning holds every weight of the network that this mask leaves.
        times |= {**saved.times, "load": times.get("load", 0.0)}
        chosen = saved
    else:
        chosen, fold = _propose_and_cut(
            pruner, target, cut, config=config, saved=saved, times=times, on_step=on_step
        )
    with clock(times, "slice"):
        values = chosen.mask if fold is None else chosen.mask.times(fold)
        small = sliced_network(target, values, structure_only=config.structure_only, check=True)
        if chosen.weights is not None:
            chosen.weights.apply_to(small)
    if chosen.is_trained:
        return small, chosen
    # A mask of weights is over the head, too, as the method left it.
    head = first_head(config, target.reference) if chosen.weights is None else "keep"
    make_ready(
        small,
        target,
        seed=config.seed,
        head=head,
        is_drawn=config.structure_only,
        refit_mask=chosen.mask if chosen.weights is None and refits(config, target.reference) else None,
        times=times,
        on_step=on_step,
    )
    return small, dataclasses.replace(chosen, times=dict(times))


def _propose_and_cut(
    pruner: Pruner,
    target: Target,
    cut: ChannelCut,
    *,
    config: PruneConfig,
    saved: SavedMask | None,
    times: dict[str, float],
    on_step: OnPhase | None,
) -> tuple[SavedMask, np.ndarray | None]:
    """Return the mask that is cut, with what was measured for it, and what survivors are multiplied by."""
    seen, trial = target, None
    if config.within is not None:
        # What a method looks at must not be what its answer is measured on.
        seen = target.seen_as(with_held_out(target.dataset, seed=config.seed), "held out")
        if saved is None:
            with clock(times, "search"):
                trial = Trial(seen, config)
    with clock(times, "propose"):
        # A resumed run has its mask. It proposes again for `fold`, and for what a method trains into the network:
        # neither is saved.
        report = None
        if on_step is not None:
            report = of_the_caller(lambda done, total, figures: on_step("prune", done, total, figures))
        budget = budget_of(config) if config.within is None else BUDGET
        problem = seen.problem(config, budget=budget, on_step=report)
        proposal = propose(PluginCode("stamp_tf.pruners", config.method), pruner, problem)
    if saved is not None:
        return saved, proposal.fold
    if trial is not None:
        with clock(times, "search"):
            mask, tried = search_within(proposal, cut, config, trial=trial, on_step=on_step)
        return SavedMask(mask=mask, times=times, tried=(*proposal.tried, *tried)), proposal.fold
    with clock(times, "propose"):
        mask, timing = cut_proposal(
            proposal,
            cut,
            # Every channel stays with a mask of weights.
            config if proposal.weights is None else dataclasses.replace(config, **NO_LIMITS),
            model=target.model,
            may_keep_all=pruner.removes != "channels",
            on_step=on_step,
        )
        if proposal.weights is not None:
            check_weights(proposal.weights, target.cost, config, budget=budget)
    chosen = SavedMask(mask=mask, times=times, timing=timing, tried=proposal.tried, weights=proposal.weights)
    return chosen, proposal.fold


def _settled(config: PruneConfig, target: Target, *, finetunes: bool) -> PruneConfig:
    """Fill in the options of fine-tuning that the method, its network and its images decide."""
    if not finetunes:
        config = dataclasses.replace(config, finetune=dataclasses.replace(config.finetune, epochs=0))
    settings = resolve_options(
        dataclasses.replace(config.finetune, seed=config.seed),
        target.dataset,
        own_model=target.reference.backbone.architecture is not None,
    )
    return dataclasses.replace(config, finetune=settings)


def _teacher(target: Target, config: PruneConfig, *, times: dict[str, float]) -> keras.Model | None:
    """Return the full network that fine-tuning learns from, where the options ask for one."""
    if not config.finetune.distill:
        return None
    with clock(times, "teacher"):
        return teacher_of(target, config)


def _finetune(
    small: keras.Model,
    target: Target,
    config: PruneConfig,
    *,
    chosen: SavedMask,
    times: dict[str, float],
    checkpoints: Path | None,
    resume: bool,
    on_step: OnPhase | None,
) -> tuple[list[EpochRecord], TestCounts]:
    """Train the smaller network, by a teacher where one is asked for, and test it.

    At the first step its mask is saved where states are kept.
    """
    is_kept = checkpoints is None or chosen.is_trained

    def on_finetune(done: int, total: int, figures: Mapping[str, float]) -> None:
        nonlocal is_kept
        if on_step is not None:
            on_step("finetune", done, total, figures)
        if not is_kept and checkpoints is not None:
            # Only now, because whoever called may make the folder no sooner.
            save_mask(checkpoints, chosen)
            is_kept = True

    teacher, started = _teacher(target, config, times=times), time.perf_counter()
    try:
        records = finetune(
            small,
            target.dataset,
            normalization=target.normalization,
            config=config.finetune,
            end=target.reference.backbone.end,
            teacher=teacher,
            weights=chosen.weights,
            checkpoints=checkpoints,
            resume=resume,
            on_step=on_finetune,
        )
    except DivergenceError as error:
        if checkpoints is None:
            raise
        words = "`resume=True` would come to the same step again, so start anew with `overwrite=True`."
        raise DivergenceError(f"{error} {words}") from None
    times["finetune"] = records[-1].seconds
    # Tests after epochs, their statistics and the states; 0 where another process trained most of the epochs.
    times["evaluate"] = max(0.0, time.perf_counter() - started - times["finetune"])
    with clock(times, "evaluate"):
        counts = count_hits(
            small,
            target.dataset.test,
            normalization=target.normalization,
            end=target.reference.backbone.end,
        )
    warn_of_tested(records, counts.accuracy, dataset=target.dataset, config=config.finetune)
    return records, counts
