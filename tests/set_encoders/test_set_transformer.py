"""The Set Transformer: its stack and its options."""

import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.errors import StampError
from stamp_tf.layers.attention import ISAB, SAB
from stamp_tf.set_encoders.set_transformer import SetTransformer


def test_it_is_the_published_stack() -> None:
    encoder = SetTransformer(width=8, num_heads=2, num_inducing_points=0, resolution=None, num_outputs=2)
    images = np.random.default_rng(0).normal(size=(6, 4, 4, 3)).astype("float32")
    result = encoder(images)
    elements = encoder.input_projection(images.reshape(6, -1))
    encoded = encoder.blocks[1](encoder.blocks[0](elements))
    pixels = encoder.pixel_projection(encoder.output_block(encoder.pool(encoded)))
    np.testing.assert_allclose(result, np.reshape(pixels, (2, 4, 4, 3)), atol=1e-6)


@pytest.mark.parametrize(("num_inducing_points", "block"), [(0, SAB), (5, ISAB)])
def test_inducing_points_choose_the_block(num_inducing_points: int, block: type) -> None:
    blocks = SetTransformer(num_blocks=3, num_inducing_points=num_inducing_points).blocks
    assert [type(one) for one in blocks] == [block] * 3


def largest_tensor(encoder: SetTransformer, size: int) -> int:
    """Elements of the largest tensor in the graph of the encoder, for a set of `size` images."""
    encoder.build((None, 4, 4, 3))
    graph = tf.function(encoder).get_concrete_function(tf.TensorSpec((size, 4, 4, 3), "float32")).graph
    tensors = [output for operation in graph.get_operations() for output in operation.outputs]
    return max(tensor.shape.num_elements() or 0 for tensor in tensors)


def test_memory_is_linear_in_the_set_by_default() -> None:
    assert largest_tensor(SetTransformer(), 10_000) == 10_000 * 64
    assert largest_tensor(SetTransformer(num_inducing_points=0), 10_000) == 4 * 10_000**2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 10}, "num_heads must divide width, but num_heads=4 and width=10"),
        ({"num_heads": 0}, "num_heads must be at least 1, but it is 0"),
        ({"num_blocks": 0}, "num_blocks must be at least 1, but it is 0"),
        (
            {"num_inducing_points": -1},
            "num_inducing_points must be at least 0 and at most 4096, but it is -1",
        ),
        ({"num_inducing_points": 10**12}, "at most 4096, but it is 1000000000000"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(StampError, match=message):
        SetTransformer(**options)
