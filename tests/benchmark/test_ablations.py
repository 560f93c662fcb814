"""The program of ablations at toy scale, and the parts of training that it replaces."""

import numpy as np
import pytest
from keras import ops

from library.ablation_tables import ablation_table
from library.results import read_results
from library.short_training import ConstantCut, labels_alone, read_rows
from stamp_tf.channels import ChannelCut, CostModel, trace_channels
from stamp_tf.training.budget_loss import budget_loss

ROWS = """
[meta]
set_encoder = "constant"
ways = 3
shots = 4
tasks = 1
inner_batches = 2
outer_steps = 1

[budgets]
epochs = 0
budget_epochs = 1
budgets = [0.3, 1.0]

[rows.before]
ablation = "before"
title = "as it was"
train = "nothing"

[rows.control]
ablation = "set encoder"
title = "constant"
train = "meta"

[rows.constant-cut]
ablation = "budgets"
title = "constant cut"
train = "budgets"
variant = "constant_cut"

[rows.labels-alone]
ablation = "budgets"
title = "labels alone"
train = "budgets"
variant = "labels_alone"

[rows.k-1]
ablation = "steps"
title = "K = 1"
train = "meta"
of = "control"
epochs_prune = 1
"""


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.toml"
    path.write_text(ROWS)
    return path


def test_rows_share_the_settings_of_their_kind(rows):
    read = read_rows(rows)
    assert read["control"].settings["outer_steps"] == 1
    assert read["constant-cut"].settings["budget_epochs"] == 1
    assert read["k-1"].folder == "control"
    assert read["before"].settings == {}


def test_every_row_of_the_page_can_be_read(program):
    read = read_rows(program("ablations").EVIDENCE / "ablations.toml")
    assert all(row.of is None or row.of in read for row in read.values())
    assert {row.train for row in read.values()} == {"nothing", "meta", "budgets"}


def test_program(program, rows, toy_reference, toy_images, tmp_path):
    path = tmp_path / "ablations.jsonl"
    arguments = [
        "--cifar10",
        toy_images,
        "--gtsrb",
        toy_images,
        "--cifar100",
        toy_images,
        "--rows",
        str(rows),
    ]
    arguments += ["--from", str(toy_reference), "--plain-reference", str(toy_reference), "--train-size", "30"]
    arguments += [
        "--test-size",
        "9",
        "--seeds",
        "0",
        "--budgets",
        "0.5,0.3",
        "--folder",
        str(tmp_path / "runs"),
        "--results",
        str(path),
    ]
    program("ablations").main(arguments)
    records = read_results(path)
    assert len(records) == 5 * 2 * 2
    assert {record["case"]["row"] for record in records} == set(read_rows(rows))
    for record in records:
        figures = record["figures"]
        assert 0 <= figures["own"] <= 1
        assert ("swapped" in figures) == (record["case"]["row"] != "k-1")
        # The two targets are one here, and so are their masks.
        assert figures.get("iou", 1) == 1
        assert ("iou" in figures) == ("swapped" in figures)
    assert not (tmp_path / "runs" / "k-1").exists()
    program("ablations").main(arguments)
    assert read_results(path) == records
    lines = ablation_table(records).splitlines()
    assert lines[2].startswith("| what is varied | value | CIFAR-10, 0.5 | CIFAR-10, 0.3 | GTSRB, 0.5 |")
    assert len(lines) == 4 + 5
    assert lines[-1].endswith("| - | - | - | 1 |")


@pytest.fixture
def cut(toy_network) -> ChannelCut:
    channel_map = trace_channels(toy_network)
    return ChannelCut(channel_map, CostModel(toy_network, channel_map))


def test_a_constant_cut_keeps_the_mask_and_gives_no_score_a_price(cut):
    import tensorflow as tf

    scores = tf.constant(np.random.default_rng(0).standard_normal(cut.num_channels), "float32")
    limits = ops.convert_to_tensor(np.array([np.inf, 0.4], "float32"))

    def mask_and_gradient(cut):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            mask = cut.straight_through(scores, limits)
            total = tf.reduce_sum(mask)
        return mask.numpy(), tape.gradient(total, scores).numpy()

    moving, moving_gradient = mask_and_gradient(cut)
    constant, constant_gradient = mask_and_gradient(ConstantCut(cut.channel_map, cut.cost_model))
    assert np.array_equal(moving, constant)
    assert (constant_gradient > 0).all()
    assert (moving_gradient < 0).any()


def test_without_distillation_the_teacher_has_no_say(toy_network, cut):
    rng = np.random.default_rng(0)
    images = rng.standard_normal((6, *toy_network.input_shape[1:])).astype("float32")
    inputs = {
        "weights": [v.value for v in toy_network.trainable_variables],
        "scores": np.zeros(cut.num_channels, "float32"),
        "statistics": [v.value for v in toy_network.non_trainable_variables],
        "images": ops.convert_to_tensor(images),
        "labels": ops.convert_to_tensor(np.arange(6) % 3),
        "limits": ops.convert_to_tensor(np.array([np.inf, 0.5], "float32")),
        "uniform": ops.convert_to_tensor(rng.uniform(size=cut.num_channels).astype("float32")),
    }
    loss, (_, figures) = labels_alone(toy_network, cut, **inputs)
    assert float(loss) == pytest.approx(float(figures["loss"] + figures["masked_loss"]), rel=1e-6)
    with_teacher, _ = budget_loss(toy_network, cut, **inputs)
    assert float(with_teacher) != pytest.approx(float(loss), rel=1e-4)
