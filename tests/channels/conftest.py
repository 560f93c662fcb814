"""Toy graphs with lively weights, and the two roads that must meet: masked kernels and sliced kernels."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import pytest

from stamp_tf.channels import ChannelCut, ChannelMap, CostModel, mask_kernels, slice_model, trace_channels


def enliven(model: keras.Model, *, seed: int = 0) -> keras.Model:
    """Give every weight and statistic a value of its own, none of them where training starts."""
    rng = np.random.default_rng(seed)
    for weight in (*model.trainable_weights, *model.non_trainable_weights):
        name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
        if name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, shape)
        elif name == "alpha":
            value = rng.uniform(0.1, 0.4, shape)
        elif len(shape) == 1:
            value = rng.normal(0, 0.3, shape)
        else:
            value = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        weight.assign(value)
    return model


def sizes(channel_map: ChannelMap) -> dict[str, int]:
    """Return the channels of every group, by its name."""
    return {group.name: group.size for group in channel_map.groups}


def random_mask(channel_map: ChannelMap, *, seed: int, soft: bool = False) -> np.ndarray:
    """Keep a random part of every group, at least one channel each."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(channel_map.num_channels, "float32")
    for group in channel_map.groups:
        kept = rng.permutation(group.size)[: rng.integers(1, group.size + 1)]
        mask[group.start + kept] = rng.uniform(0.3, 1, len(kept)) if soft else 1
    return mask


def masked_outputs(
    model: keras.Model,
    channel_map: ChannelMap,
    mask: np.ndarray,
    images: np.ndarray,
    *,
    training: bool = False,
) -> np.ndarray:
    """Run the full network with masked kernels."""
    weights = mask_kernels(
        channel_map,
        [variable.path for variable in model.trainable_variables],
        weights=[variable.value for variable in model.trainable_variables],
        mask=keras.ops.convert_to_tensor(mask),
    )
    statistics = [variable.value for variable in model.non_trainable_variables]
    outputs, _ = model.stateless_call(weights, statistics, images, training=training)
    return np.asarray(outputs)


def assert_roads_meet(model: keras.Model, *, tolerance: float = 1e-5) -> ChannelMap:
    """Compare masked and sliced networks at hard and soft masks, with moving and with batch statistics."""
    channel_map = trace_channels(enliven(model))
    images = np.random.default_rng(9).normal(size=(5, *model.inputs[0].shape[1:])).astype("float32")
    for seed, soft in ((1, False), (2, False), (3, True)):
        mask = random_mask(channel_map, seed=seed, soft=soft)
        smaller = slice_model(model, channel_map, mask)
        for training in (False, True):
            masked = masked_outputs(model, channel_map, mask, images, training=training)
            sliced = np.asarray(
                smaller.stateless_call(
                    [variable.value for variable in smaller.trainable_variables],
                    [variable.value for variable in smaller.non_trainable_variables],
                    images,
                    training=training,
                )[0]
            )
            np.testing.assert_allclose(sliced, masked, atol=tolerance, rtol=0)
    return channel_map


def convolution(filters: int, name: str, **options: object) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(filters, 3, padding="same", name=name, **options)


def classifier(
    body: Callable[[keras.KerasTensor], keras.KerasTensor], *, shape: Sequence[int] = (8, 8, 3)
) -> keras.Model:
    """Put a body between an image, global pooling where it has positions, and three logits."""
    image = keras.Input(tuple(shape), name="image")
    x = body(image)
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(3, name="logits")(x))


def chain_network() -> keras.Model:
    """Two convolutions with normalisation, a depthwise one and a residual sum."""

    def body(x: keras.KerasTensor) -> keras.KerasTensor:
        x = keras.layers.BatchNormalization(name="norm1")(convolution(6, "conv1")(x))
        x = keras.layers.MaxPooling2D(2, name="half")(keras.layers.ReLU(name="relu1")(x))
        branch = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
        branch = keras.layers.ReLU(name="relu2")(convolution(10, "conv2")(branch))
        return keras.layers.Add(name="sum")([convolution(7, "conv3")(branch), convolution(7, "conv4")(x)])

    return classifier(body)


@pytest.fixture
def network() -> keras.Model:
    return enliven(chain_network())


@pytest.fixture
def channel_map(network: keras.Model) -> ChannelMap:
    return trace_channels(network)


@pytest.fixture
def cost_model(network: keras.Model, channel_map: ChannelMap) -> CostModel:
    return CostModel(network, channel_map)


@pytest.fixture
def cut(channel_map: ChannelMap, cost_model: CostModel) -> ChannelCut:
    return ChannelCut(channel_map, cost_model)


@pytest.fixture
def conv() -> Callable[..., keras.layers.Conv2D]:
    return convolution


@pytest.fixture
def classify() -> Callable[..., keras.Model]:
    return classifier


@pytest.fixture(scope="session")
def masked() -> Callable[..., np.ndarray]:
    return masked_outputs


@pytest.fixture
def draw_mask() -> Callable[..., np.ndarray]:
    return random_mask


@pytest.fixture
def roads_meet() -> Callable[..., ChannelMap]:
    return assert_roads_meet
