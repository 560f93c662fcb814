"""Networks that are run from one place to the next."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.refit.walk import Network, Walk


def branches() -> keras.Model:
    image = keras.Input((4,))
    x = layers.Dense(4, name="stem")(image)
    left = layers.Dense(4, name="left2")(layers.Dense(4, name="left1")(x))
    right = layers.Dense(4, name="right2")(layers.Dense(4, name="right1")(x))
    return keras.Model(image, layers.Add(name="sum")([left, right]))


def test_branches_come_one_after_the_other() -> None:
    names = [call.operation.name for call in Network(branches()).calls]
    assert names == ["stem", "left1", "left2", "right1", "right2", "sum"]


def test_a_walk_computes_what_the_network_does() -> None:
    model = branches()
    network = Network(model)
    values = network.start(np.ones((2, 4), "float32"))
    for place in range(len(network.calls)):
        values = network.run(values, place, place + 1) if place < 5 else values
    known = network.run(values, 5, 5)
    assert set(known) == {id(tensor) for tensor in network.calls[5].input_tensors}
    total = sum(np.asarray(value) for value in known.values())
    np.testing.assert_allclose(total, model(np.ones((2, 4), "float32")), rtol=1e-6)


@pytest.mark.parametrize("index", [20, -1])
def test_an_index_that_a_table_does_not_have_is_named(index: int) -> None:
    words = keras.Input((5,), dtype="int32")
    network = Network(keras.Model(words, layers.Embedding(20, 3, name="table")(words)))
    with pytest.raises(StampError, match=f"table .Embedding. must be from 0 to 19, but one is {index}; give"):
        network.run(network.start(np.full((2, 5), index)), 0, 1)


class Picky(layers.Layer):
    """Refuses what is large."""

    def call(self, inputs: Any) -> Any:
        if not keras.tree.flatten(inputs)[0].shape[0] or float(keras.ops.max(inputs)) > 1:
            raise self.error("too large\nfor me")
        return inputs


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_what_a_layer_refuses_is_one_line_and_what_breaks_is_not(kind: type[Exception]) -> None:
    features = keras.Input((4,))
    picky = Picky(name="picky")
    picky.compute_output_spec = lambda inputs: keras.KerasTensor(inputs.shape, inputs.dtype)
    network, picky.error = Network(keras.Model(features, picky(features))), kind
    values = network.start(np.full((2, 4), 2.0))
    if kind is ValueError:
        with pytest.raises(
            StampError, match=r"refitted on, but picky \(Picky\) gave 'ValueError: .*too large for me"
        ):
            network.run(values, 0, 1)
    else:
        with pytest.raises(RuntimeError, match="too large"):
            network.run(values, 0, 1)


def test_nothing_is_run_twice_where_memory_allows() -> None:
    model = branches()
    network = Network(model)
    runs: list[tuple[int, int]] = []

    class Counted(Network):
        def run(self, values, begin, stop):
            runs.append((begin, stop))
            return super().run(values, begin, stop)

    for memory, expected in ((1e6, [(0, 2), (2, 4)]), (0, [(0, 2), (0, 4)])):
        runs.clear()
        walk = Walk((Counted(model),), lambda: [np.ones((2, 4), "float32")], memory=memory)
        for place in (2, 4):
            list(walk.to(place))
        assert runs == expected
    assert len(network.calls) == 6
