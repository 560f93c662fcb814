"""Least squares from a stream of rows: what has to be kept of them does not grow with their number."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from stamp_tf.errors import NotFiniteError

_LEAST_RIDGE = 1e-10
_SMALLEST, _LARGEST = 1e-12, 1e12


class NormalEquations:
    """Sums of products of inputs and targets, a block for each group of a kernel, in float64.

    Rows are shifted by the mean of the first ones before they are multiplied, so that large means cost no digits
    where products are taken in float32.

    Args:
        groups: Parts of the kernel that read and write channels of their own.
        num_inputs: Inputs I of a group.
        num_outputs: Outputs O of a group.
        has_intercept: Whether a constant is fitted, too.
    """

    def __init__(self, groups: int, num_inputs: int, num_outputs: int, *, has_intercept: bool) -> None:
        self.has_intercept = has_intercept
        self.num_rows = 0
        size = num_inputs + num_outputs
        self._num_inputs = num_inputs
        self._sums = np.zeros((groups, size))
        self._products = np.zeros((groups, num_inputs, size))
        self._squares = np.zeros((groups, num_outputs))
        self._shift: np.ndarray | None = None

    def add(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Take in rows.

        Args:
            inputs: `[n, groups, I]`.
            targets: `[n, groups, O]`.
        """
        # Groups first, as matrix products want them.
        rows = np.concatenate([inputs, targets], axis=2).swapaxes(0, 1)
        peak = np.abs(rows).max(initial=0)
        if not np.isfinite(peak):
            raise NotFiniteError(
                "What a layer reads and writes must be finite to be refitted, but holds NaN or infinity; take images "
                "at the scale that the network was trained on."
            )
        if not _SMALLEST < np.abs(inputs).max(initial=0) <= peak < _LARGEST:
            # Their products would be out of the range of float32.
            rows = rows.astype("float64")
        if self._shift is None:
            self._shift = rows.mean(axis=1, keepdims=True) * self.has_intercept
        rows = rows - self._shift.astype(rows.dtype)
        self.num_rows += rows.shape[1]
        self._sums += rows.sum(axis=1, dtype="float64")
        self._products += rows[..., : self._num_inputs].swapaxes(1, 2) @ rows
        self._squares += np.square(rows[..., self._num_inputs :]).sum(axis=1, dtype="float64")

    @property
    def gram(self) -> np.ndarray:
        """Mean products of inputs with inputs, `[groups, I, I]`; centred where there is an intercept."""
        return self._moments[..., : self._num_inputs]

    @property
    def _moments(self) -> np.ndarray:
        """Mean products of inputs with inputs and targets, `[groups, I, I + O]`; centred with an intercept."""
        moments = self._products / self.num_rows
        if not self.has_intercept:
            return moments
        means = self._sums / self.num_rows
        return moments - means[:, : self._num_inputs, None] * means[:, None]

    def solve(self, kernel: np.ndarray, *, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernel of least squares that is drawn towards a given one, and its intercept.

        Args:
            kernel: `[groups, I, O]`.
            ridge: How much, as a fraction of the mean square of an input.

        Returns:
            Kernel `[groups, I, O]`, and intercept `[groups, O]`, which is 0 where none is fitted.
        """
        solved = np.empty(kernel.shape)
        for group, moments in enumerate(self._moments):
            gram, products = moments[:, : self._num_inputs], moments[:, self._num_inputs :]
            # Never nothing: inputs that are alike, or always 0, would leave the solution open.
            loading = max(ridge, _LEAST_RIDGE) * np.trace(gram) / len(gram) or 1.0
            factor = linalg.cho_factor(gram + loading * np.eye(len(gram)))
            solved[group] = kernel[group] + linalg.cho_solve(factor, products - gram @ kernel[group])
        intercept = np.zeros((len(kernel), kernel.shape[2]))
        if self.has_intercept and self._shift is not None:
            means = self._sums / self.num_rows + self._shift[:, 0]
            inputs, targets = means[:, : self._num_inputs], means[:, self._num_inputs :]
            intercept = targets - np.einsum("gk,gko->go", inputs, solved)
        return solved, intercept

    def error(self, kernel: np.ndarray) -> float:
        """Return what a kernel and its best intercept leave of the targets: a fraction of their squares.

        Args:
            kernel: `[groups, I, O]`.
        """
        squares = self._squares / self.num_rows
        if self.has_intercept:
            squares = squares - np.square(self._sums[:, self._num_inputs :] / self.num_rows)
        products, gram = self._moments[..., self._num_inputs :], self.gram
        left = squares.sum() - 2 * (kernel * products).sum() + (kernel * (gram @ kernel)).sum()
        return float(max(left, 0.0) / max(squares.sum(), np.finfo("float64").tiny))
