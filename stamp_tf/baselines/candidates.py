"""Rankings of channels, each shared out over the layers in two ways: what a choice is made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from stamp_tf.baselines.allocation import allocate
from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.baselines.remaining_error import RemainingError
from stamp_tf.baselines.taylor import Taylor
from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.pruning.stamp import Stamp
from stamp_tf.pruning.target import first_head
from stamp_tf.references.reference import Reference

Ranking = Literal["stamp", "remaining-error", "taylor", "l1"]
RANKINGS: tuple[Ranking, ...] = get_args(Ranking)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """Scores whose one cut over all layers makes a network.

    Args:
        ranking: The method that ranks the channels.
        allocation: `uniform` takes the same fraction of every layer, `global` what the scores say.
        scores: Value per channel, `[C]`; higher stays longer.
        fold: Factor per channel `[C]` for survivors, or None for 1.
    """

    ranking: Ranking
    allocation: Literal["uniform", "global"]
    scores: np.ndarray
    fold: np.ndarray | None = None

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.ranking}, {self.allocation}"


def rankings_for(reference: Reference) -> tuple[Ranking, ...]:
    """Return the rankings that a reference has what they need for: not every one has a learnt order."""
    is_learnt = reference.scores is not None or reference.mask_generator is not None
    return tuple(one for one in RANKINGS if is_learnt or one != "stamp")


def candidates_of(problem: PruningProblem, ranking: Ranking) -> tuple[Candidate, ...]:
    """Return a ranking in both allocations.

    Args:
        problem: The problem; the options of the method that asks are not passed on.
        ranking: Which.
    """
    alone = dataclasses.replace(problem, options={}, on_step=None)
    return tuple(
        Candidate(ranking=ranking, allocation=allocation, scores=scores, fold=fold)
        for allocation, scores, fold in _MAKERS[ranking](alone)
    )


Allocated = list[tuple[Literal["uniform", "global"], np.ndarray, np.ndarray | None]]


def _by_values(problem: PruningProblem, values: np.ndarray) -> Allocated:
    """Share out values that are not comparable between layers."""
    channel_map = problem.reference.channel_map
    return [
        ("uniform", allocate(channel_map, values, allocation="uniform"), None),
        ("global", allocate(channel_map, values, allocation="global"), None),
    ]


def _by_scores(problem: PruningProblem, scores: np.ndarray, fold: np.ndarray | None = None) -> Allocated:
    """Take scores that are, as they come, and evened out."""
    return [
        ("uniform", uniform_scores(problem.reference.channel_map, scores), fold),
        ("global", scores, fold),
    ]


def _stamp(problem: PruningProblem) -> Allocated:
    proposal = Stamp().propose(problem)
    return _by_scores(problem, np.asarray(proposal.scores), proposal.fold)


def _remaining_error(problem: PruningProblem) -> Allocated:
    return _by_scores(problem, np.asarray(RemainingError().propose(problem).scores))


def _taylor(problem: PruningProblem) -> Allocated:
    # As where the whole network is made ready: in front of a fitted head, or of its own.
    head = "own" if first_head(problem.config, problem.reference) == "keep" else "ridge"
    return _by_values(problem, Taylor().values(dataclasses.replace(problem, options={"head": head})))


def _l1(problem: PruningProblem) -> Allocated:
    return _by_values(problem, l1_norms(problem.model, problem.reference.channel_map))


_MAKERS: dict[Ranking, Callable[[PruningProblem], Allocated]] = {
    "stamp": _stamp,
    "remaining-error": _remaining_error,
    "taylor": _taylor,
    "l1": _l1,
}
