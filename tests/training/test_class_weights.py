"""How much the images of a class count in the loss."""

import keras
import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.ends import LOGITS, End
from stamp_tf.losses import classification_loss
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.training.class_weights import class_weights
from stamp_tf.training.finetune import finetune


def unbalanced(*counts: int) -> DataSet:
    """Return noise of classes that have so many images each."""
    labels = np.repeat(np.arange(len(counts), dtype="int32"), counts)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 6, 6, 3)).astype("uint8")
    names = tuple(f"class {label}" for label in range(len(counts)))
    part = ImageSet(images, labels, len(counts), class_names=names)
    return DataSet("unbalanced", part, part)


def test_every_class_has_as_much_to_say_and_the_loss_keeps_its_size() -> None:
    counts = np.array([40, 10, 0, 50])
    weights = class_weights(unbalanced(*counts), FinetuneConfig(class_weights="balanced"))
    np.testing.assert_allclose((weights * counts)[counts > 0], 100 / 3, rtol=1e-6)
    assert weights[2] == 0


@pytest.mark.parametrize("end", [LOGITS, End("softmax"), End("sigmoid"), End("sigmoid", is_binary=True)])
def test_a_weighted_loss_is_that_of_repeated_images(end: End) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 1 if end.is_binary else 2)).astype("float32")
    labels = np.array([0, 1, 1, 0, 1, 1])
    weights = np.array([1.0, 3.0], "float32")
    repeated = np.repeat(np.arange(6), [1, 3, 3, 1, 3, 3])
    expected = classification_loss(logits[repeated], labels[repeated], end) * len(repeated) / 6
    found = classification_loss(logits, labels, end, weights=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    alike = classification_loss(logits, labels, end, weights=np.ones(2, "float32"))
    np.testing.assert_allclose(alike, classification_loss(logits, labels, end), rtol=1e-6)


def test_classes_that_differ_much_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert class_weights(unbalanced(33, 3, 20), FinetuneConfig()) is None
    assert "'class 0' with 33 training images and 'class 1' with 3; with --class-weights" in caplog.text
    caplog.clear()
    class_weights(unbalanced(30, 3, 20), FinetuneConfig())
    assert not caplog.text


def test_a_scarce_class_is_found_with_weights_alone() -> None:
    """Nothing tells the images apart, so that the larger class wins, unless it counts no more."""
    dataset = unbalanced(60, 4)

    def bias(weights: str) -> float:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6, 6, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(inputs)
        model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(pooled))
        config = FinetuneConfig(
            epochs=20, batch_size=32, learning_rate=0.1, evaluate=False, class_weights=weights, augment="none"
        )
        finetune(model, dataset, normalization=Normalization((0.5,) * 3, (0.25,) * 3), config=config)
        scores = np.asarray(model(Normalization((0.5,) * 3, (0.25,) * 3)(dataset.train.images)))
        return float((scores[:, 0] - scores[:, 1]).mean())

    assert bias("none") > 1.0 > 0.5 > abs(bias("balanced"))
