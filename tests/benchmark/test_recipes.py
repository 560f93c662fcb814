"""Ways of training a reference: the rows as they stand, their losses, and judging without test images."""

import numpy as np
import pytest
from keras import ops

from library.recipes import LOSSES, read_recipes, split_training
from library.results import read_results
from stamp_tf.channels import ChannelCut, CostModel, add_logistic_noise, mask_kernels, trace_channels
from stamp_tf.data import load_dataset
from stamp_tf.losses import classification_loss, distillation_loss
from stamp_tf.options.pretrain import PretrainConfig

ROWS = """
[settings]
backbone = "toy"
batch_size = 16
budgets = [0.4, 1.0]

[rows.plain]
group = "first domain"
title = "alone"
settings = { epochs = 1, budget_epochs = 0 }

[rows.sandwich]
group = "loss"
title = "the smallest as well"
start = "plain"
loss = "sandwich"
settings = { epochs = 0, budget_epochs = 1 }
"""


def test_every_row_of_the_page_can_be_trained(program) -> None:
    rows = read_recipes(program("recipes").EVIDENCE / "recipes.toml")
    for row in rows.values():
        assert row.loss in LOSSES
        assert row.start is None or row.start in rows
        PretrainConfig(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in row.settings.items()
            }
        )


def test_no_test_image_is_looked_at(toy_images) -> None:
    dataset = load_dataset(toy_images, image_shape=(32, 32, 3))
    split = split_training(dataset, 60, seed=0)
    both = np.concatenate([split.train.images, split.test.images])
    assert (len(split.train), len(split.test)) == (60, 30)
    assert {image.tobytes() for image in both} == {image.tobytes() for image in dataset.train.images}
    assert np.bincount(split.train.labels).tolist() == [20, 20, 20]


def test_program(program, toy_backbone, toy_images, tmp_path) -> None:
    rows, path = tmp_path / "rows.toml", tmp_path / "recipes.jsonl"
    rows.write_text(ROWS)
    arguments = [
        "--cifar100",
        toy_images,
        "--cifar10",
        toy_images,
        "--gtsrb",
        toy_images,
        "--rows",
        str(rows),
    ]
    arguments += ["--folder", str(tmp_path / "runs"), "--results", str(path), "--train-size", "60"]
    arguments += ["--target-size", "30", "--budgets", "1,0.5"]
    program("recipes").main(arguments)
    plain, sandwich = (record["figures"] for record in read_results(path))
    assert set(plain) == {"title", "group", "held_out", "cifar10_at_1", "gtsrb_at_1"}
    assert {"held_out_at_0.5", "cifar10_at_0.5", "gtsrb_at_0.5"} < set(sandwich)
    program("recipes").main(arguments)
    assert len(read_results(path)) == 2


@pytest.fixture
def inputs(toy_network) -> dict:
    channel_map = trace_channels(toy_network)
    cut, rng = ChannelCut(channel_map, CostModel(toy_network, channel_map)), np.random.default_rng(0)
    images = rng.standard_normal((6, *toy_network.input_shape[1:])).astype("float32")
    return {
        "cut": cut,
        "weights": [v.value for v in toy_network.trainable_variables],
        "scores": rng.standard_normal(cut.num_channels).astype("float32"),
        "statistics": [v.value for v in toy_network.non_trainable_variables],
        "images": ops.convert_to_tensor(images),
        "labels": ops.convert_to_tensor(np.arange(6) % 3),
        "limits": ops.convert_to_tensor(np.array([np.inf, 0.5], "float32")),
        "uniform": ops.convert_to_tensor(rng.uniform(size=cut.num_channels).astype("float32")),
    }


def logits_at(model, inputs: dict, limit: float):
    """Return logits of the network that a budget leaves."""
    cut, weights = inputs["cut"], inputs["weights"]
    noisy = add_logistic_noise(inputs["scores"], inputs["uniform"])
    mask = cut.straight_through(noisy, ops.convert_to_tensor(np.array([np.inf, limit], "float32")))
    paths = [variable.path for variable in model.trainable_variables]
    masked = mask_kernels(cut.channel_map, paths, weights=weights, mask=mask)
    return model.stateless_call(masked, inputs["statistics"], inputs["images"], training=True)[0]


def test_losses_are_what_their_names_say(toy_network, inputs) -> None:
    labels = inputs["labels"]
    full, half, least = (logits_at(toy_network, inputs, limit) for limit in (10.0, 0.5, 0.06))
    on_labels, taught = classification_loss, lambda small: distillation_loss(small, full)
    spread = ops.mean(ops.logsumexp(full, axis=-1) - ops.mean(full, axis=-1))
    usual = on_labels(full, labels) + 0.5 * on_labels(half, labels) + 0.5 * taught(half)
    wanted = {
        "usual": usual,
        "taught alone": on_labels(full, labels) + taught(half),
        "sandwich": on_labels(full, labels)
        + 0.25 * sum(on_labels(small, labels) + taught(small) for small in (half, least)),
        "smoothed": usual + 0.1 * (spread - on_labels(full, labels)),
    }
    for name, loss in LOSSES.items():
        assert float(loss(toy_network, **inputs)[0]) == pytest.approx(float(wanted[name]), rel=1e-5), name
