"""The Neural Statistician: its posterior, its divergence, its randomness."""

import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.set_encoders.neural_statistician import NeuralStatistician

IMAGES = np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype("float32")


def test_training_adds_the_divergence_per_image() -> None:
    encoder = NeuralStatistician(width=8, num_outputs=2, kl_scale=0.5)
    encoder(IMAGES, training=True)
    mean, log_variance = (np.asarray(part, "float64") for part in encoder.posterior(IMAGES))
    variance = np.exp(log_variance)
    expected = 0.5 * np.sum(0.5 * (mean**2 + variance - 1 - log_variance)) / len(IMAGES)
    assert len(encoder.losses) == 1
    np.testing.assert_allclose(encoder.losses[0], expected, rtol=1e-5)


def test_the_divergence_is_that_of_the_sampled_density() -> None:
    mean, deviation = 0.7, 0.4
    context = mean + deviation * np.random.default_rng(0).normal(size=1_000_000)
    log_ratio = -np.log(deviation) - 0.5 * ((context - mean) / deviation) ** 2 + 0.5 * context**2
    closed_form = 0.5 * (mean**2 + deviation**2 - 1 - 2 * np.log(deviation))
    np.testing.assert_allclose(log_ratio.mean(), closed_form, rtol=1e-2)


def test_inference_adds_no_loss_and_draws_nothing() -> None:
    encoder = NeuralStatistician(width=8)
    encoder(IMAGES)
    state = np.asarray(encoder.seed_generator.state)
    encoder(IMAGES)
    assert encoder.losses == []
    np.testing.assert_array_equal(encoder.seed_generator.state, state)


def test_training_samples_anew_and_repeats_with_the_seed() -> None:
    encoder = NeuralStatistician(width=8)
    encoder.build((None, 8, 8, 3))
    weights, other = ([variable.value for variable in group] for group in _groups(encoder))
    first, after = encoder.stateless_call(weights, other, IMAGES, training=True)
    again, _ = encoder.stateless_call(weights, other, IMAGES, training=True)
    second, _ = encoder.stateless_call(weights, after, IMAGES, training=True)
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.asarray(first) - np.asarray(second)).max() > 1e-3


def _groups(encoder: NeuralStatistician) -> tuple[list, list]:
    return encoder.trainable_variables, encoder.non_trainable_variables


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 10}, "width must be a multiple of 4, but it is 10; choose 12"),
        ({"kl_scale": -1.0}, "kl_scale must be at least 0, but it is -1.0"),
        ({"kl_scale": float("nan")}, "kl_scale must be at least 0, but it is nan"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(StampError, match=message):
        NeuralStatistician(**options)
