"""Learning rates as functions of the step."""

import math


def cosine_rate(step: int, num_steps: int, *, peak: float, num_warmup_steps: int = 0) -> float:
    """Return a rate that rises linearly to its peak and falls to zero along a cosine.

    Args:
        step: From 0.
        num_steps: Length of the whole run.
        peak: Largest rate.
        num_warmup_steps: Length of the rise.
    """
    if step < num_warmup_steps:
        return peak * (step + 1) / num_warmup_steps
    progress = (step - num_warmup_steps) / max(1, num_steps - num_warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def step_rate(step: int, num_steps: int, *, peak: float) -> float:
    """Return a rate that falls to a tenth at 50% of the run and again at 80%.

    Source:
        Lee et al. 2019 and Song et al. 2020, appendix C.1.
    """
    progress = step / max(1, num_steps)
    return peak * (1.0 if progress < 0.5 else 0.1 if progress < 0.8 else 0.01)
