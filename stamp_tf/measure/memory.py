"""How much memory this process has taken."""

from __future__ import annotations

import sys


def peak_bytes() -> int | None:
    """Return the most bytes that this process has had in memory at once so far; None where the system does not say."""
    try:
        import resource
    except ImportError:  # no such module on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
