"""The choice between ways of pruning, and every way on its own, on images that were not chosen by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from stamp_tf.baselines.auto import AutoOptions, Contest
from stamp_tf.baselines.candidates import candidates_of, rankings_for
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut
from stamp_tf.data import load_dataset, random_part
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.pruning.target import Target, settle_target
from stamp_tf.pruning.trial import Trial
from stamp_tf.references.reference import Reference
from stamp_tf.training.finetune import finetune, resolve_options


class AutoMeasure:
    """Measures all ways for one network on one data set.

    Args:
        reference: The network.
        dataset: The target, as after `--dataset`.
        images: How many training images.
        tested: Most test images.
        head: As after `--head`; None for the usual.
        seed: Of everything random.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        dataset: str,
        images: int,
        tested: int,
        head: Any,
        seed: int,
    ) -> None:
        shape = reference.backbone.input_shape
        data = load_dataset(dataset, train_size=images, image_shape=shape, seed=seed)
        data = dataclasses.replace(data, test=random_part(data.test, tested, seed=seed))
        self._config = PruneConfig(method="auto", max_flops=0.5, head=head, seed=seed)
        reference, data = settle_target(reference, data, self._config)
        self._target = Target.of(reference, data)
        self._trial = Trial(self._target, self._config)
        problem = self._problem(0.5, epochs=0)
        self._candidates = [
            one for ranking in rankings_for(reference) for one in candidates_of(problem, ranking)
        ]
        self._cut = ChannelCut(reference.channel_map, self._target.cost)

    def ways(self, max_flops: float, *, epochs: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield epochs, name and figures of every way, in closed form and after training, the choice last.

        Args:
            max_flops: The budget.
            epochs: Of fine-tuning; 0 for none.
        """
        stages = (0, epochs) if epochs else (0,)
        known: dict[tuple[ChannelMask, bool], dict[int, np.ndarray]] = {}

        def right(scores: np.ndarray, fold: np.ndarray | None) -> tuple[ChannelMask, dict[int, np.ndarray]]:
            mask = self._cut.meet(scores, Budget(max_flops=max_flops))
            key = mask, fold is not None
            if key not in known:
                known[key] = self._right(mask, fold, epochs=epochs)
            return mask, known[key]

        fixed = {one.name: right(one.scores, one.fold) for one in self._candidates}
        contest = Contest(self._problem(max_flops, epochs=epochs), AutoOptions())
        contest.compare()
        for stage in stages:
            if stage:
                contest.train(AutoOptions().finalists)
            proposal = contest.proposal()
            assert proposal.scores is not None
            mask, chosen = right(proposal.scores, proposal.fold)
            for name, (its_mask, its) in fixed.items():
                figures = self._figures(its_mask, its[stage])
                yield stage, name, figures | _ahead(its[stage], chosen[stage])
            tried = next(one for one in proposal.tried if one.is_chosen)
            held_out = {one.name: one.accuracy for one in proposal.tried if one.steps == tried.steps}
            yield (
                stage,
                "auto",
                self._figures(mask, chosen[stage])
                | {
                    "chosen": tried.name,
                    "held_out": held_out,
                },
            )

    def _problem(self, max_flops: float, *, epochs: int) -> PruningProblem:
        # Limits are fields that the registry of their kinds adds.
        limit: dict[str, Any] = {"max_flops": max_flops}
        finetuning = FinetuneConfig(epochs=epochs, evaluate=False, seed=self._config.seed)
        config = dataclasses.replace(self._config, **limit, finetune=finetuning)
        return self._target.problem(config, budget=Budget(max_flops=max_flops))

    def _right(self, mask: ChannelMask, fold: np.ndarray | None, *, epochs: int) -> dict[int, np.ndarray]:
        """Return which test images a network is right on, by the epochs that it was trained for."""
        model = self._trial.network(mask, fold=fold)
        found = {0: self._trial.right_of(model)}
        if epochs:
            target = self._target
            settings = FinetuneConfig(epochs=epochs, evaluate=False, seed=self._config.seed)
            is_own = target.reference.backbone.architecture is not None
            finetune(
                model,
                target.dataset,
                normalization=target.normalization,
                config=resolve_options(settings, target.dataset, own_model=is_own),
                end=target.reference.backbone.end,
            )
            found[epochs] = self._trial.right_of(model)
        return found

    def _figures(self, mask: ChannelMask, right: np.ndarray) -> dict[str, Any]:
        tried = self._trial.tried(mask, right)
        return {
            "accuracy": tried.accuracy,
            "accuracy_of_full": tried.full_accuracy,
            "params_fraction": tried.params_fraction,
            "flops_fraction": tried.flops_fraction,
        }


def _ahead(right: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    """Return how far a way is ahead of the choice, and the standard error of that: both had the same images."""
    differences = right.astype(float) - chosen
    return {"ahead": float(differences.mean()), "error": float(differences.std() / np.sqrt(len(right)))}
