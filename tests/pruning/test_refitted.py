"""Networks that were not trained to be cut: refitted on the target's images before anything is trained."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.data import DataSet, ImageSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.result import PruneResult

SHAPE = (8, 8, 3)


def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = x = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(1 / 127.5, -1)(x)
    for index, channels in enumerate((8, 12), start=1):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv{index}")(x)
        x = layers.BatchNormalization(name=f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x), name="mine")


def dataset(name: str = "shades", *, brightest: int = 120) -> DataSet:
    rng = np.random.default_rng(1)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 3
        pixels = rng.integers(0, brightest, (count, *SHAPE)) + 50 * labels[:, None, None, None]
        return ImageSet(pixels.astype("uint8"), labels, 3, class_names=("a", "b", "c"))

    return DataSet(name, images(60), images(30))


def pruned(model: keras.Model, data: DataSet, **options: object) -> PruneResult:
    config = {"method": "l1", "max_flops": 0.5, "head": "keep", "finetune": FinetuneConfig(epochs=0)}
    return prune(data, model, **config | options)


def lost(model: keras.Model, result: PruneResult, data: DataSet) -> float:
    """Return how far the outputs are from those of the full network, as a fraction of their spread."""
    images = data.test.images.astype("float32")
    wanted = np.asarray(model(images))
    got = np.asarray(result.model(result.normalization(data.test.images)))
    return float(np.square(got - wanted).mean() / wanted.var())


def test_a_network_of_ones_own_is_refitted_by_default() -> None:
    model, data = network(), dataset()
    refitted, not_refitted = pruned(model, data), pruned(model, data, refit=False)
    np.testing.assert_array_equal(refitted.mask, not_refitted.mask)
    assert lost(model, refitted, data) < 0.3 * lost(model, not_refitted, data)
    assert refitted.times["refit"] > 10 * not_refitted.times["refit"]


def test_training_starts_from_what_was_refitted() -> None:
    """By each batch's statistics it answers as by its own."""
    model, data = network(), dataset()
    for norm in (model.get_layer("norm1"), model.get_layer("norm2")):
        norm.moving_variance.assign(4 * norm.moving_variance)
    small = pruned(model, data).model
    images = (data.train.images / 1.0).astype("float32")
    by_own, by_batch = (np.asarray(small(images, training=training)) for training in (False, True))
    assert np.abs(by_own - by_batch).max() < 0.02 * by_own.std()


def test_the_target_s_own_images_serve_it_better_than_others() -> None:
    model, data, dark = network(), dataset(), dataset("dark", brightest=20)
    own, other = pruned(model, data), pruned(model, dark)
    np.testing.assert_array_equal(own.mask, other.mask)
    assert lost(model, own, data) < lost(model, other, data)


def test_channels_by_remaining_error_lose_less_than_at_random() -> None:
    model, data = network(), dataset()
    by_error, at_random = (pruned(model, data, method=method) for method in ("remaining-error", "random"))
    assert lost(model, by_error, data) < lost(model, at_random, data)


def test_the_layers_that_are_refitted_are_told() -> None:
    told: list[tuple[int, int]] = []

    def on_step(phase: str, done: int, total: int, figures: object) -> None:
        if phase == "refit":
            told.append((done, total))

    pruned(network(), dataset(), on_step=on_step)
    assert told == [(1, 2), (2, 2)]


def test_fresh_weights_cannot_be_refitted() -> None:
    with pytest.raises(StampError, match="--refit must not be given with --structure-only"):
        pruned(network(), dataset(), refit=True, structure_only=True)


@pytest.mark.parametrize("distill", [0.0, 0.5])
def test_a_run_goes_on_from_the_refitted_network(tmp_path: Path, distill: float) -> None:
    model, data = network(), dataset()
    settings = {"finetune": FinetuneConfig(epochs=2, batch_size=20, distill=distill)}
    once = pruned(model, data, checkpoints=tmp_path / "once", **settings)

    class Stop(Exception):
        pass

    def stopping(last: int) -> Callable[..., None]:
        def on_step(phase: str, done: int, total: int, figures: object) -> None:
            if phase == "finetune" and done == last:
                raise Stop

        return on_step

    with pytest.raises(Stop):
        pruned(model, data, checkpoints=tmp_path / "twice", on_step=stopping(4), **settings)
    twice = pruned(model, data, checkpoints=tmp_path / "twice", **settings)
    for one, other in zip(once.model.get_weights(), twice.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
