"""Meta-vote pruning: the networks that were pruned for the most similar tasks vote on which filters go first."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from stamp_tf.baselines.ifp import Ifp, IfpOptions
from stamp_tf.baselines.memory import PastRun, read_memory
from stamp_tf.baselines.prototypes import prototypes_of
from stamp_tf.baselines.similarity import prototype_similarity, shared_classes
from stamp_tf.data import DataSet
from stamp_tf.data.class_names import are_numbers
from stamp_tf.errors import StampError
from stamp_tf.options.option import option
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.references.reference import Reference

logger = logging.getLogger(__name__)

_MOST_NAMED = 5
# What no run in the memory has, and what to do.
_NONE = {
    "classes": ("shares a class", "prune for such a task first, or use `options.similarity=prototypes`"),
    "prototypes": ("has data that can be loaded", "bring the data back"),
}


@dataclass(frozen=True, kw_only=True)
class MvpOptions(IfpOptions):
    """Options of meta-vote pruning."""

    memory: str | Path | None = option(
        None, help="Folder that pruned runs of the same reference lie in, a folder each; it is needed."
    )
    similarity: Literal["prototypes", "classes"] = option(
        "prototypes",
        help="Go by what the reference sees in the images of each class, or by the names of classes that are shared.",
    )
    neighbours: int = option(
        10, least=1, help="How many of the most similar runs vote, or all that there are."
    )
    rounds: int = option(2, least=1, help="How often filters go, the first time by the votes.")


class Mvp(Ifp):
    """Start from the filters that networks pruned for similar tasks kept, then go on as iterative filter pruning.

    The memory is a folder of other runs of the same reference. To see how similar their tasks are, their data sets are
    loaded again, or their classes are compared by name. Each of the nearest has a vote for every filter that it kept.
    Filters with the fewest votes go in the first round, of as many those of the smaller norm, or what the criterion is;
    that takes the place of rounds without votes, so that few are enough. With one round the votes are all there is.
    Weights are those of the reference throughout, not of the runs.

    Source:
        Zhao et al. 2023, Voting from Nearest Tasks: Meta-Vote Pruning of Pre-trained Models for Downstream Tasks. The
        similarity of a task is the mean over its classes of the cosine to the nearest prototype of the other's, or the
        number of shared classes; how ties are broken and the number of rounds are ours.
    """

    options: ClassVar[type[MvpOptions]] = MvpOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        super().check(reference, config)
        read_memory(_folder(self.options(**config.options)), reference)

    def worth(self, problem: PruningProblem, number: int) -> np.ndarray:
        worth = super().worth(problem, number)
        if number > 1:
            return worth
        options = self.options(**problem.options)
        name = ("votes", str(options.memory), options.similarity, options.neighbours)
        votes = problem.kept.get(name, lambda: votes_of(problem, options))
        return votes + worth / (worth.max() * 1.001 or 1)


def votes_of(problem: PruningProblem, options: MvpOptions) -> np.ndarray:
    """Return how many of the nearest runs kept each channel, `[C]`.

    Args:
        problem: The target and its reference.
        options: Where the runs lie, and which of them vote.

    Raises:
        StampError: If no memory is named, or no run in it is of this reference or of a similar task.
    """
    folder = _folder(options)
    found = _similarities(problem, read_memory(folder, problem.reference), options)
    if not found:
        what, remedy = _NONE[options.similarity]
        raise StampError(
            f"`options.memory` must hold a run of a similar task, but none in {folder} {what}; {remedy}."
        )
    # Of equally similar ones the first by name vote.
    nearest = sorted(found, key=lambda one: -one[0])[: options.neighbours]
    named = ", ".join(f"{run.path.name} ({similarity:.3g})" for similarity, run in nearest[:_MOST_NAMED])
    more = f" and {len(nearest) - _MOST_NAMED} more" if len(nearest) > _MOST_NAMED else ""
    logger.info("Runs that vote, with the similarity of their tasks: %s%s.", named, more)
    return np.sum([run.kept for _, run in nearest], axis=0, dtype=float)


def _folder(options: MvpOptions) -> Path:
    if options.memory is None:
        raise StampError(
            "`method=mvp` needs the folder that earlier runs lie in, but got no `options.memory`; name it, or take "
            "`ifp`, which needs none."
        )
    return Path(options.memory).expanduser()


def _similarities(
    problem: PruningProblem, runs: list[PastRun], options: MvpOptions
) -> list[tuple[float, PastRun]]:
    """Return the runs whose tasks are similar at all, with how much."""
    target, reference = problem.dataset, problem.reference
    if options.similarity == "classes" and are_numbers(target.class_names):
        raise StampError(
            f"`options.similarity=classes` goes by the names of classes, but those of {target.name} are only numbered; "
            "name them, or use `prototypes`."
        )

    if options.similarity == "classes":
        shared = (float(shared_classes(target.class_names, _class_names(run, target))) for run in runs)
        return [(similarity, run) for similarity, run in zip(shared, runs, strict=True) if similarity]

    def prototypes(dataset: DataSet) -> np.ndarray:
        normalization = reference.normalization_for(dataset.train)
        return prototypes_of(reference.model, dataset, normalization=normalization)

    own, found = prototypes(target), []
    for run in runs:
        if (dataset := run.load_dataset(target.image_shape)) is not None:
            found.append((prototype_similarity(own, prototypes(dataset)), run))
    return found


def _class_names(run: PastRun, target: DataSet) -> tuple[str, ...]:
    """Return the classes of a run, none where neither it nor its data say them."""
    if run.class_names:
        return run.class_names
    dataset = run.load_dataset(target.image_shape)
    return () if dataset is None else dataset.class_names
