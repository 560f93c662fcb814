"""Which ranking, and how it is shared out: the candidate that does best on training images that are held out."""

from __future__ import annotations

import dataclasses
import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stamp_tf.baselines.candidates import RANKINGS, Candidate, Ranking, candidates_of, rankings_for
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelCut
from stamp_tf.data import DataSet
from stamp_tf.data.batches import even_batch_size
from stamp_tf.errors import StampError
from stamp_tf.measure.tried import Tried
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import option
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.config import counted_part, rules_of
from stamp_tf.pruning.full_network import full_network
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.pruning.target import Target
from stamp_tf.pruning.trial import Trial, with_held_out
from stamp_tf.references.reference import Reference
from stamp_tf.training.finetune import finetune, resolve_options

logger = logging.getLogger(__name__)

# Standard errors: with one, luck decides too often where six ways are compared on a hundred images.
_CLEARLY = 2.0


@dataclass(frozen=True, kw_only=True)
class AutoOptions(PrunerOptions):
    """Options of the choice between methods."""

    rankings: tuple[Ranking, ...] = option(
        RANKINGS, help="Which rankings are compared, as far as the problem has what they need."
    )
    steps: int = option(
        30,
        least=0,
        help="Steps that the finalists are trained for where fine-tuning follows, at most its own; 0 for none.",
    )
    finalists: int = option(3, least=1, help="How many of the best are trained, or all that there are.")


class Auto(Pruner):
    """Rank the channels in several ways, and take that whose network does best on training images held out for it.

    Where the difference to the best is within two standard errors, the usual way is taken: few images cannot tell ways
    apart, and the order in which they are listed is that of what was worth most on many networks.

    Rankings (the learnt order where the reference has one, remaining error, Taylor, L1 norms) are shared out as the
    same fraction of every layer and by one cut over all, cut to the budget, and made ready without a step. Where
    fine-tuning follows, the best few take some steps of it first: what is best without a step need not be best after.
    One of them has the same fraction of every layer, which gains most. The final network is made ready and fine-tuned
    on all training images. Where latency alone is limited, candidates have half of the FLOPs.

    Source:
        Li et al. 2020, EagleEye, for the comparison of candidates without training; Breiman et al. 1984,
        Classification and Regression Trees, for the rule, with one standard error.
    """

    options = AutoOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        if config.structure_only:
            raise StampError(
                "`method=auto` compares networks by the weights that they keep, but `structure_only=True` keeps none; "
                "choose another method."
            )
        options, there = AutoOptions(**config.options), rankings_for(reference)
        if not set(there) & set(options.rankings):
            raise StampError(
                f"`options.rankings` must name one of {', '.join(there)}, but names "
                f"{', '.join(options.rankings) or 'none'}; leave it out."
            )

    def propose(self, problem: PruningProblem) -> Proposal:
        options: Any = self.options(**problem.options)
        contest = Contest(problem, options)
        contest.compare()
        if options.steps and problem.config.finetune.num_epochs:
            contest.train(options.finalists)
        return contest.proposal()


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A candidate, its mask `[C]`, and what was measured last: which images it is right on, `[n]`, and figures."""

    candidate: Candidate
    mask: ChannelMask
    right: np.ndarray
    figures: Tried

    @property
    def preference(self) -> tuple[int, bool]:
        """Sorts the usual before others: rankings in their order, each by its own scores before equal widths."""
        return RANKINGS.index(self.candidate.ranking), self.candidate.allocation == "uniform"

    def is_about_as_good_as(self, best: _Entry) -> bool:
        """Return whether it is at most two standard errors behind, both being asked about the same images."""
        behind = best.right.astype(float) - self.right
        if len(behind) < 2:
            return True
        # Four images are exactly two standard errors, whatever rounding says.
        return bool(behind.mean() <= 1.000001 * _CLEARLY * behind.std(ddof=1) / np.sqrt(len(behind)))


class Contest:
    """Measures candidates for a problem, and remembers them."""

    def __init__(self, problem: PruningProblem, options: AutoOptions) -> None:
        dataset = with_held_out(problem.dataset, seed=problem.seed)
        kept = problem.kept.part("held out")
        self._problem = dataclasses.replace(problem, dataset=dataset, kept=kept)
        target = Target(
            reference=problem.reference,
            dataset=dataset,
            normalization=problem.normalization,
            model=problem.model,
            cost=problem.cost,
            kept=kept,
        )
        self._config = _with_a_head(problem.config, seed=problem.seed)
        self._trial = Trial(target, self._config)
        self._cut = ChannelCut(problem.reference.channel_map, problem.cost, rules=rules_of(problem.config))
        self._budget = counted_part(problem.budget)
        self._rankings = [one for one in rankings_for(problem.reference) if one in options.rankings]
        self._steps = options.steps
        is_trained = options.steps > 0 and problem.config.finetune.num_epochs > 0
        self._done, self._total = 0, 2 * len(self._rankings) + (options.finalists if is_trained else 0)
        self.entries: list[_Entry] = []
        self.finalists: list[_Entry] = []

    def compare(self) -> None:
        """Measure every candidate in closed form."""
        seen: dict[ChannelMask, _Entry] = {}
        for ranking in self._rankings:
            for candidate in candidates_of(self._problem, ranking):
                mask = self._cut.meet(candidate.scores, self._budget)
                # Two ways to the same channels are one network, unless survivors are multiplied.
                if mask not in seen or candidate.fold is not None:
                    right = self._trial.right(mask, fold=candidate.fold)
                    figures = self._trial.tried(mask, right, name=candidate.name)
                    seen[mask] = _Entry(candidate=candidate, mask=mask, right=right, figures=figures)
                    self.entries.append(seen[mask])
                self._tell(seen[mask].figures)

    def train(self, count: int) -> None:
        """Train the best few for some steps, one of uniform widths among them, and measure them again."""
        ranked = self._ranked(self.entries)
        best = ranked[:count]
        evened = [one for one in ranked if one.candidate.allocation == "uniform"]
        if count > 1 and evened and evened[0] not in best:
            best = [*best[:-1], evened[0]]
        dataset = self._trial.target.dataset
        settings, steps = self._settings(dataset)
        teacher = None
        if settings.distill:
            teacher = full_network(
                self._problem.reference,
                dataset,
                normalization=self._problem.normalization,
                head=self._config.head,
                seed=self._problem.seed,
            )
        for entry in best:
            model = self._trial.network(entry.mask, fold=entry.candidate.fold)
            finetune(
                model,
                dataset,
                normalization=self._problem.normalization,
                config=settings,
                end=self._problem.reference.backbone.end,
                teacher=teacher,
            )
            right = self._trial.right_of(model)
            figures = self._trial.tried(entry.mask, right, name=entry.candidate.name, steps=steps)
            self.finalists.append(dataclasses.replace(entry, right=right, figures=figures))
            self._tell(figures)

    def proposal(self) -> Proposal:
        """Return the scores of the one that is taken, with everything that was measured."""
        ranked = self._ranked(self.finalists or self.entries)
        best = ranked[0]
        others = ""
        if len(ranked) > 1:
            next_one = ranked[1].figures
            others = f"; next {next_one.name} with {100 * next_one.accuracy:.1f} %"
            if next_one.accuracy > best.figures.accuracy:
                others += ", which is no more than two standard errors ahead"
        after = f"after {best.figures.steps} steps" if best.figures.steps else "without a step"
        words = (
            f"`method=auto` takes {best.candidate.name}: {after} right on {best.figures.in_words()}{others}."
        )
        logger.info("%s", in_words_of_the_caller(words))
        tried = tuple(
            dataclasses.replace(entry.figures, is_chosen=entry is best)
            for entry in (*self._ranked(self.entries), *self._ranked(self.finalists))
        )
        everything = ChannelMask.all_of(self._cut.num_channels)
        full = self._trial.tried(everything, self._trial.full, name="full network")
        return Proposal(scores=best.candidate.scores, fold=best.candidate.fold, tried=(full, *tried))

    @staticmethod
    def _ranked(entries: list[_Entry]) -> list[_Entry]:
        """Sort by accuracy, behind the one that is taken: the most usual of those about as good as the best."""
        ranked = sorted(entries, key=lambda entry: (-entry.figures.accuracy, entry.preference))
        if not ranked:
            return []
        taken = min(
            (one for one in ranked if one.is_about_as_good_as(ranked[0])), key=lambda entry: entry.preference
        )
        return [taken, *(one for one in ranked if one is not taken)]

    def _settings(self, dataset: DataSet) -> tuple[FinetuneConfig, int]:
        """Return options of fine-tuning for so many steps, and how many they come to."""
        batch_size = even_batch_size(len(dataset.train), self._config.finetune.batch_size)
        per_epoch = max(1, len(dataset.train) // batch_size)
        epochs = min(math.ceil(self._steps / per_epoch), self._config.finetune.num_epochs)
        settings = dataclasses.replace(
            self._config.finetune, epochs=epochs, evaluate=False, seed=self._problem.seed
        )
        own = self._problem.reference.backbone.architecture is not None
        return resolve_options(settings, dataset, own_model=own), epochs * per_epoch

    def _tell(self, figures: Tried) -> None:
        self._done += 1
        if self._problem.on_step is not None:
            self._problem.on_step(
                self._done, max(self._total, self._done), {f"accuracy of {figures.name}": figures.accuracy}
            )


def _with_a_head(config: PruneConfig, *, seed: int) -> PruneConfig:
    """Return options by which candidates say something: a random head does not."""
    head = None if config.head == "random" else config.head
    return dataclasses.replace(config, head=head, seed=seed)
