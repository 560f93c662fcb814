"""Plug-ins that only benchmarks have, installed while a program needs them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "plugins"
"""A package like anybody's: modules, and beside them the entry points that declare them."""


@contextmanager
def own_plugins() -> Iterator[None]:
    """Install what lies in `FOLDER` for the length of a block, or of a function that this decorates.

    Example:
        >>> with own_plugins():
        ...     meta_train(dataset, reference, "runs/control", set_encoder="constant")
    """
    sys.path.insert(0, str(FOLDER))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(FOLDER))
