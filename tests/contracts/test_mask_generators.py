"""What every mask generator must do, run over every registered name."""

import json
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import stamp_registry
from stamp_tf.layers.mask_generator import MaskGenerator

GROUP = "stamp_tf.mask_generators"
SIZES = [3, 8, 5]
NUM_CHANNELS = sum(SIZES)
GeneratorMaker = Callable[..., MaskGenerator]


@pytest.fixture(params=stamp_registry.names(GROUP))
def make(request: pytest.FixtureRequest) -> GeneratorMaker:
    def build(num_outputs: int = 4, **options: object) -> MaskGenerator:
        generator = stamp_registry.load(GROUP, request.param)(SIZES, **options)
        generator.build((num_outputs, NUM_CHANNELS))
        return generator

    return build


NUM_OUTPUTS = 4


def pooled(num_outputs: int = NUM_OUTPUTS, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_outputs, NUM_CHANNELS)).astype("float32")


def uniform(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(2, NUM_CHANNELS)).astype("float32")


@pytest.mark.parametrize("num_outputs", [1, 4])
def test_it_returns_scores_a_mask_and_the_priors_cost(make: GeneratorMaker, num_outputs: int) -> None:
    scores, mask, kl = make(num_outputs)(pooled(num_outputs), uniform())
    assert scores.shape == mask.shape == (NUM_CHANNELS,)
    assert kl.shape == ()
    assert np.isfinite(scores).all()
    assert ((np.asarray(mask) >= 0) & (np.asarray(mask) <= 1)).all()


def test_numbers_decide_the_sample_and_nothing_else_does(make: GeneratorMaker) -> None:
    generator = make()
    first, second, third = (generator(pooled(), uniform(seed)) for seed in (0, 0, 1))
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(first[0], third[0])
    assert not np.array_equal(first[1], third[1])


def test_masks_follow_scores(make: GeneratorMaker) -> None:
    """sigmoid(scores) is E[m]: a sample is open about as often."""
    generator = make()
    generator.start_from(np.linspace(-1, 1, NUM_CHANNELS))
    scores = generator(pooled(), uniform())[0]
    numbers = np.random.default_rng(1).uniform(size=(2000, 2, NUM_CHANNELS)).astype("float32")
    samples = np.asarray(tf.function(lambda: tf.map_fn(lambda u: generator(pooled(), u)[1], numbers))())
    np.testing.assert_allclose((samples > 0.5).mean(axis=0), tf.sigmoid(scores), atol=0.06)


def test_it_starts_in_the_order_of_the_references_scores(make: GeneratorMaker) -> None:
    generator = make()
    scores = np.random.default_rng(3).normal(0, 5, NUM_CHANNELS)
    generator.start_from(scores)
    result = np.asarray(generator(np.zeros((NUM_OUTPUTS, NUM_CHANNELS), "float32"), uniform())[0])
    np.testing.assert_array_equal(np.argsort(result), np.argsort(scores))


def test_the_order_survives_a_shift(make: GeneratorMaker) -> None:
    generator = make()
    generator.start_from(np.random.default_rng(3).normal(size=NUM_CHANNELS))
    before = generator(pooled(), uniform())[0]
    generator.shift_scores(-0.7)
    np.testing.assert_array_equal(np.argsort(generator(pooled(), uniform())[0]), np.argsort(before))


def test_a_prior_starts_from_open_channels(make: GeneratorMaker) -> None:
    """Probabilities near a half would lose a pretrained network's signal within a few layers."""
    generator = make()
    if not generator.has_prior:
        pytest.skip("a budget closes this generator's channels")
    assert float(tf.reduce_mean(tf.sigmoid(generator(pooled(), uniform())[0]))) > 0.8


@pytest.mark.parametrize("which", ["scores", "mask"])
def test_what_the_set_excites_matters_from_the_start(make: GeneratorMaker, which: str) -> None:
    generator, excited = make(), tf.constant(pooled())
    with tf.GradientTape() as tape:
        tape.watch(excited)
        scores, mask, _ = generator(excited, uniform())
        loss = tf.reduce_sum(
            {"scores": scores, "mask": mask}[which] * np.arange(NUM_CHANNELS, dtype="float32")
        )
    assert np.abs(tape.gradient(loss, excited)).max() > 0


def test_gradients_reach_every_weight(make: GeneratorMaker) -> None:
    generator = make()
    with tf.GradientTape() as tape:
        scores, mask, kl = generator(pooled(), uniform())
        loss = tf.reduce_sum(scores) + tf.reduce_sum(mask) + kl
    weights = generator.trainable_variables
    assert weights
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path


def test_a_prior_has_a_cost_and_only_a_prior(make: GeneratorMaker) -> None:
    generator = make()
    kl = float(generator(pooled(), uniform())[2])
    assert (kl > 0) == generator.has_prior


def test_configuration_is_json_and_rebuilds_the_generator(make: GeneratorMaker) -> None:
    generator = make()
    config = json.loads(json.dumps(generator.get_config()))
    rebuilt = type(generator).from_config(config)
    assert rebuilt.get_config() == generator.get_config()
    rebuilt.build((NUM_OUTPUTS, NUM_CHANNELS))
    generator.start_from(np.random.default_rng(0).normal(size=NUM_CHANNELS))
    rebuilt.set_weights(generator.get_weights())
    for ours, theirs in zip(rebuilt(pooled(), uniform()), generator(pooled(), uniform()), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_it_is_registered_for_keras_files(make: GeneratorMaker) -> None:
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(make()))
    assert restored.group_sizes == SIZES


def test_weights_are_values(make: GeneratorMaker) -> None:
    """As the inner loop uses it: stateless, compiled."""
    generator = make()
    before = generator.get_weights()

    @tf.function
    def scores_with(weights: list[tf.Tensor]) -> tf.Tensor:
        fixed = [variable.value for variable in generator.non_trainable_variables]
        return generator.stateless_call(weights, fixed, pooled(), uniform())[0][0]

    weights = [tf.convert_to_tensor(variable.value) for variable in generator.trainable_variables]
    np.testing.assert_allclose(scores_with(weights), generator(pooled(), uniform())[0], rtol=1e-5, atol=1e-6)
    moved = scores_with([weight + 0.5 for weight in weights])
    assert not np.allclose(moved, scores_with(weights))
    for old, new in zip(before, generator.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_it_computes_in_float64_where_that_is_asked(make: GeneratorMaker) -> None:
    generator = make(dtype="float64")
    outputs = generator(pooled().astype("float64"), uniform().astype("float64"))
    assert {output.dtype for output in outputs} == {tf.float64}
