"""An evolution of widths within a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut, ChannelMap
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import option

SHARES = np.linspace(0.1, 1.0, 31)
"""Kept shares of a group that are drawn."""


@dataclass(frozen=True, kw_only=True)
class EvolutionOptions(PrunerOptions):
    """Options of an evolution."""

    population: int = option(
        50, least=2, help="Candidates of a round; of later rounds half are mutations and half crossovers."
    )
    parents: int = option(10, least=1, help="How many of the best so far they come from, or all.")
    rounds: int = option(20, least=1, help="How often candidates are made; those of the first are random.")
    mutation: float = option(
        0.1, above=0, most=1, help="Probability that a mutation draws a layer's width anew."
    )

    @property
    def num_candidates(self) -> int:
        """Candidates of all rounds."""
        return self.population * self.rounds


class Evolution:
    """Breeds widths, scaled to the budget all alike, from those that were judged best.

    Args:
        cut: Over the channels, with the rules for widths.
        budget: The limits, all on what is counted.
        judge: Returns what a mask of the first channels of each group is worth; higher is better. It is asked once.
        options: How large.

    Source:
        Liu et al. 2019, MetaPruning, algorithm 1 of its search.
    """

    def __init__(
        self,
        cut: ChannelCut,
        budget: Budget,
        *,
        judge: Callable[[ChannelMask], float],
        options: EvolutionOptions,
    ) -> None:
        self._cut, self._budget, self._judge, self._options = cut, budget, judge, options
        self.found: dict[ChannelMask, tuple[float, np.ndarray]] = {}
        """Every mask that was judged, `[C]`: what it is worth, and the scores that it was cut by, `[C]`."""

    def run(
        self, rng: np.random.Generator, tell: Callable[[int, float], None] | None = None
    ) -> tuple[np.ndarray, float]:
        """Return the scores `[C]` whose cut leaves the best widths, and what they are worth.

        Args:
            rng: Decides everything.
            tell: Called with (candidates made, worth of the best so far).
        """
        for number in range(self._options.num_candidates):
            place = number % self._options.population
            if place == 0:
                parents = self._best()
            scores = scores_of(self._cut.channel_map, self._shares(parents, place, rng))
            mask = self._cut.meet(scores, self._budget)
            if mask not in self.found:
                self.found[mask] = self._judge(mask), scores
            if tell is not None:
                tell(number + 1, max(worth for worth, _ in self.found.values()))
        best, scores = self.found[self._ranked()[0]]
        return scores, best

    def _ranked(self) -> list[ChannelMask]:
        return sorted(self.found, key=lambda mask: -self.found[mask][0])

    def _best(self) -> list[np.ndarray]:
        """Return the shares of the parents, `[G]` each; none before the first round."""
        return [shares_of(self._cut.channel_map, mask) for mask in self._ranked()[: self._options.parents]]

    def _shares(self, parents: list[np.ndarray], place: int, rng: np.random.Generator) -> np.ndarray:
        """Return kept shares of a candidate before they are scaled, `[G]`."""
        drawn = draw_shares(self._cut.channel_map, rng)
        if not parents:
            return drawn
        one, other = (parents[rng.integers(len(parents))] for _ in range(2))
        if place < self._options.population // 2:
            return np.where(rng.random(len(drawn)) < self._options.mutation, drawn, one)
        return np.where(rng.random(len(drawn)) < 0.5, other, one)


def draw_shares(channel_map: ChannelMap, rng: np.random.Generator) -> np.ndarray:
    """Return a kept share of every group out of `SHARES`, `[G]`."""
    return rng.choice(SHARES, len(channel_map.groups))


def shares_of(channel_map: ChannelMap, mask: ChannelMask) -> np.ndarray:
    """Return the share of every group that a mask `[C]` keeps, in (0, 1], `[G]`."""
    return np.array([mask.kept[group.slice].mean() for group in channel_map.groups])


def first_channels(channel_map: ChannelMap, shares: np.ndarray) -> ChannelMask:
    """Return the mask `[C]` of the first channels of every group, one at least.

    Args:
        channel_map: The traced channels.
        shares: How many, of all that a group has, `[G]`.
    """
    widths = np.maximum(1, np.round(shares * channel_map.group_sizes))
    return ChannelMask(_numbers(channel_map) <= widths[channel_map.group_of])


def scores_of(channel_map: ChannelMap, shares: np.ndarray) -> np.ndarray:
    """Return scores `[C]` whose cut keeps the first channels of every group, as many as shares times a common factor.

    Args:
        channel_map: The traced channels.
        shares: Of every group, above 0, `[G]`.
    """
    return (shares * channel_map.group_sizes)[channel_map.group_of] / _numbers(channel_map)


def _numbers(channel_map: ChannelMap) -> np.ndarray:
    """Return the number of each channel within its group, from 1, `[C]`."""
    return np.concatenate([np.arange(1, size + 1) for size in channel_map.group_sizes])
