"""Rules that a package brings for its own layers."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.channels import trace_channels

PluginMaker = Callable[..., Path]

LAYER = """
import keras
from keras import ops

@keras.saving.register_keras_serializable(package="{name}")
class Widen(keras.layers.Layer):
    '''A linear layer with a gate for each of its outputs.'''

    def __init__(self, width, **options):
        super().__init__(**options)
        self.width = width

    def build(self, shape):
        self.mix = self.add_weight((shape[-1], self.width), name="mix")
        self.gate = self.add_weight((self.width,), name="gate")

    def call(self, x):
        return ops.matmul(x, self.mix) * self.gate

    def get_config(self):
        return super().get_config() | {{"width": self.width}}

def rule(call):
    {rule}
"""
RULE = """
    call.read(call.layer.mix, 0, call.channels)
    made = call.make(call.layer.mix, 1, call.layer.gate)
    call.count("width", made)
    call.write(made)
"""


@pytest.fixture
def network(make_plugin: PluginMaker, request: pytest.FixtureRequest) -> keras.Model:
    """A network with a layer of a package, whose rule is the parameter."""
    name = f"widening_{abs(hash(request.node.name))}"
    make_plugin(
        name,
        {"stamp_tf.channel_rules": [f"{name}.Widen = {name}:rule"]},
        LAYER.format(name=name, rule=request.param.strip()),
    )
    widen = __import__(name).Widen
    image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="before")(image)
    x = keras.layers.Conv2D(5, 1, name="after")(widen(7, name="own")(x))
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("network", [RULE], indirect=True)
def test_a_rule_of_a_package_opens_its_layer(network: keras.Model, roads_meet: Callable[..., object]) -> None:
    channel_map = roads_meet(network)
    assert {group.name: group.size for group in channel_map.groups} == {"before": 4, "own": 7, "after": 5}


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("return 'it is shy'", "it is shy"),
        ("return None", "its rule does not say what it writes"),
        ("return ' '", "its rule returned a text without words, where None or a reason is wanted"),
    ],
    indirect=["network"],
)
def test_a_rule_may_refuse(network: keras.Model, reason: str) -> None:
    channel_map = trace_channels(network)
    assert {group.name for group in channel_map.groups} == {"after"}
    assert [(kept.layer, kept.reason, kept.producers) for kept in channel_map.kept_whole] == [
        ("own", reason, ("before",))
    ]


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (
            "call.follow(call.layer.gate, 0, call.channels)",
            "ValueError: own/gate has 7 slices along axis 0, but 4 channels.",
        ),
        ("raise RuntimeError('no idea')", "RuntimeError: no idea"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise GeneratorExit('gone')", "GeneratorExit: gone"),
        ("call.channels[:] = 0", "ValueError: assignment destination is read-only"),
        (
            "call.write(call.channels)",
            "ValueError: Its rule writes 4 channels for 7 features.",
        ),
        (
            "call.write(call.make(call.layer.mix, 1) + 1000)",
            "ValueError: Channels must come from inputs or from make, but some of these were never given out.",
        ),
        (
            "call.write([0.5] * 7)",
            "ValueError: Channels must be one row of numbers, but are float64 of shape (7,).",
        ),
    ],
    indirect=["network"],
)
def test_a_rule_that_fails_keeps_its_layer_whole_and_is_named(
    network: keras.Model, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    (kept,) = trace_channels(network).kept_whole
    assert (kept.layer, kept.reason) == ("own", f"its rule raised {reason}")
    assert re.search(
        r"own \(Widen\) is kept whole: the channel rule of the plug-in widening_\d+ raised", caplog.text
    )


@pytest.mark.parametrize(
    "network", ["call.read(call.layer.mix, 0, call.channels); raise RuntimeError"], indirect=True
)
def test_what_a_rule_said_before_it_failed_is_taken_back(
    network: keras.Model, roads_meet: Callable[..., object]
) -> None:
    channel_map = roads_meet(network)
    assert not [axis for axis in channel_map.weight_axes if axis.path.startswith("own")]
    assert [group.name for group in channel_map.groups] == ["after"]


def test_a_rule_that_does_not_import_keeps_its_layer_whole(make_plugin: PluginMaker) -> None:
    name = "missing_rules"
    source = LAYER.format(name=name, rule="pass")
    make_plugin(name, {"stamp_tf.channel_rules": [f"{name}.Widen = {name}.nowhere:rule"]}, source)
    image = keras.Input((4,))
    x = sys.modules.get(name, __import__(name)).Widen(3, name="own")(
        keras.layers.Dense(5, name="before")(image)
    )
    (kept,) = trace_channels(keras.Model(image, keras.layers.Dense(2)(x))).kept_whole
    assert kept.layer == "own"
    assert "must import, but missing_rules.nowhere:rule raised ModuleNotFoundError" in kept.reason


def test_weights_stay_what_they_were(make_plugin: PluginMaker) -> None:
    name = "frozen_values"
    make_plugin(
        name,
        {"stamp_tf.channel_rules": [f"{name}.Widen = {name}:rule"]},
        LAYER.format(name=name, rule=RULE.strip()),
    )
    image = keras.Input((4,))
    x = __import__(name).Widen(3, name="own")(keras.layers.Dense(5, name="before")(image))
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(x))
    import stamp_tf

    smaller = stamp_tf.remove_channels(model, {"before": [1, 0, 1, 1, 0], "own": [0, 1, 1]})
    np.testing.assert_array_equal(
        smaller.get_layer("own").mix, np.asarray(model.get_layer("own").mix)[[0, 2, 3]][:, [1, 2]]
    )
