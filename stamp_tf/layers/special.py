"""Special functions that keras.ops lacks, differentiable on every backend."""

import math

from keras import ops

from stamp_tf.tensor import Tensor

_SHIFT = 8


def log_gamma(x: Tensor) -> Tensor:
    """Return ln(Gamma(x)) for x > 0, to about 1e-7.

    Recurrence lifts the argument by 8, where Stirling's series converges fast.

    Source:
        Abramowitz & Stegun 1964, 6.1.41.
    """
    product = ops.log(x)
    for shift in range(1, _SHIFT):
        product = product + ops.log(x + shift)
    z = x + _SHIFT
    series = (1 / 12 - (1 / 360 - 1 / (1260 * z * z)) / (z * z)) / z
    return (z - 0.5) * ops.log(z) - z + 0.5 * math.log(2 * math.pi) + series - product


def digamma(x: Tensor) -> Tensor:
    """Return the derivative of ln(Gamma(x)) for x > 0, to about 1e-7.

    Source:
        Abramowitz & Stegun 1964, 6.3.18.
    """
    lifted = 1 / x
    for shift in range(1, _SHIFT):
        lifted = lifted + 1 / (x + shift)
    z = x + _SHIFT
    inverse = 1 / (z * z)
    return ops.log(z) - 0.5 / z - inverse * (1 / 12 - inverse * (1 / 120 - inverse / 252)) - lifted
