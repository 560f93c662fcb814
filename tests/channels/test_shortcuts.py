"""Shortcuts without parameters: places and channels left out by slices, and zeros put beside channels."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import ChannelMap, CostModel, slice_model, trace_channels

from .conftest import enliven, masked_outputs, random_mask, sizes

Tensor = keras.KerasTensor
Shortcut = Callable[[Tensor, int], Tensor]
Conv = Callable[..., layers.Conv2D]
RoadsMeet = Callable[..., ChannelMap]

pytestmark = pytest.mark.usefixtures("float64")


def pad_channels(x: Tensor, new: int) -> Tensor:
    return ops.pad(x, [[0, 0], [0, 0], [0, 0], [new // 2, new - new // 2]])


def both_sides(x: Tensor, new: int) -> Tensor:
    """As He et al. 2016 have it for CIFAR (option A)."""
    return pad_channels(x[:, ::2, ::2, :], new)


def with_zeros_like_it(x: Tensor, new: int) -> Tensor:
    x = x[:, ::2, ::2]
    return layers.Concatenate()([x, ops.zeros_like(x)])


SHORTCUTS: dict[str, Shortcut] = {
    "padded on both sides": both_sides,
    "padded behind, pooled": lambda x, new: ops.pad(
        layers.AveragePooling2D(2)(x), [[0, 0], [0, 0], [0, 0], [0, new]]
    ),
    "padded by a layer": lambda x, new: layers.ZeroPadding2D(
        ((0, 0), (new // 2, new // 2)), data_format="channels_first"
    )(x[..., ::2, ::2, :]),
    "padded with another constant": lambda x, new: ops.pad(
        x[:, ::2, ::2], [[0, 0], [0, 0], [0, 0], [new, 0]], constant_values=0.7
    ),
}
DOUBLED: dict[str, Shortcut] = {
    "beside zeros like it": with_zeros_like_it,
    "beside itself times zero": lambda x, new: ops.concatenate([x[:, ::2, ::2], x[:, ::2, ::2] * 0], axis=-1),
}


def block(x: Tensor, filters: int, name: str, shortcut: Shortcut) -> Tensor:
    new = filters - x.shape[-1]
    y = layers.Conv2D(
        filters, 3, strides=2 if new else 1, padding="same", use_bias=False, name=f"{name}_conv1"
    )(x)
    y = layers.ReLU()(layers.BatchNormalization(name=f"{name}_norm1")(y))
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv2")(y)
    y = layers.BatchNormalization(name=f"{name}_norm2")(y)
    return layers.ReLU()(layers.Add()([y, shortcut(x, new) if new else x]))


def resnet(
    blocks: int, shortcut: Shortcut, *, widths: tuple[int, ...] = (16, 32, 64), side: int = 32
) -> keras.Model:
    """The ResNet for CIFAR with so many blocks in each stage."""
    image = keras.Input((side, side, 3))
    x = layers.Conv2D(widths[0], 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU()(layers.BatchNormalization(name="stem_norm")(x))
    for stage, width in enumerate(widths):
        for number in range(blocks):
            x = block(x, width, f"stage{stage}_{number}", shortcut)
    x = layers.Dense(10, name="logits")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, x, name="resnet")


@pytest.mark.slow
def test_every_channel_of_a_resnet_20_can_go_and_the_networks_agree(tmp_path: Path) -> None:
    model = enliven(resnet(3, both_sides))
    channel_map = trace_channels(model)
    assert not channel_map.kept_whole
    # The stream of each stage goes on in the next, where only what is new is a group of its own.
    assert [group.size for group in channel_map.groups if len(group.producers) > 1] == [16, 16, 32]
    assert channel_map.num_channels == 64 + 3 * (16 + 32 + 64)
    images = np.random.default_rng(9).normal(size=(3, 32, 32, 3))
    for seed in range(2):
        mask = random_mask(channel_map, seed=seed)
        smaller = slice_model(model, channel_map, mask, check=True)
        expected = masked_outputs(model, channel_map, mask, images)
        found = np.asarray(smaller(images))
        np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max(), rtol=0)
        assert smaller.count_params() < 0.8 * model.count_params()
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.saving.load_model(tmp_path / "smaller.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(images), found)
    assert trace_channels(loaded).num_channels == int(mask.sum())
    assert CostModel(loaded, trace_channels(loaded)).full[0] == CostModel(model, channel_map).parameters(mask)


@pytest.mark.parametrize("name", SHORTCUTS)
def test_zeros_go_with_the_channels_that_are_added_to_them(name: str, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(resnet(1, SHORTCUTS[name], widths=(4, 8), side=8), tolerance=1e-9)
    assert not channel_map.kept_whole
    assert sizes(channel_map) == {"stem": 4, "stage0_0_conv1": 4, "stage1_0_conv1": 8, "stage1_0_conv2": 4}


@pytest.mark.parametrize("name", DOUBLED)
def test_zeros_made_from_channels_go_with_them(name: str, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(resnet(1, DOUBLED[name], widths=(4, 8), side=8), tolerance=1e-9)
    assert not channel_map.kept_whole
    # One channel of the first stage is two of the second.
    assert sizes(channel_map) == {"stem": 4, "stage0_0_conv1": 4, "stage1_0_conv1": 8}


def test_pads_have_the_widths_that_are_left() -> None:
    model = enliven(resnet(1, both_sides, widths=(4, 8, 16), side=8))
    channel_map = trace_channels(model)
    # Of the four channels that are new in the second stage two lie before the old ones and two behind.
    kept = channel_map.kept(np.ones(channel_map.num_channels)) | {"stage1_0_conv2": [2]}
    smaller = slice_model(model, channel_map, channel_map.mask_of(kept))
    pads = [operation.pad_width[-1] for operation in smaller.operations if hasattr(operation, "pad_width")]
    assert [tuple(pad) for pad in pads] == [(0, 1), (4, 4)]


@pytest.mark.parametrize("kind", [layers.ZeroPadding1D, layers.ZeroPadding3D])
def test_layers_of_other_dimensions_pad_channels_too(kind: type[layers.Layer], roads_meet: RoadsMeet) -> None:
    one = kind is layers.ZeroPadding1D
    convolution = layers.Conv1D if one else layers.Conv3D
    image = keras.Input((6, 2) if one else (4, 4, 4, 2))
    x = convolution(4, 3, padding="same", name="stem")(image)
    short = kind((1, 2) if one else ((0, 0), (0, 0), (1, 2)), data_format="channels_first")(x)
    x = layers.Add()([convolution(7, 3, padding="same", name="branch")(x), short])
    channel_map = roads_meet(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))), tolerance=1e-9)
    assert sizes(channel_map) == {"stem": 4, "branch": 3}


def test_shortcuts_within_models_that_are_called_twice(conv: Conv, roads_meet: RoadsMeet) -> None:
    inner = keras.Input((8, 8, 6))
    wide = layers.Add()([conv(10, "inner_conv")(inner), pad_channels(inner, 4)])
    encoder = keras.Model(inner, wide[:, ::2, ::2, 2:9], name="encoder")
    image = keras.Input((8, 8, 3))
    heads = [encoder(conv(6, name)(image)) for name in ("a", "b")]
    x = layers.Dense(4, name="after")(layers.Concatenate()(heads))
    channel_map = roads_meet(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))), tolerance=1e-9)
    assert not channel_map.kept_whole
    assert sum(sizes(channel_map).values()) == 6 + 4 + 4


PARTS = {
    "the first ones": (lambda x: x[..., :2], [2, 4]),
    "from within": (lambda x: x[..., 1:5], [2, 4]),
    "the last ones": (lambda x: x[..., -2:], [2, 4]),
    "all but the last ones": (lambda x: x[:, 1:, ::-1, :-2], [2, 4]),
    "by the function": (lambda x: ops.get_item(x, (Ellipsis, slice(3, None))), [3, 3]),
    "overlapping": (lambda x: layers.Concatenate()([x[..., :4], x[..., 2:]]), [2, 2, 2]),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_slice_of_channels_keeps_one_of_its_own(name: str, conv: Conv, roads_meet: RoadsMeet) -> None:
    take, groups = PARTS[name]
    image = keras.Input((8, 8, 3))
    x = take(conv(6, "before")(image))
    channel_map = roads_meet(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))), tolerance=1e-9)
    assert sorted(sizes(channel_map).values()) == groups


def test_a_slice_from_behind_counts_channels_that_stay_whole(conv: Conv, roads_meet: RoadsMeet) -> None:
    image = keras.Input((8, 8, 3))
    whole = layers.LayerNormalization()(conv(5, "whole")(image))
    x = layers.Concatenate()([whole, conv(4, "before")(image)])[..., -4:]
    channel_map = roads_meet(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))), tolerance=1e-9)
    assert sizes(channel_map) == {"before": 4}


def test_zeros_that_are_read_alone_stay(conv: Conv, roads_meet: RoadsMeet) -> None:
    image = keras.Input((8, 8, 3))
    x = conv(4, "after")(pad_channels(conv(6, "before")(image), 4))
    channel_map = roads_meet(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))), tolerance=1e-9)
    assert sizes(channel_map) == {"before": 6, "after": 4}
