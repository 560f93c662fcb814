"""How long work tells its caller how far it is."""

from collections.abc import Callable, Mapping

OnStep = Callable[[int, int, Mapping[str, float]], None]
"""Called with (steps done, all steps, figures) after a step."""

OnPhase = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with (phase, steps done, all steps, figures), where work has several phases."""
