"""A network as rows, and the lanes of its groups beside them."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import CostModel, trace_channels
from stamp_tf.inspection.lanes import ROW_HEIGHT, Picture, draw_lanes
from stamp_tf.inspection.network_rows import NetworkRow, network_rows
from stamp_tf.report.rows import layer_rows


def rows_of(model: keras.Model, mask: np.ndarray | None = None) -> dict[str, NetworkRow]:
    channel_map = trace_channels(model)
    mask = ChannelMask(np.ones(channel_map.num_channels) if mask is None else mask)
    costs = layer_rows(CostModel(model, channel_map), mask)
    rows = network_rows(model, channel_map, mask, layers=costs)
    for quantity in ("params_before", "params_after", "flops_before", "flops_after"):
        assert sum(getattr(row, quantity) for row in rows) == sum(getattr(row, quantity) for row in costs)
    return {row.name: row for row in rows}


def test_rows_stand_in_the_order_of_the_graph_and_gather_what_has_no_kernel(residual_network) -> None:
    rows = rows_of(residual_network)
    assert list(rows) == ["pixels", "conv1", "conv2", "add", "head"]
    assert rows["conv1"].then == ("bn1", "relu1")
    assert rows["add"].then == ("pool", "dropout")
    assert (rows["conv1"].kind, rows["pixels"].kind) == (
        "Conv2D",
        "8 x 8 x 3".replace("x", "\N{MULTIPLICATION SIGN}"),
    )


def test_a_sum_ties_its_producers_in_one_group(residual_network) -> None:
    rows = rows_of(residual_network)
    assert rows["conv1"].makes == rows["conv2"].makes == (0,)
    assert rows["conv2"].reads == rows["head"].reads == (0,)
    assert rows["add"].passes == (0,)
    assert (rows["add"].makes, rows["pixels"].groups) == ((), ())


def test_parameters_of_a_normalisation_count_with_the_layer_before_it(residual_network) -> None:
    assert rows_of(residual_network)["conv1"].params_before == (27 * 4 + 4) + 2 * 4


def test_widths_after_are_those_of_the_mask(residual_network) -> None:
    rows = rows_of(residual_network, np.array([1.0, 0, 0, 1]))
    assert [(row.channels_before, row.channels_after) for row in rows.values()] == [
        *((3, 3), (4, 2), (4, 2), (4, 2), (3, 3))
    ]


def test_what_makes_the_output_says_so(residual_network) -> None:
    head = rows_of(residual_network)["head"]
    assert (head.num_fixed, head.reason) == (3, "it makes the model's output")


def test_what_is_kept_whole_gives_its_reason_and_so_do_its_producers() -> None:
    image = keras.Input((8, 8, 3), name="image")
    x = layers.LayerNormalization(name="norm")(layers.Conv2D(4, 3, name="conv1")(image))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3, name="conv2")(x))
    rows = rows_of(keras.Model(image, layers.Dense(3, name="head")(x)))
    assert rows["norm"].reason == "its mean and variance run over all channels"
    assert rows["conv1"].reason == "norm: its mean and variance run over all channels"
    assert (rows["conv1"].num_fixed, rows["conv2"].num_fixed) == (4, 0)
    assert rows["conv2"].reason == ""


def test_layers_of_a_nested_model_go_by_their_paths() -> None:
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")], name="inner")
    image = keras.Input((8, 8, 3), name="image")
    x = layers.GlobalAveragePooling2D(name="pool")(inner(image))
    rows = rows_of(keras.Model(image, layers.Dense(3, name="head")(x)))
    assert list(rows) == ["image", "inner/conv", "head"]
    assert rows["inner/conv"].then == ("pool",)
    assert rows["head"].reads == rows["inner/conv"].makes == (0,)


def test_a_layer_that_is_called_twice_has_one_row() -> None:
    image = keras.Input((8, 8, 4), name="image")
    twice = layers.Conv2D(4, 3, padding="same", name="twice")
    x = layers.GlobalAveragePooling2D()(twice(layers.Conv2D(4, 3, padding="same", name="first")(image)))
    other = layers.GlobalAveragePooling2D()(twice(image))
    rows = rows_of(keras.Model(image, layers.Dense(2, name="head")(layers.Add(name="sum")([x, other]))))
    assert list(rows).count("twice") == 1


def picture_of(*groups: tuple[tuple[int, ...], tuple[int, ...]], num_rows: int = 8) -> Picture:
    """Draw groups of which each is (rows that make it, rows that read it)."""
    rows = [
        NetworkRow(
            name=str(index),
            kind="Conv2D",
            makes=tuple(number for number, (made, _) in enumerate(groups) if index in made),
            reads=tuple(number for number, (_, read) in enumerate(groups) if index in read),
        )
        for index in range(num_rows)
    ]
    return draw_lanes(rows)


def test_a_lane_runs_from_the_first_maker_to_the_last_reader() -> None:
    (lane,) = picture_of(((1, 4), (2, 6))).lanes
    assert (lane.top, lane.bottom) == (1.5 * ROW_HEIGHT, 6.5 * ROW_HEIGHT)
    assert lane.made == (1.5 * ROW_HEIGHT, 4.5 * ROW_HEIGHT)
    assert lane.read == (2.5 * ROW_HEIGHT, 6.5 * ROW_HEIGHT)
    assert lane.is_tied


def test_lanes_share_a_column_only_where_they_do_not_meet() -> None:
    first, second, third = picture_of(((0,), (2,)), ((2,), (4,)), ((5,), (6,))).lanes
    assert first.x != second.x
    assert third.x == first.x


@pytest.mark.parametrize("count", [1, 12, 60])
def test_many_lanes_move_together_and_stay_apart(count: int) -> None:
    picture = picture_of(*[((index,), (count + index,)) for index in range(count)], num_rows=2 * count)
    places = sorted({lane.x for lane in picture.lanes})
    assert len(places) == count
    assert picture.width <= 280
    assert all(right - left > 2 * picture.radius for left, right in pairwise(places))


def test_a_network_without_groups_has_no_lanes() -> None:
    picture = picture_of(num_rows=3)
    assert (picture.lanes, picture.links) == ((), ())
    assert picture.height == 3 * ROW_HEIGHT
