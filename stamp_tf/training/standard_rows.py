"""Features of images as the fit of a head wants them."""

from __future__ import annotations

import numpy as np

LEAST_REST = 1e-12
"""What an image that is left out leaves of its own say, which is little where features outnumber images by far."""
_NOTHING = 1e-12


class StandardRows:
    """Rows of features in float64, of mean 0 and variance 1, in no more dimensions than they span.

    Args:
        features: `[n, F]`.

    Attributes:
        values: `[n, k]`, k at most F; where features outnumber rows along the directions that rows have.
    """

    def __init__(self, features: np.ndarray) -> None:
        x = features.astype("float64")
        self._mean, self._deviation = x.mean(0), x.std(0) + 1e-8
        x = (x - self._mean) / self._deviation
        self._directions: np.ndarray | None = None
        if len(x) < x.shape[1]:
            squares, left = np.linalg.eigh(x @ x.T)
            # Along the others lies nothing: the rows have a mean of zero, and may be dependent.
            some = squares > squares[-1] * _NOTHING
            self._directions = x.T @ (left[:, some] / np.sqrt(squares[some]))
            x = x @ self._directions
        self.values = x

    def on_features(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return kernel `[F, classes]` and bias `[classes]` that give on features what these give on `values`.

        Args:
            kernel: `[k, classes]`.
            bias: `[classes]`.
        """
        if self._directions is not None:
            kernel = self._directions @ kernel
        kernel = kernel / self._deviation[:, None]
        return kernel, bias - self._mean @ kernel
