"""Attention blocks against their equations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.layers.attention import ISAB, MAB, PMA, SAB

BLOCKS = [
    SAB(8, num_heads=2),
    ISAB(8, num_heads=2, num_inducing_points=3),
    PMA(8, num_heads=2, num_seeds=4),
]


def block_ids(block: keras.layers.Layer) -> str:
    return type(block).__name__


def fresh(block: keras.layers.Layer) -> keras.layers.Layer:
    return type(block).from_config(block.get_config() | {"dtype": "float64"})


def random_set(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def reference_weights(layer: MAB, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """A [heads, n, m], head by head."""
    size = layer.width // layer.num_heads
    projected = queries @ np.asarray(layer.query_projection.kernel) + np.asarray(layer.query_projection.bias)
    keys = keys @ np.asarray(layer.key_projection.kernel)
    columns = [slice(head * size, (head + 1) * size) for head in range(layer.num_heads)]
    return np.stack([softmax(projected[:, own] @ keys[:, own].T / np.sqrt(size)) for own in columns])


def reference_mab(layer: MAB, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """H = Norm(Q' + A V'), Norm(H + relu(H Wo)), written out."""

    def normalize(rows: np.ndarray) -> np.ndarray:
        if not layer.layer_normalization:
            return rows
        return (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-3)

    size = layer.width // layer.num_heads
    values = keys @ np.asarray(layer.value_projection.kernel)
    weights = reference_weights(layer, queries, keys)
    answers = [weights[head] @ values[:, head * size : (head + 1) * size] for head in range(layer.num_heads)]
    projected = queries @ np.asarray(layer.query_projection.kernel) + np.asarray(layer.query_projection.bias)
    hidden = normalize(projected + np.concatenate(answers, -1))
    output = hidden @ np.asarray(layer.output_projection.kernel) + np.asarray(layer.output_projection.bias)
    return normalize(hidden + np.maximum(output, 0))


@pytest.mark.parametrize("num_heads", [1, 2, 4])
@pytest.mark.parametrize("layer_normalization", [True, False])
def test_mab_computes_its_equation(num_heads: int, layer_normalization: bool) -> None:
    layer = MAB(8, num_heads, layer_normalization=layer_normalization, dtype="float64")
    queries, keys = random_set(5, 6), random_set(7, 3, seed=1)
    result = layer(queries, keys)
    np.testing.assert_allclose(result, reference_mab(layer, queries, keys), atol=1e-12)


def test_attention_weights_are_the_softmax_of_scaled_products() -> None:
    layer = MAB(8, 2, dtype="float64")
    queries, keys = random_set(5, 6), random_set(7, 3, seed=1)
    layer(queries, keys)
    weights = np.asarray(layer.attention_weights(queries, keys))
    np.testing.assert_allclose(weights, reference_weights(layer, queries, keys), atol=1e-12)
    np.testing.assert_allclose(weights.sum(-1), 1.0)


def test_a_single_key_gets_all_the_weight() -> None:
    layer = MAB(8, 2, dtype="float64")
    queries, key = random_set(5, 6), random_set(1, 3, seed=1)
    np.testing.assert_allclose(layer(queries, key), reference_mab(layer, queries, key), atol=1e-12)


@pytest.mark.parametrize("block", BLOCKS, ids=block_ids)
def test_a_batch_of_sets_equals_set_by_set(block: keras.layers.Layer) -> None:
    layer = fresh(block)
    sets = random_set(3, 7, 5)
    np.testing.assert_allclose(layer(sets), np.stack([layer(one) for one in sets]), atol=1e-12)


@pytest.mark.parametrize("block", BLOCKS, ids=block_ids)
def test_reordering_the_set_reorders_or_keeps_the_result(block: keras.layers.Layer) -> None:
    layer, elements = fresh(block), random_set(7, 5)
    order = np.random.default_rng(2).permutation(7)
    expected = np.asarray(layer(elements))
    if not isinstance(block, PMA):
        expected = expected[order]
    np.testing.assert_allclose(layer(elements[order]), expected, atol=1e-12)


@pytest.mark.parametrize("block", BLOCKS, ids=block_ids)
def test_the_announced_shape_is_the_shape(block: keras.layers.Layer) -> None:
    layer = fresh(block)
    assert layer.compute_output_shape((2, 7, 5)) == tuple(layer(random_set(2, 7, 5)).shape)


@pytest.mark.parametrize("block", BLOCKS, ids=block_ids)
def test_gradients_reach_every_weight(block: keras.layers.Layer) -> None:
    layer, elements = fresh(block), random_set(7, 5)
    layer(elements)
    with tf.GradientTape() as tape:
        # A plain sum would be constant after a normalisation.
        loss = tf.reduce_sum(layer(elements) ** 3)
    weights = layer.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize("block", [MAB(8, num_heads=2, layer_normalization=False), *BLOCKS], ids=block_ids)
def test_configuration_rebuilds_the_block(block: keras.layers.Layer) -> None:
    serialized = keras.saving.serialize_keras_object(block)
    assert serialized["registered_name"] == f"stamp_tf>{type(block).__name__}"
    assert keras.saving.deserialize_keras_object(serialized).get_config() == block.get_config()


def largest_tensor(block: keras.layers.Layer, size: int) -> int:
    """Elements of the largest tensor in the graph of the block and its gradient, for a set of `size`."""

    @tf.function
    def step(elements: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(block(elements) ** 3)
        return tape.gradient(loss, [weight.value for weight in block.trainable_variables])

    block.build((size, 5))
    graph = step.get_concrete_function(tf.TensorSpec((size, 5), "float32")).graph
    tensors = [output for operation in graph.get_operations() for output in operation.outputs]
    return max(tensor.shape.num_elements() or 0 for tensor in tensors)


def test_inducing_points_make_memory_linear_in_the_set() -> None:
    assert largest_tensor(ISAB(8, num_heads=2, num_inducing_points=3), 1000) == 1000 * 8
    assert largest_tensor(SAB(8, num_heads=2), 1000) == 2 * 1000**2


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(
        ValueError, match="num_heads must be positive and divide width, but num_heads=3 and width=8"
    ):
        MAB(8, num_heads=3)


def test_inducing_points_and_seeds_must_be_positive() -> None:
    with pytest.raises(ValueError, match="num_inducing_points must be at least 1, but it is 0"):
        ISAB(8, num_inducing_points=0)
    with pytest.raises(ValueError, match="num_seeds must be at least 1, but it is 0"):
        PMA(8, num_seeds=0)
