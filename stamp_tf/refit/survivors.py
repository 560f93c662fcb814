"""What is left of a layer's inputs and kernel while channels go that it reads."""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy import linalg
from scipy.linalg import blas

# Where less of the inputs than this is left, what is gone is no longer carried along.
_LEAST_LEFT = 0.75

Blocks = list[tuple[np.ndarray, np.ndarray]]
"""Channels of a group `[n]` that own as many inputs of a layer, and those inputs `[n, inputs of one]`."""


class Survivors:
    """What is left of a layer's inputs and kernel while channels go.

    Args:
        gram: Mean products of the inputs, `[I, I]`.
        kernel: `[I, O]`.
        blocks: Which inputs belong to which channel of the group.
        variance: Of what the layer's output is a term of, over all features, or None for the output itself.
        num_channels: Size of the group.
        ridge: As a fraction of the mean square of an input.
    """

    def __init__(
        self,
        gram: np.ndarray,
        kernel: np.ndarray,
        blocks: Blocks,
        *,
        variance: float | None,
        num_channels: int,
        ridge: float,
    ) -> None:
        size = len(gram)
        loading = max(ridge, 1e-10) * np.trace(gram) / size or 1.0
        inverse = linalg.inv(gram + loading * np.eye(size))
        self._inverse = np.asfortranarray(inverse)
        self._kernel = kernel.copy()
        self._blocks, self._num_channels = list(blocks), num_channels
        self._variance = (float((kernel * (gram @ kernel)).sum()) if variance is None else variance) or 1.0
        self._is_there = np.ones(size, bool)

    def part(self, channels: np.ndarray) -> Survivors:
        """Return the same for a few channels alone: what they would cost is what it is among all.

        Args:
            channels: Which, of those that are there.
        """
        own = [
            (owners[is_in], blocks[is_in])
            for owners, blocks in self._blocks
            for is_in in [np.isin(owners, channels)]
        ]
        inputs = np.concatenate([blocks.ravel() for _, blocks in own])
        part = copy(self)
        part._inverse = np.asfortranarray(self._inverse[np.ix_(inputs, inputs)])
        part._kernel = self._kernel[inputs]
        part._is_there = np.ones(len(inputs), bool)
        ends = np.cumsum([blocks.size for _, blocks in own])
        part._blocks = [
            (owners, np.arange(end - blocks.size, end).reshape(blocks.shape))
            for (owners, blocks), end in zip(own, ends, strict=True)
        ]
        return part

    def prices(self) -> np.ndarray:
        """Return what is missing without each channel, as a fraction of the variance, `[channels]`.

        It is 0 for those that the layer does not read, or no more.
        """
        prices = np.zeros(self._num_channels)
        for channels, blocks in self._blocks:
            rows = self._kernel[blocks]
            own = self._inverse[blocks[:, :, None], blocks[:, None]]
            if own.shape[1] == 1:
                prices[channels] = np.square(rows[:, 0]).sum(axis=1) / own[:, 0, 0]
            else:
                prices[channels] = (rows * np.linalg.solve(own, rows)).sum(axis=(1, 2))
        return prices / self._variance

    def remove(self, gone: list[int]) -> None:
        """Let channels go, and the others stand in for them.

        Args:
            gone: Which.
        """
        inputs = []
        for number, (channels, blocks) in enumerate(self._blocks):
            goes = np.isin(channels, gone)
            inputs.append(blocks[goes].ravel())
            self._blocks[number] = channels[~goes], blocks[~goes]
        if len(block := np.concatenate(inputs)):
            self._remove(block)
        if len(self._is_there) and self._is_there.mean() < _LEAST_LEFT:
            self._compress()

    def _remove(self, block: np.ndarray) -> None:
        columns = self._inverse[:, block]
        gain = np.linalg.solve(columns[block], columns.T).T
        self._kernel -= gain @ self._kernel[block]
        # In place: it is the largest thing there is.
        self._inverse = blas.dgemm(-1.0, gain, columns, 1.0, self._inverse, trans_b=True, overwrite_c=True)
        self._is_there[block] = False

    def _compress(self) -> None:
        stay = self._is_there
        self._inverse = np.asfortranarray(self._inverse[np.ix_(stay, stay)])
        self._kernel = self._kernel[stay]
        where = np.cumsum(stay) - 1
        self._blocks = [(channels, where[blocks]) for channels, blocks in self._blocks]
        self._is_there = stay[stay]
