"""What every mask generator must do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import compile_step, value_and_gradient
from stamp_tf.layers.mask_generator import MaskGenerator
from stamp_tf.testing.require import (
    array,
    has_float64,
    require,
    require_close,
    require_equal,
    require_finite,
    require_gradients,
    try_all,
)

GeneratorMaker = Callable[..., MaskGenerator]
SIZES = [3, 8, 5]
NUM_CHANNELS = sum(SIZES)
NUM_OUTPUTS = 4
"""r, the number of pseudo-images that channels are probed with."""


def check_mask_generator(build: GeneratorMaker) -> None:
    """Hold a mask generator to its contract.

    Args:
        build: The class, or a function that takes the sizes of groups and the keywords of every Keras layer.

    Raises:
        AssertionError: If it breaks a rule; the message says which.
    """
    try_all(PROPERTIES, build)


def returns_scores_a_mask_and_the_priors_cost(build: GeneratorMaker) -> None:
    """Three tensors, whatever the number of pseudo-images."""
    for num_outputs in (1, NUM_OUTPUTS):
        scores, mask, cost = _made(build, num_outputs)(_pooled(num_outputs), _uniform())
        rule = "A mask generator must return scores [C], a mask [C] and a cost, a scalar"
        require_equal(
            (tuple(scores.shape), tuple(mask.shape), tuple(cost.shape)),
            ((NUM_CHANNELS,), (NUM_CHANNELS,), ()),
            rule,
        )
        require_finite(scores, "Scores must be finite")
        inside = (array(mask) >= 0) & (array(mask) <= 1)
        require(inside.all(), "A mask must lie between 0 and 1", f"holds {array(mask)[~inside]}")


def draws_by_the_given_numbers_alone(build: GeneratorMaker) -> None:
    """Randomness comes in; nothing else decides, and it moves the sample only."""
    generator = _made(build)
    first, second, third = (generator(_pooled(), _uniform(seed)) for seed in (0, 0, 1))
    for ours, theirs in zip(first, second, strict=True):
        require_close(ours, theirs, "The same numbers must give the same answer")
    require_close(first[0], third[0], "Scores must not depend on the random numbers")
    require(
        not np.array_equal(array(first[1]), array(third[1])),
        "The sample must depend on the random numbers",
        "others gave the same",
    )


def opens_channels_as_often_as_scores_say(build: GeneratorMaker) -> None:
    """sigmoid(scores) is E[m]: a sample is open about as often."""
    generator = _made(build)
    generator.start_from(np.linspace(-1, 1, NUM_CHANNELS))
    scores = generator(_pooled(), _uniform())[0]
    numbers = np.random.default_rng(1).uniform(size=(2000, 2, NUM_CHANNELS)).astype("float32")

    def draw(numbers: Any) -> Any:
        return ops.map(lambda uniform: generator(_pooled(), uniform)[1], numbers)

    samples = array(compile_step(draw, [])(ops.convert_to_tensor(numbers)))
    rule = "The sigmoid of a score must be how often its channel is open"
    require_close((samples > 0.5).mean(axis=0), ops.sigmoid(scores), rule, tolerance=0.06)


def starts_in_the_order_of_the_references_scores(build: GeneratorMaker) -> None:
    """`start_from` takes the learnt order over."""
    generator = _made(build)
    scores = np.random.default_rng(3).normal(0, 5, NUM_CHANNELS)
    generator.start_from(scores)
    result = array(generator(np.zeros((NUM_OUTPUTS, NUM_CHANNELS), "float32"), _uniform())[0])
    require_close(
        np.argsort(result), np.argsort(scores), "The first order must be that of the reference's scores"
    )


def keeps_the_order_when_shifted(build: GeneratorMaker) -> None:
    """`shift_scores` moves the common level, or nothing."""
    generator = _made(build)
    generator.start_from(np.random.default_rng(3).normal(size=NUM_CHANNELS))
    before = np.argsort(array(generator(_pooled(), _uniform())[0]))
    generator.shift_scores(-0.7)
    after = np.argsort(array(generator(_pooled(), _uniform())[0]))
    require_close(after, before, "The order must survive a shift")


def starts_open_with_a_prior(build: GeneratorMaker) -> None:
    """Probabilities near a half would lose a pretrained network's signal within a few layers."""
    generator = _made(build)
    if generator.has_prior:
        mean = float(ops.mean(ops.sigmoid(generator(_pooled(), _uniform())[0])))
        require(
            mean > 0.8, "A prior must start from open channels, E[m] above 0.8", f"the mean is {mean:.2f}"
        )


def lets_the_set_matter_from_the_start(build: GeneratorMaker) -> None:
    """Scores and sample have a slope in what the set excites."""
    generator = _made(build)
    weighting = np.arange(NUM_CHANNELS, dtype="float32")
    for which, name in enumerate(("scores", "mask")):

        def loss(values: list[Any], which: int = which) -> tuple[Any, None]:
            return ops.sum(generator(values[0], _uniform())[which] * weighting), None

        _, (slope,) = value_and_gradient(loss, [ops.convert_to_tensor(_pooled())])
        require(np.abs(array(slope)).max() > 0, f"What the set excites must move the {name}", "does not")


def passes_gradients_to_every_weight(build: GeneratorMaker) -> None:
    """Each weight takes part."""
    generator = _made(build)

    def loss(values: list[Any]) -> Any:
        scores, mask, cost = _stateless(generator, values)
        return ops.sum(scores) + ops.sum(mask) + cost

    require_gradients(generator, loss, rule="Gradients must reach every weight of a mask generator")


def has_a_cost_if_it_has_a_prior(build: GeneratorMaker) -> None:
    """`has_prior` and the third tensor say the same."""
    generator = _made(build)
    cost = float(generator(_pooled(), _uniform())[2])
    rule = f"The cost must be {'above' if generator.has_prior else ''} zero as has_prior is {generator.has_prior}"
    require((cost > 0) == generator.has_prior, " ".join(rule.split()), f"is {cost}")


def is_rebuilt_from_its_configuration(build: GeneratorMaker) -> None:
    """The options stand in a reference's file as JSON."""
    generator = _made(build)
    rule = "A mask generator must be rebuilt from its get_config, by way of JSON"
    rebuilt = type(generator).from_config(json.loads(json.dumps(generator.get_config())))
    require_equal(rebuilt.get_config(), generator.get_config(), rule)
    rebuilt.build((NUM_OUTPUTS, NUM_CHANNELS))
    generator.start_from(np.random.default_rng(0).normal(size=NUM_CHANNELS))
    rebuilt.set_weights(generator.get_weights())
    answers = (made(_pooled(), _uniform()) for made in (rebuilt, generator))
    for ours, theirs in zip(*answers, strict=True):
        require_close(ours, theirs, rule)


def is_registered_with_keras(build: GeneratorMaker) -> None:
    """A file of Keras may hold it."""
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(_made(build)))
    require_equal(restored.group_sizes, SIZES, "A restored mask generator must have its groups")


def takes_weights_as_values(build: GeneratorMaker) -> None:
    """As the inner loop uses it: stateless, compiled."""
    generator = _made(build)
    before = generator.get_weights()
    compiled = compile_step(lambda weights: _stateless(generator, weights)[0], [])
    weights = [ops.convert_to_tensor(variable.value) for variable in generator.trainable_variables]
    expected = array(generator(_pooled(), _uniform())[0])
    rule = "A mask generator must take its weights as values"
    require_close(compiled(weights), expected, rule, tolerance=1e-5 * (1 + np.abs(expected).max()))
    moved = array(compiled([weight + 0.5 for weight in weights]))
    require(not np.allclose(moved, expected), rule, "other values gave the same scores")
    for old, new in zip(before, generator.get_weights(), strict=True):
        require_close(new, old, "A stateless call must leave the layer's own weights alone")


def computes_in_float64_where_that_is_asked(build: GeneratorMaker) -> None:
    """No type is written into it."""
    if not has_float64():
        return
    generator = _made(build, dtype="float64")
    outputs = generator(_pooled().astype("float64"), _uniform().astype("float64"))
    types = {keras.backend.standardize_dtype(output.dtype) for output in outputs}
    require_equal(types, {"float64"}, "A mask generator must compute in float64 where that is asked")


def _made(build: GeneratorMaker, num_outputs: int = NUM_OUTPUTS, **options: Any) -> MaskGenerator:
    generator = build(SIZES, **options)
    generator.build((num_outputs, NUM_CHANNELS))
    return generator


def _pooled(num_outputs: int = NUM_OUTPUTS) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(num_outputs, NUM_CHANNELS)).astype("float32")


def _uniform(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(2, NUM_CHANNELS)).astype("float32")


def _stateless(generator: MaskGenerator, weights: list[Any]) -> tuple[Any, Any, Any]:
    fixed = [variable.value for variable in generator.non_trainable_variables]
    return generator.stateless_call(weights, fixed, _pooled(), _uniform())[0]


PROPERTIES = (
    returns_scores_a_mask_and_the_priors_cost,
    draws_by_the_given_numbers_alone,
    opens_channels_as_often_as_scores_say,
    starts_in_the_order_of_the_references_scores,
    keeps_the_order_when_shifted,
    starts_open_with_a_prior,
    lets_the_set_matter_from_the_start,
    passes_gradients_to_every_weight,
    has_a_cost_if_it_has_a_prior,
    is_rebuilt_from_its_configuration,
    is_registered_with_keras,
    takes_weights_as_values,
    computes_in_float64_where_that_is_asked,
)
