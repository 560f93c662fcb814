"""A mask says what stays; what is none is refused, with the channel and the value."""

import json
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.channel_mask import ChannelMask, as_mask
from stamp_tf.channels import ChannelCut, CostModel, slice_model, trace_channels
from stamp_tf.channels.groups import ChannelGroup
from stamp_tf.channels.remove import remove_channels
from stamp_tf.channels.rules import apply_rule
from stamp_tf.errors import StampError

NAN, INF = float("nan"), float("inf")


GROUPS = (
    ChannelGroup(name="first", start=0, size=3, producers=("first",)),
    ChannelGroup(name="second", start=3, size=2, producers=("second",)),
)


def test_a_hard_mask_says_what_stays() -> None:
    mask = ChannelMask([1, 0, True, 0, 1])
    assert mask.is_hard
    assert mask.hard is mask
    assert mask.kept.tolist() == [True, False, True, False, True]
    assert (mask.num_kept, mask.keep_ratio, mask.keeps_all) == (3, 0.6, False)
    assert ChannelMask.all_of(5).keeps_all


def test_a_soft_mask_keeps_what_is_above_0() -> None:
    mask = ChannelMask([0.25, 0, 1e-30, 0, 1])
    assert not mask.is_hard
    assert mask.hard == ChannelMask([1, 0, 1, 0, 1]) != mask
    assert mask.num_kept == 3
    assert mask[2] == 1e-30
    folded = ChannelMask([1, 0, 1, 0, 1]).times(np.array([0.25, 0.5, 1e-30, 0.5, 1]))
    assert folded == mask
    assert hash(folded) == hash(mask)


def test_numpy_reads_a_mask_as_an_array() -> None:
    mask = ChannelMask([1, 0, 1])
    assert np.asarray(mask).dtype == "float32"
    assert np.asarray(mask, "float64").tolist() == [1, 0, 1]
    np.testing.assert_array_equal(np.ones(3) * mask, [1, 0, 1])
    copy = np.array(mask)
    copy[1] = 1
    assert len(mask) == 3
    assert mask.num_kept == 2


def test_nobody_writes_to_a_mask() -> None:
    given = np.ones(3)
    mask = ChannelMask(given)
    given[0] = 0
    assert mask.keeps_all
    with pytest.raises(ValueError, match="read-only"):
        mask.values[0] = 0


def test_a_mask_goes_to_json_and_back_by_groups() -> None:
    mask = ChannelMask([0, 0.5, 1, 0, 1])
    kept = mask.kept_in(GROUPS)
    assert kept == {"first": [1, 2], "second": [1]}
    assert ChannelMask.of_kept(json.loads(json.dumps(kept)), GROUPS) == mask.hard


def test_features_that_belong_to_no_channel_stay() -> None:
    mask, channels = ChannelMask([0, 0.5, 1]), np.array([0, -1, 1, 2, -1])
    assert mask.kept_features(channels).tolist() == [False, True, True, True, True]
    assert mask.values_of(channels).tolist() == [0, 1, 0.5, 1, 1]


def test_a_group_that_is_emptied_is_named() -> None:
    assert ChannelMask([1, 0, 0, 0, 1]).emptied(GROUPS) is None
    mask = ChannelMask([1, 0, 0, 0, 0])
    assert mask.emptied(GROUPS) == "second"
    assert as_mask(mask, 5) is mask
    with pytest.raises(StampError, match="must keep at least one channel of every layer, but empties second"):
        as_mask(mask, 5, groups=GROUPS)


def test_a_mask_loads_without_keras() -> None:
    code = "import sys, stamp_tf.channel_mask; print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Two layers of 3 and 2 channels."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 1, name="first")(inputs)
    x = keras.layers.Conv2D(2, 1, name="second")(x)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([1, NAN, 1, 1, 1], "from 0 to 1, but channel 1 of first has nan; 0 removes"),
        ([1, 1, 1, 1, INF], "channel 1 of second has inf"),
        ([-1, 0, 1, 1, 1], "channel 0 of first has -1"),
        ([2, 0, 3, 1, 1], "channel 0 of first has 2 and 1 more of its values"),
        ([1, 0, 1], r"A mask must have one value per channel \(5\), but has shape \(3,\)"),
        ([[1, 0, 1, 1, 1]], r"but has shape \(1, 5\)"),
        ([], r"but has shape \(0,\)"),
        (0, r"but has shape \(\)"),
        (["a", "b"], r"A mask must be a row of 5 numbers from 0 to 1, but is \['a', 'b'\]"),
        ([1, [0]], "must be a row of 5 numbers from 0 to 1"),
        (None, "channel|shape"),
        ([1, 1, 1, 0, 0], "at least one channel of every layer, but empties second"),
        ([1, 1, 1, 1, 0.5], "must remove at least one channel, but hold no 0"),
        ({}, "must remove at least one channel, but name no group"),
        ({"first": [1, NAN, 0]}, "channel 1 of first has nan"),
        ({"first": [0, 1]}, r"The mask of first must have one value per channel \(3\), but has shape \(2,\)"),
        ({"first": "abc"}, "The mask of first must be a row of 3 numbers from 0 to 1, but is 'abc'"),
        ({"third": [1]}, "no group 'third'"),
    ],
)
def test_what_is_no_mask_is_refused(model: keras.Model, mask: Any, message: str) -> None:
    with pytest.raises(StampError, match=message):
        remove_channels(model, mask)


def test_slicing_refuses_the_same(model: keras.Model) -> None:
    with pytest.raises(StampError, match="channel 1 of first has nan"):
        slice_model(model, trace_channels(model), np.array([1, NAN, 1, 1, 1]))


def test_truth_values_are_a_mask(model: keras.Model) -> None:
    smaller = remove_channels(model, {"first": [True, False, True]})
    assert smaller.get_layer("first").filters == 2


def test_weights_that_are_not_finite_are_refused(model: keras.Model) -> None:
    twin = keras.models.clone_model(model)
    twin.get_layer("first").bias.assign([1, NAN, 2])
    with pytest.raises(StampError, match="but first/bias holds 1 of 3 values that are NaN or infinite"):
        remove_channels(twin, {"first": [1, 0, 1]})


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1, NAN, 2, INF, 3], "Scores must be finite, but channel 1 has nan and 2 of 5 are not"),
        ([1, 2], r"Scores must be one per channel \(5\), but have shape \(2,\)"),
    ],
)
def test_scores_say_which_channel_is_wrong(model: keras.Model, scores: list[float], message: str) -> None:
    channel_map = trace_channels(model)
    with pytest.raises(StampError, match=message):
        ChannelCut(channel_map, CostModel(model, channel_map)).rank(np.array(scores))


@pytest.mark.parametrize("answer", [False, 3, ["kept"]])
def test_a_rule_that_returns_neither_nothing_nor_a_reason_keeps_its_layer_whole(
    monkeypatch: pytest.MonkeyPatch, model: keras.Model, answer: Any
) -> None:
    import stamp_tf.channels.rules as rules

    rule_of = rules.rule_of

    def odd(layer: Any) -> Any:
        return (lambda call: answer) if layer.name == "second" else rule_of(layer)

    monkeypatch.setattr(rules, "rule_of", odd)
    assert apply_rule is rules.apply_rule
    kept = trace_channels(model).kept_whole
    assert f"its rule returned {type(answer).__name__}, where None or a reason is wanted" in str(kept)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (float("nan"), "mask must hold values from 0 to 1, but channel 1 has nan"),
        (-1, "mask must hold values from 0 to 1, but channel 1 has -1"),
        (2, "mask must hold values from 0 to 1, but channel 1 has 2"),
        (float("inf"), "mask must hold values from 0 to 1, but channel 1 has inf"),
        ("1", "mask must be a row of"),
        (1j, "mask must be a row of"),
    ],
)
@pytest.mark.parametrize(
    "name", ["parameters", "flops", "activation_bytes", "weight_bytes", "exact_fractions", "table"]
)
def test_no_cost_is_counted_of_what_is_no_mask(
    model: keras.Model, name: str, wrong: Any, message: str
) -> None:
    channel_map = trace_channels(model)
    mask: list[Any] = [1] * channel_map.num_channels
    mask[1] = wrong
    for use in (getattr(CostModel(model, channel_map), name), channel_map.kept):
        with pytest.raises(StampError, match=message):
            use(mask)
        with pytest.raises(StampError, match="one value per channel"):
            use(mask[2:3] * 2)
