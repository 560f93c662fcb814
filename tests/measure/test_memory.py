"""How much memory a process has taken."""

import resource
from pathlib import Path

from stamp_tf.measure.memory import peak_bytes


def test_peak_is_no_less_than_what_is_held_now() -> None:
    now = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    peak = peak_bytes()
    assert peak is not None
    # Both are counted in pages, the one a little later than the other.
    assert 0.9 * now < peak < 100 * now
