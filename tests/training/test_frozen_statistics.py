"""Fine-tuning by the moving statistics of batch normalisation instead of each batch's."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.training.finetune import finetune
from stamp_tf.training.forward import forward

NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)
SHAPE = (8, 8, 3)


def images(count: int) -> ImageSet:
    rng = np.random.default_rng(count)
    pixels = rng.integers(0, 255, (count, *SHAPE)).astype("uint8")
    return ImageSet(pixels, np.arange(count, dtype="int32") % 3, 3, class_names=("a", "b", "c"))


DATASET = DataSet("noise", images(48), images(12))


class Wrapped(layers.Layer):
    """A layer of somebody's own with batch normalisation inside; counts how often Python calls it."""

    def __init__(self, **options: object) -> None:
        super().__init__(**{"name": "wrapped", **options})
        self.norm = layers.BatchNormalization(name="inner")
        self.num_calls = 0

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.norm.build(shape)

    def call(self, inputs: object, training: bool | None = None) -> object:
        self.num_calls += 1
        return self.norm(inputs, training=training)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, use_bias=False, name="conv")(image)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.5, name="norm")(x))
    inner = keras.Input(x.shape[1:])
    stage = layers.BatchNormalization(name="nested_norm")(layers.Conv2D(6, 3, name="nested_conv")(inner))
    x = Wrapped()(keras.Model(inner, stage, name="stage")(x))
    model = keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))
    for name, weight in ((weight.path, weight) for weight in model.non_trainable_variables):
        if "moving" in name:
            weight.assign(weight + 0.5)
    return model


def trained(model: keras.Model, **options: object) -> keras.Model:
    ways = {name: options.pop(name) for name in ("checkpoints", "on_step") if name in options}
    settings = {"epochs": 2, "batch_size": 16, "learning_rate": 0.05, "batch_norm": "frozen"}
    config = FinetuneConfig(**{**settings, **options})
    finetune(model, DATASET, normalization=NORMALIZATION, config=config, **ways)
    return model


def named(model: keras.Model, part: str) -> dict[str, np.ndarray]:
    return {weight.path: np.array(weight) for weight in model.weights if part in weight.path}


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_statistics_stay_and_everything_else_is_trained(mixed_precision: bool) -> None:
    before, after = network(), trained(network(), mixed_precision=mixed_precision)
    assert len(named(before, "moving")) == 6
    for (path, old), new in zip(named(before, "").items(), named(after, "").values(), strict=True):
        assert (old == new).all() == ("moving" in path), path
    assert len(after.trainable_variables) == len(before.trainable_variables)


def test_statistics_of_batches_are_not_kept() -> None:
    before, after = named(network(), "moving"), named(trained(network(), batch_norm="batch"), "moving")
    assert all((before[path] != after[path]).any() for path in before)


def test_training_goes_by_what_the_network_puts_out_in_inference() -> None:
    model, losses = network(), []
    pixels, labels = NORMALIZATION(DATASET.train.images), DATASET.train.labels
    expected = keras.losses.sparse_categorical_crossentropy(labels, model(pixels), from_logits=True)
    trained(
        model,
        epochs=1,
        learning_rate=1e-12,
        augment=False,
        flip=False,
        on_step=lambda done, total, figures: losses.append(figures["loss"]),
    )
    assert np.mean(losses) == pytest.approx(float(np.mean(expected)), rel=1e-5)


def test_dropout_is_as_in_training() -> None:
    image = keras.Input((4,))
    model = keras.Model(image, layers.Dropout(0.5, seed=1)(layers.BatchNormalization()(image)))
    values = [
        [variable.value for variable in part]
        for part in (model.trainable_variables, model.non_trainable_variables)
    ]
    logits, _ = forward(model, *values, images=np.ones((8, 4), "float32"), is_frozen=True)
    assert 0 < (np.asarray(logits) == 0).mean() < 1


def test_a_step_is_traced_once() -> None:
    model, calls = network(), []
    wrapped = model.get_layer("wrapped")
    trained(model, epochs=3, evaluate=False, on_step=lambda *_: calls.append(wrapped.num_calls))
    assert len(set(calls)) == 1


def test_what_was_not_trained_before_stays_so() -> None:
    model = network()
    model.get_layer("norm").trainable = False
    before = named(model, "/norm/") | named(model, "norm/")
    trained(model)
    assert not model.get_layer("norm").trainable
    assert model.get_layer("wrapped").norm.trainable
    for path, value in before.items():
        if path.startswith("norm/"):
            np.testing.assert_array_equal(value, named(model, path)[path])


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int, figures: object) -> None:
        if done == 5:
            raise Stop

    with pytest.raises(Stop):
        trained(network(), checkpoints=tmp_path, on_step=stop)
    resumed, unbroken = trained(network(), checkpoints=tmp_path), trained(network())
    for ours, theirs in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_it_says_so_where_there_is_nothing_to_freeze(caplog: pytest.LogCaptureFixture) -> None:
    image = keras.Input(SHAPE)
    plain = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(image)))
    trained(plain, epochs=1)
    assert "--batch-norm frozen changes nothing" in caplog.text
    caplog.clear()
    trained(network(), epochs=1)
    assert "changes nothing" not in caplog.text
