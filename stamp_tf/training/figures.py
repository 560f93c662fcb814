"""Figures of a training step that stay on the device until somebody reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class StepFigures(Mapping[str, float]):
    """A step's figures by name, each fetched when it is read.

    To fetch one means to wait for the device. A callback that looks at figures now and then costs the steps
    between nothing.

    Args:
        tensors: Scalars by name.
        **known: Further figures, numbers already.

    Example:
        >>> figures = StepFigures({"loss": keras.ops.ones(())}, images=128)
        >>> dict(figures)
        {'loss': 1.0, 'images': 128.0}
    """

    def __init__(self, tensors: Mapping[str, Any], **known: float) -> None:
        self._values = {**tensors, **known}

    def __getitem__(self, name: str) -> float:
        return float(self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
