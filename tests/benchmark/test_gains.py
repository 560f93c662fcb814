"""Masks that follow from the errors that channels leave: the errors, and what a generator makes of them."""

import keras
import numpy as np
import pytest
from keras import layers

import stamp_registry
from library.own_plugins import own_plugins
from stamp_tf.channels import trace_channels
from stamp_tf.testing import check_mask_generator

SIZES = [3, 5]
UNIFORM = np.full((2, 8), 0.5, "float32")


@pytest.fixture
def plugin():
    with own_plugins():
        yield stamp_registry.load("stamp_tf.mask_generators", "remaining-errors")


@pytest.fixture
def errors(plugin):
    """Errors of the channels of a network for images, and its network of two layers that read channels."""
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(6, 1, activation="tanh", name="a")(inputs)
    x = layers.Conv2D(7, 1, activation="tanh", name="b")(x)
    model = keras.Model(inputs, layers.Dense(2, name="c")(layers.GlobalAveragePooling2D(name="mean")(x)))

    def measured(images: np.ndarray, **options: float) -> np.ndarray:
        from stamp_tf_gains import ErrorProbe

        probe = ErrorProbe(model, trace_channels(model), places=16, **options)
        weights = [variable.value for variable in model.trainable_variables]
        return np.asarray(probe(weights, [], keras.ops.convert_to_tensor(images)))[0]

    return model, measured


def images(seed: int = 0, *, count: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 4, 3)).astype("float32")


def by_hand(model: keras.Model, pictures: np.ndarray, name: str, kernel: np.ndarray) -> np.ndarray:
    """Squares that a refit leaves without each channel alone, a fraction of what independent inputs would write."""
    rows = np.asarray(keras.Model(model.input, model.get_layer(name).output)(pictures), "float64")
    rows = rows.reshape(-1, rows.shape[-1])
    rows -= rows.mean(0)
    energy = (np.square(kernel).sum(1) * rows.var(0)).sum()
    left = []
    for channel in range(rows.shape[1]):
        others = np.delete(rows, channel, axis=1)
        target = rows @ kernel
        missing = target - others @ np.linalg.lstsq(others, target, rcond=None)[0]
        left.append(np.square(missing).sum() / len(rows) / energy)
    return np.array(left)


@pytest.mark.parametrize(("name", "reader", "place"), [("a", "b", slice(0, 6)), ("mean", "c", slice(6, 13))])
def test_an_error_is_what_least_squares_leaves_without_the_channel(errors, name, reader, place):
    model, measured = errors
    kernel = np.asarray(model.get_layer(reader).kernel, "float64").reshape(-1, 7 if reader == "b" else 2)
    expected = np.log(by_hand(model, images(), name, kernel))
    np.testing.assert_allclose(measured(images(), ridge=0.0)[place], expected, atol=2e-3)


def test_single_precision_has_digits_enough(errors):
    model, measured = errors
    rng = np.random.default_rng(1)
    # Channels that are nearly copies of each other: the worst that there is for an inverse.
    kernel = np.repeat(rng.normal(size=(1, 1, 3, 1)), 6, axis=3) + 1e-4 * rng.normal(size=(1, 1, 3, 6))
    model.get_layer("a").kernel.assign(kernel)
    rows = np.asarray(keras.Model(model.input, model.get_layer("a").output)(images()), "float64").reshape(
        -1, 6
    )
    gram = np.cov(rows.T, bias=True)
    inverse = np.linalg.inv(gram + 1e-2 * np.trace(gram) / 6 * np.eye(6))
    squares = np.square(np.asarray(model.get_layer("b").kernel, "float64")).sum(axis=(0, 1, 3))
    expected = np.log(squares / (squares * np.diag(gram)).sum() / np.diag(inverse))
    np.testing.assert_allclose(measured(images())[:6], expected, atol=1e-3)


def test_errors_are_finite_where_nothing_fires(errors):
    model, measured = errors
    kernel = np.array(model.get_layer("a").kernel)
    kernel[..., 2] = 0
    model.get_layer("a").kernel.assign(kernel)
    assert np.isfinite(measured(images())).all()
    assert np.isfinite(measured(0 * images())).all()


def test_it_keeps_the_contract(plugin):
    check_mask_generator(lambda sizes, **options: plugin(sizes, gain=0.1, **options))


def test_without_gains_the_order_is_the_learnt_one(plugin):
    generator = plugin(SIZES)
    generator.build((None, 8))
    learnt = np.random.default_rng(0).normal(size=8).astype("float32")
    generator.start_from(learnt)
    scores = generator(np.random.default_rng(1).normal(size=(1, 8)).astype("float32"), UNIFORM)[0]
    np.testing.assert_array_equal(scores, learnt)
    assert [variable.name for variable in generator.trainable_variables] == ["gains", "shifts"]
    alone = plugin(SIZES, learns_shifts=False)
    alone.build((None, 8))
    assert [variable.name for variable in alone.trainable_variables] == ["gains"]


def test_a_gain_favours_channels_whose_loss_costs_most(plugin):
    generator = plugin(SIZES, gain=0.5)
    generator.build((None, 8))
    scores = np.asarray(generator(np.array([[3, 2, 1, 0, 1, 2, 3, 4]], "float32"), UNIFORM)[0])
    np.testing.assert_allclose(scores[3:], 0.5 * (np.arange(5) - 2) / np.sqrt(2), rtol=1e-4)


def test_a_shift_moves_a_layer_by_how_unusual_its_errors_are(plugin):
    generator = plugin(SIZES, shift=0.5, usual=[-1.0, -2.0])
    generator.build((None, 8))
    scores = np.asarray(generator(np.full((1, 8), -2.0, "float32"), UNIFORM)[0])
    np.testing.assert_allclose(scores, [-0.5] * 3 + [0.0] * 5, atol=1e-6)


def test_a_reference_reads_the_set_itself(toy_reference, tmp_path):
    from stamp_tf.references.reference_file import load_reference, save_reference

    reference = load_reference(toy_reference)
    pictures = np.random.default_rng(0).integers(256, size=(2, 30, 32, 32, 3)).astype("uint8")
    pictures[1] //= 4
    with own_plugins():
        follows = reference.with_new_layers(
            set_encoder=("images", {}), mask_generator=("remaining-errors", {"gain": 0.5})
        )
        save_reference(follows, tmp_path / "follows.npz")
        loaded = load_reference(tmp_path / "follows.npz")
        first, again, turned, other = (
            loaded.propose_scores(x, normalization=loaded.normalization)
            for x in (pictures[0], pictures[0], pictures[0, ::-1], pictures[1])
        )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, turned, atol=1e-3)
    assert np.abs(first - other).max() > 0.05


def test_meta_training_moves_gains_and_leaves_the_learnt_order(toy_reference, toy_images, tmp_path):
    from stamp_tf.data import load_dataset
    from stamp_tf.meta.meta_train import meta_train
    from stamp_tf.references.reference_file import load_reference

    start = load_reference(toy_reference)
    with own_plugins():
        trained = meta_train(
            load_dataset(toy_images, image_shape=(32, 32, 3)),
            start,
            tmp_path / "run",
            set_encoder="images",
            mask_generator="remaining-errors",
            outer_steps=2,
            tasks=1,
            ways=2,
            shots=10,
            inner_batches=2,
            outer_rates=(0.0, 1e-2, 0.0),
            inner_rates=(1e-3, 0.0, 0.0),
        )
    generator = trained.mask_generator.layer
    assert np.abs(generator.gains).max() > 0
    base = np.asarray(generator.base_scores)
    np.testing.assert_allclose(base - base[0], start.scores - start.scores[0], atol=1e-5)


def test_gains_are_learnt_recorded_and_written(program, toy_reference, toy_images, tmp_path, monkeypatch):
    import json

    from library import gain_training

    monkeypatch.setattr(gain_training, "WAYS", 3)
    monkeypatch.setattr(gain_training, "SHOTS", 10)
    monkeypatch.setattr(gain_training, "TASKS", 1)
    arguments = f"--dataset {toy_images} --from {toy_reference} --steps 2 --output {tmp_path / 'new.npz'}"
    program("gains").main([*arguments.split(), "--results", str(tmp_path / "gains.jsonl")])
    (record,) = map(json.loads, (tmp_path / "gains.jsonl").read_text().splitlines())
    assert (tmp_path / "new.npz").exists()
    assert np.abs(record["figures"]["gains"]).max() > 0
    assert len(record["figures"]["history"]) == 2
