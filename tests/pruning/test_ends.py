"""Whatever your own network ends in: trained with the loss that fits, and put back in what leaves."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import stamp_tf
from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruned_runs.pruned_run import load_run
from stamp_tf.pruned_runs.train_further import train_further
from stamp_tf.pruning.result import PruneResult
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.finetune import finetune
from stamp_tf.training.fit_head import fit_head

SHAPE = (8, 8, 3)
NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)
# Units and activation of the last layer, and what is found of it.
ENDS = {
    "logits": (3, "linear", End()),
    "softmax": (3, "softmax", End("softmax")),
    "sigmoid": (3, "sigmoid", End("sigmoid")),
    "one sigmoid": (1, "sigmoid", End("sigmoid", is_binary=True)),
    "one logit": (1, "linear", End(is_binary=True)),
}
LOSSES = {
    "logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "softmax": keras.losses.SparseCategoricalCrossentropy(),
    "sigmoid": keras.losses.BinaryCrossentropy(),
    "one sigmoid": keras.losses.BinaryCrossentropy(),
    "one logit": keras.losses.BinaryCrossentropy(from_logits=True),
}


def colours(num_classes: int, *, seed: int = 0, size: int = 60) -> ImageSet:
    """Return images that are brighter in one of the three colours, by class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(size, dtype=np.int32) % num_classes
    images = rng.integers(0, 120, (size, *SHAPE))
    images[np.arange(size), :, :, labels] += 40
    return ImageSet(images.astype(np.uint8), labels, num_classes, class_names=tuple("abcde"[:num_classes]))


def dataset(num_classes: int) -> DataSet:
    return DataSet("colours", colours(num_classes), colours(num_classes, seed=1), flips=False)


def network(units: int, activation: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(12, 3, activation="relu", name="conv")(image)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(units, activation, name="classes")(x), name="mine")


def prune(case: str, **options: object) -> PruneResult:
    units, activation, _ = ENDS[case]
    config = FinetuneConfig(epochs=4, batch_size=20, learning_rate=0.05, augment=False)
    options = {"method": "l1", "max_flops": 0.6, "finetune": config} | options
    return stamp_tf.prune(dataset(max(2, units)), network(units, activation), **options)


@pytest.mark.parametrize("case", ENDS)
def test_what_leaves_ends_as_what_came(case: str, tmp_path: Path) -> None:
    units, activation, end = ENDS[case]
    result = prune(case)
    assert result.test_accuracy > 0.8
    head = result.model.get_layer("classes")
    assert (head.units, head.activation) == (units, keras.activations.get(activation))
    # The loss that a user compiles with finds the network trained.
    images, labels = result.normalization(result.dataset.test.images), result.dataset.test.labels
    targets = np.eye(3)[labels] if case == "sigmoid" else labels[:, None]
    assert float(LOSSES[case](targets, result.model(images))) < 0.5
    stamp_tf.export_run(result, tmp_path / "run", speed=False)
    run = load_run(tmp_path / "run")
    assert (run.end, run.network.get_layer("classes").activation) == (end, head.activation)
    assert stamp_tf.evaluate(run, result.dataset) == result.test_accuracy
    np.testing.assert_allclose(run.network(images), result.model(images), atol=1e-6)


def test_a_run_is_trained_on_by_the_same_loss(tmp_path: Path) -> None:
    result = prune("one sigmoid")
    stamp_tf.export_run(result, tmp_path / "run", speed=False)
    report = train_further(tmp_path / "run", result.dataset, config=FinetuneConfig(epochs=2, batch_size=20))
    # By cross-entropy over one value it would be 0 throughout.
    assert 0 < report.curve[-1].train_loss < 0.1
    assert report.test_accuracy == 1.0
    assert load_run(tmp_path / "run").end == ENDS["one sigmoid"][2]


WAYS = {
    "taylor": {"method": "taylor"},
    "random head": {"head": "random"},
    "regression": {"head": "ridge"},
    "own head": {"head": "keep"},
    "structure only": {"structure_only": True},
    "half precision": {"finetune": FinetuneConfig(epochs=1, batch_size=20, mixed_precision=True)},
}


@pytest.mark.parametrize(
    ("way", "case"), [*((way, "one sigmoid") for way in WAYS), ("taylor", "sigmoid"), ("own head", "sigmoid")]
)
def test_every_way_of_pruning_takes_it(way: str, case: str) -> None:
    result = prune(case, **({"finetune": FinetuneConfig(epochs=1, batch_size=20)} | WAYS[way]))
    outputs = np.asarray(result.model(result.normalization(result.dataset.test.images)))
    assert ((outputs >= 0) & (outputs <= 1)).all()
    assert result.records[-1].train_loss < 0.9


def test_one_softmax_is_refused_where_classes_do_not_exclude_each_other() -> None:
    with pytest.raises(
        StampError, match=r"--head logistic needs classes .* ends in a sigmoid per class; use --head ridge"
    ):
        prune("sigmoid", head="logistic")


def test_training_is_by_the_loss_that_fits() -> None:
    """Behind a sigmoid the loss at the start is that of Keras on the sigmoid's values."""
    model, images = network(3, "sigmoid"), colours(3, size=20)
    expected = keras.losses.BinaryCrossentropy()(
        np.eye(3)[images.labels], model(NORMALIZATION(images.images))
    )
    config = FinetuneConfig(epochs=1, batch_size=20, learning_rate=1e-9, augment=False, evaluate=False)
    records = finetune(model, DataSet("few", images, images), normalization=NORMALIZATION, config=config)
    assert records[-1].train_loss == pytest.approx(float(expected), rel=1e-5)


def test_a_softmax_model_is_trained_in_place() -> None:
    model = network(3, "softmax")
    before = {weight.path: np.array(weight) for weight in model.weights}
    config = FinetuneConfig(epochs=3, batch_size=20, learning_rate=0.1, augment=False)
    records = finetune(model, dataset(3), normalization=NORMALIZATION, config=config)
    assert all(np.abs(np.array(weight) - before[weight.path]).max() > 0 for weight in model.weights)
    assert evaluate_accuracy(model, dataset(3).test, normalization=NORMALIZATION) == records[-1].test_accuracy


@pytest.mark.parametrize("case", ["sigmoid", "one sigmoid"])
def test_the_head_in_closed_form_is_calibrated_behind_sigmoids(case: str) -> None:
    units, _, end = ENDS[case]
    model, images = network(units, "linear"), colours(max(2, units), size=300)
    fit_head(model, images, normalization=NORMALIZATION, end=end)
    shares = keras.ops.convert_to_numpy(keras.ops.sigmoid(model(NORMALIZATION(images.images))))
    truth = np.eye(3)[images.labels] if units == 3 else images.labels[:, None]
    assert shares.mean() == pytest.approx(truth.mean(), abs=0.07)
    assert ((shares > 0.5) == truth).mean() > 0.9


@pytest.mark.parametrize("num_classes", [3, 5])
def test_one_logit_needs_two_classes(num_classes: int) -> None:
    with pytest.raises(
        StampError, match=f"must have 2 classes for a network that ends in one .* has {num_classes}"
    ):
        stamp_tf.prune(
            dataset(3) if num_classes == 3 else five(), network(1, "sigmoid"), method="l1", max_flops=0.5
        )


def five() -> DataSet:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (20, *SHAPE), dtype=np.uint8)
    part = ImageSet(images, np.arange(20, dtype=np.int32) % 5, 5, class_names=tuple("abcde"))
    return DataSet("five", part, part)


def test_two_sigmoids_take_two_classes_and_other_numbers() -> None:
    backbone = reference_of_model(network(2, "sigmoid")).backbone
    assert (backbone.num_classes, backbone.end) == (2, End("sigmoid"))
    assert backbone.build(num_classes=5).output_shape == (None, 5)


def test_an_end_is_kept_in_json() -> None:
    backbone = reference_of_model(network(1, "sigmoid")).backbone
    again = type(backbone).from_config(backbone.to_config())
    assert (again.end, again.build().output_shape) == (backbone.end, (None, 1))


def test_a_relu_as_the_end_is_refused() -> None:
    with pytest.raises(StampError, match=r"mine ends in classes \(relu\); end it in a dense layer without"):
        reference_of_model(network(4, "relu"))
