"""The published mask generator: beta-Bernoulli dropout whose probabilities depend on the set."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.layers.mask_generator import MaskGenerator, relaxed_bernoulli
from stamp_tf.layers.special import digamma, log_gamma
from stamp_tf.tensor import Tensor

_EULER_GAMMA = 0.577215664901532


@keras.saving.register_keras_serializable(package="stamp_tf")
class BetaBernoulli(MaskGenerator):
    """m ~ Bernoulli(pi * clip(gamma * Pool(o) + beta)), pi ~ Kumaraswamy(a, b) against Beta(alpha, 1).

    The prior closes channels that do not pay for themselves. A start near 1 (a = 10) keeps a pretrained
    network's signal alive; probabilities near 0.7, the published start, lose it within 16 layers.

    Args:
        group_sizes: Number of channels of each layer's group.
        alpha: Of the prior; smaller is sparser.
        start: First a; E[pi] = a / (a + 1) at b = 1.
        gamma: First factor on the standardised pooled probe.
        beta: First shift.
        epsilon: Distance that the clipped gate keeps from 0 and 1.
        beta_variance: Of the prior on beta.

    Example:
        >>> generator = BetaBernoulli([4, 8])
        >>> scores, sample, kl = generator(np.random.rand(1, 12), np.random.rand(2, 12))
        >>> sample.shape
        TensorShape([12])

    Source:
        Song et al. 2020, Eq. 12-14; Lee et al. 2019 (beta-Bernoulli dropout).
    """

    has_prior = True
    threshold = 1e-3

    def __init__(
        self,
        group_sizes: Sequence[int],
        *,
        alpha: float = 1e-4,
        start: float = 10.0,
        gamma: float = 0.02,
        beta: float = 0.95,
        epsilon: float = 1e-2,
        beta_variance: float = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(group_sizes, **kwargs)
        self.alpha = alpha
        self.start = start
        self.gamma = gamma
        self.beta = beta
        self.epsilon = epsilon
        self.beta_variance = beta_variance

    def build(self, pooled_shape: tuple[int, int]) -> None:
        def add(name: str, value: float) -> keras.Variable:
            return self.add_weight(
                shape=(self.num_channels,), initializer=keras.initializers.Constant(value), name=name
            )

        self.raw_a = add("raw_a", _inverse_softplus(self.start))
        self.raw_b = add("raw_b", _inverse_softplus(1.0))
        self.factors = add("factors", self.gamma)
        self.shifts = add("shifts", self.beta)

    def start_from(self, scores: np.ndarray) -> None:
        # The learnt scores are standardised to a spread of 1 in the logit of E[pi], about its first value.
        spread = (scores - scores.mean()) / (scores.std() + 1e-6)
        expectation = 1 / (1 + np.exp(-(math.log(self.start) + spread)))
        self.raw_a.assign([_inverse_softplus(p / (1 - p)) for p in expectation])

    def call(self, pooled: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, b = positive(self.raw_a, self.raw_b)
        excitation = ops.mean(self.standardized(pooled), axis=0)
        gate = ops.clip(self.factors * excitation + self.shifts, self.epsilon, 1 - self.epsilon)
        scores = logit(expected_keep_probability(a, b) * gate)
        sampled = sample_kumaraswamy(a, b, uniform[0])
        mask = relaxed_bernoulli(logit(sampled * gate), uniform[1])
        kl = ops.sum(kl_divergence(a, b, self.alpha)) + ops.sum(ops.square(self.shifts)) / (
            2 * self.beta_variance
        )
        return scores, mask, kl

    def get_config(self) -> dict[str, Any]:
        names = ("alpha", "start", "gamma", "beta", "epsilon", "beta_variance")
        return super().get_config() | {name: getattr(self, name) for name in names}


def positive(raw_a: Tensor, raw_b: Tensor) -> tuple[Tensor, Tensor]:
    """Return a and b of a Kumaraswamy distribution from numbers of any sign, elementwise."""
    return ops.softplus(ops.maximum(raw_a, -10.0)), ops.softplus(ops.clip(raw_b, -10.0, 50.0))


def expected_keep_probability(a: Tensor, b: Tensor) -> Tensor:
    """Return E[pi] of pi ~ Kumaraswamy(a, b), elementwise in (0, 1)."""
    return b * ops.exp(log_gamma(1 + 1 / a) + log_gamma(b) - log_gamma(1 + 1 / a + b))


def kl_divergence(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """Return KL[Kumaraswamy(a, b) || Beta(alpha, 1)], elementwise.

    Source:
        Nalisnick & Smyth 2017.
    """
    return (1 - alpha / a) * (-_EULER_GAMMA - digamma(b) - 1 / b) + ops.log(a * b / alpha) - (b - 1) / b


def sample_kumaraswamy(a: Tensor, b: Tensor, uniform: Tensor) -> Tensor:
    """Return (1 - u^(1/b))^(1/a), a differentiable sample in (0, 1) for u in (0, 1)."""
    uniform = ops.clip(uniform, 1e-6, 1 - 1e-6)
    return ops.power(1 - ops.power(uniform, 1 / b), 1 / a)


def logit(probability: Tensor) -> Tensor:
    """Return ln(p / (1 - p)), elementwise, of probabilities that are held 1e-6 away from 0 and 1."""
    probability = ops.clip(probability, 1e-6, 1 - 1e-6)
    return ops.log(probability) - ops.log(1 - probability)


def _inverse_softplus(value: float) -> float:
    return float(value + np.log(-np.expm1(-value)))
