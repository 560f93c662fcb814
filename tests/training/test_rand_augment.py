"""Further changes of training images: decided by seed and epoch, one operation an image, never mirrored."""

from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.changed_options import changed_options
from stamp_tf.data import Batches, DataSet, ImageSet, Normalization
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.training.finetune import finetune
from stamp_tf.training.rand_augment import RandAugment

SHAPE = (12, 12, 3)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Gradients from left to right, brighter at the right."""
    ramp = np.linspace(60, 200, SHAPE[1])[None, None, :, None]
    noise = np.random.default_rng(0).normal(0, 4, (40, *SHAPE))
    return (ramp + noise).clip(0, 255).astype("uint8")


@pytest.fixture(scope="module")
def augment() -> RandAugment:
    return RandAugment(SHAPE)


def changed(augment: RandAugment, images: np.ndarray, seed: int) -> np.ndarray:
    return augment(images, np.random.default_rng(seed))


def test_randomness_comes_from_its_source_alone(augment: RandAugment, images: np.ndarray) -> None:
    first = changed(augment, images, 0)
    other = changed(augment, images, 1)
    np.testing.assert_array_equal(changed(augment, images, 0), first)
    np.testing.assert_array_equal(changed(RandAugment(SHAPE), images, 0), first)
    assert (first != other).any()


def test_images_keep_their_places_and_few_stay_as_they_are(augment: RandAugment, images: np.ndarray) -> None:
    marked = images.copy()
    marked[7] = 0
    found = changed(augment, marked, 0)
    assert found.shape == marked.shape
    assert found.dtype == np.uint8
    # Black is black after every operation but one that brightens it.
    assert found[7].mean() < min(found[place].mean() for place in range(40) if place != 7)
    same = (found == marked).all(axis=(1, 2, 3)).sum()
    assert 1 <= same <= 12


def test_nothing_is_mirrored(augment: RandAugment, images: np.ndarray) -> None:
    for seed in range(5):
        halves = changed(augment, images, seed).astype(float).mean(axis=(1, 3))
        right_is_brighter = halves[:, 6:].mean(axis=1) - halves[:, :6].mean(axis=1)
        # Solarisation turns bright into dark; all else keeps the order.
        assert (right_is_brighter < 0).sum() <= 40 // 10 + 1


def test_grey_images_and_few_of_them_are_taken() -> None:
    grey = np.full((3, 8, 8, 1), 100, np.uint8)
    assert changed(RandAugment((8, 8, 1)), grey, 0).shape == grey.shape


def test_a_batch_smaller_than_the_operations_meets_all_of_them(
    augment: RandAugment, images: np.ndarray
) -> None:
    same = sum(np.array_equal(changed(augment, images[:1], seed), images[:1]) for seed in range(60))
    assert 1 <= same <= 20


def test_batches_of_several_sizes_are_taken(images: np.ndarray) -> None:
    augment = RandAugment(SHAPE)
    for size in (40, 12, 3, 31):
        assert changed(augment, images[:size], 0).shape == (size, *SHAPE)


def test_batches_are_traced_once(images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    traces, transform = [], keras.layers.AutoContrast.transform_images

    def counted(self: keras.Layer, *arguments: object, **options: object) -> object:
        traces.append(1)
        return transform(self, *arguments, **options)

    monkeypatch.setattr(keras.layers.AutoContrast, "transform_images", counted)
    augment = RandAugment(SHAPE)
    for seed in range(3):
        changed(augment, images, seed)
    assert len(traces) == 1


@pytest.mark.parametrize("name", ["standard", "none"])
def test_yes_and_no_are_the_names_of_old(name: str) -> None:
    assert FinetuneConfig(augment=name == "standard").augment == name
    assert not changed_options({"augment": name == "standard"}, {"augment": name})
    assert changed_options({"augment": name != "standard"}, {"augment": name})


def test_a_resumed_run_sees_the_same_images(images: np.ndarray, tmp_path: Path) -> None:
    labels = np.arange(40, dtype="int32") % 2
    part = ImageSet(images, labels, 2, class_names=("a", "b"))
    dataset, normalization = DataSet("ramps", part, part), Normalization((0.5,) * 3, (0.25,) * 3)

    def network() -> keras.Model:
        keras.utils.set_random_seed(0)
        inputs = keras.Input(SHAPE)
        pooled = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(4, 3, name="conv")(inputs))
        return keras.Model(inputs, keras.layers.Dense(2, name="logits")(pooled))

    config = FinetuneConfig(epochs=3, batch_size=20, learning_rate=0.01, augment="rand", evaluate=False)
    whole, resumed, plain = network(), network(), network()
    finetune(whole, dataset, normalization=normalization, config=config, checkpoints=tmp_path)
    sorted(tmp_path.iterdir())[-1].unlink()
    finetune(resumed, dataset, normalization=normalization, config=config, checkpoints=tmp_path)
    standard = FinetuneConfig(epochs=3, batch_size=20, learning_rate=0.01, evaluate=False)
    finetune(plain, dataset, normalization=normalization, config=standard)
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any(
        (ours != theirs).any() for ours, theirs in zip(plain.get_weights(), whole.get_weights(), strict=True)
    )


def test_crops_are_those_of_the_standard_augmentation(images: np.ndarray) -> None:
    part = ImageSet(images, np.zeros(40, "int32"), 1, class_names=("a",))
    plain, seen = (
        Batches(
            part,
            20,
            normalization=Normalization((0.0,) * 3, (1.0,) * 3),
            seed=3,
            augment=True,
            further=further,
        )
        for further in (None, lambda images, rng: images)
    )
    for one, other in zip(plain.epoch(1), seen.epoch(1), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
