"""Networks that are run from one place to the next."""

import keras
import numpy as np
from keras import layers

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
