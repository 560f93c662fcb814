"""A toy network with its mask generator and set encoder, in double precision, and tasks for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.channels import ChannelCut, CostModel, trace_channels
from stamp_tf.data import DataSet, ImageSet
from stamp_tf.layers.make_layer import make_layer
from stamp_tf.layers.registered import MASK_GENERATOR, SET_ENCODER
from stamp_tf.meta.objective import StampObjective

WAYS = 3
IMAGE_SHAPE = (8, 8, 3)


@dataclass(frozen=True)
class Tasks:
    """What a meta step takes: images `[N, S, b, H, W, D]`, labels, uniform numbers, limits."""

    images: np.ndarray
    labels: np.ndarray
    uniform: np.ndarray
    limits: np.ndarray

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.images, self.labels, self.uniform, self.limits))


def toy_backbone(*, dropout: bool = False) -> keras.Model:
    inputs = keras.Input(IMAGE_SHAPE, name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv1")(inputs)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(momentum=0.9, name="norm1")(x))
    x = layers.AveragePooling2D(2, name="half")(x)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv2")(x)
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(momentum=0.9, name="norm2")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.5, name="dropout")(x) if dropout else x
    return keras.Model(inputs, layers.Dense(WAYS, name="logits")(x), name="toy")


def toy_objective(
    *,
    generator: str = "score",
    encoder: str = "deep-sets",
    num_outputs: int = 1,
    resolution: int = 4,
    dropout: bool = False,
    seed: int = 0,
    **options: object,
) -> StampObjective:
    """Build a small objective whose scores are spread out."""
    keras.utils.set_random_seed(seed)
    model = toy_backbone(dropout=dropout)
    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    set_encoder = make_layer(
        SET_ENCODER,
        encoder,
        {"width": 8, "num_outputs": num_outputs, "resolution": resolution},
        shape=(None, *IMAGE_SHAPE),
    )
    mask_generator = make_layer(
        MASK_GENERATOR,
        generator,
        {"group_sizes": list(channel_map.group_sizes)},
        shape=(num_outputs, channel_map.num_channels),
    )
    mask_generator.layer.start_from(np.random.default_rng(seed).normal(size=channel_map.num_channels))
    return StampObjective(model, mask_generator, set_encoder=set_encoder, cut=cut, **options)


def toy_tasks(num_tasks: int = 3, *, num_batches: int = 3, batch_size: int = 6, seed: int = 0) -> Tasks:
    """Draw tasks whose classes differ in brightness, in Keras's precision."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, WAYS, (num_tasks, num_batches, batch_size)).astype("int32")
    images = rng.normal(labels[..., None, None, None] - 1, 1, (*labels.shape, *IMAGE_SHAPE))
    uniform = rng.uniform(size=(num_tasks, num_batches, 2, 10))
    limits = np.stack([np.full(num_tasks, np.inf), rng.uniform(0.3, 0.9, num_tasks)], axis=1)
    floats = (array.astype(keras.config.floatx()) for array in (images, uniform, limits))
    images, uniform, limits = floats
    return Tasks(images, labels, uniform, limits)


@pytest.fixture(scope="session")
def make_objective() -> Callable[..., StampObjective]:
    return toy_objective


@pytest.fixture(scope="session")
def make_tasks() -> Callable[..., Tasks]:
    return toy_tasks


def labelled_images(per_class: int, seed: int) -> ImageSet:
    """Draw images of six classes that differ in brightness."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(6, dtype=np.int32), per_class)
    pixels = rng.normal(40 + 35 * labels[:, None, None, None], 20, (len(labels), *IMAGE_SHAPE))
    return ImageSet(pixels.clip(0, 255).astype(np.uint8), labels, 6, class_names=tuple("abcdef"))


@pytest.fixture(scope="session")
def dataset() -> DataSet:
    return DataSet("toy", labelled_images(8, 0), labelled_images(4, 1))
