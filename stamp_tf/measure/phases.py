"""Where the seconds of a long piece of work went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def clock(times: dict[str, float], phase: str) -> Iterator[None]:
    """Add the seconds that the block takes to a phase.

    Args:
        times: Seconds by phase.
        phase: Which.
    """
    started = time.perf_counter()
    yield
    times[phase] = times.get(phase, 0.0) + time.perf_counter() - started
