"""Measured speed: every cell present, networks untouched, turns taken."""

import time
from collections.abc import Callable
from itertools import groupby

import keras
import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.measure.speed import (
    describe_device,
    draw_batch,
    large_batch,
    measure_latency,
    measure_speed,
    num_threads,
    take_turns,
    training_step,
)
from stamp_tf.measure.timing import Timing
from stamp_tf.report.report import SpeedRow
from stamp_tf.report.rows import speed_rows


def toy(width: int = 4) -> keras.Model:
    image = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Conv2D(width, 3, name="conv")(image)
    x = keras.layers.BatchNormalization(moving_mean_initializer="ones", name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(3, name="head")(x))


def test_every_cell_is_measured_for_every_network() -> None:
    models = {"full": toy(8), "pruned": toy(2)}
    result = measure_speed(models, batch_sizes=(1, 4), training_batch_sizes=(4,), repeats=3)
    assert result.device == describe_device()
    assert result.num_threads == num_threads() >= 1
    cells = (("inference", 1), ("inference", 4), ("training", 4))
    assert {(t.model, t.kind, t.batch_size, t.num_rounds) for t in result.timings} == {
        (name, kind, size, 3) for name in models for kind, size in cells
    }
    assert speed_rows(result, "full", "pruned") == tuple(
        SpeedRow(
            kind=kind,
            batch_size=size,
            full_seconds=result.seconds("full", kind, batch_size=size),
            pruned_seconds=result.seconds("pruned", kind, batch_size=size),
        )
        for kind, size in cells
    )
    assert all(timing.seconds > 0 and timing.spread >= 0 for timing in result.timings)


@pytest.mark.parametrize("kind", ["inference", "training"])
def test_one_network_is_timed_by_itself(kind: str) -> None:
    timing = measure_latency(toy(), kind, batch_size=2, repeats=5)
    assert (timing.kind, timing.batch_size, timing.num_rounds) == (kind, 2, 5)
    assert timing.seconds > 0


@pytest.mark.parametrize(
    ("side", "number"), [(8, 128), (32, 128), (112, 128), (113, 64), (224, 32), (1024, 1), (9000, 1)]
)
def test_a_large_batch_is_one_that_people_train_with(side: int, number: int) -> None:
    assert large_batch((side, side, 3)) == number


def test_median_and_interquartile_range() -> None:
    timing = Timing.of_rounds("toy", "inference", batch_size=1, seconds=[5.0, 1.0, 2.0, 100.0, 4.0])
    assert (timing.seconds, timing.spread, timing.num_rounds) == (4.0, 3.0, 5)


def test_several_inputs_and_outputs_are_timed() -> None:
    inputs = {
        "ids": keras.Input((4,), dtype="int32", name="ids"),
        "image": keras.Input((8, 8, 3), name="image"),
    }
    words = keras.layers.Embedding(10, 3)(inputs["ids"])
    pooled = keras.layers.GlobalAveragePooling2D()(inputs["image"])
    model = keras.Model(inputs, {"words": words, "logits": keras.layers.Dense(5)(pooled)})
    for kind in ("inference", "training"):
        assert measure_latency(model, kind, batch_size=2, repeats=3).num_rounds == 3


def test_open_sizes_are_refused() -> None:
    image = keras.Input((None, None, 3), name="pixels")
    model = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    with pytest.raises(StampError, match=r"must have inputs of fixed size, but pixels has the shape \(None,"):
        measure_latency(model)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(StampError, match="kind must be inference or training, but got infrence"):
        measure_latency(toy(), "infrence")


def test_weights_and_statistics_are_put_back() -> None:
    model = toy()
    before = model.get_weights()
    measure_latency(model, "training", batch_size=2, repeats=1)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_training_step_really_steps() -> None:
    model = toy()
    before = model.get_layer("norm").moving_mean.numpy()
    training_step(model)(*draw_batch(model, 2, seed=0))
    assert np.abs(model.get_layer("norm").moving_mean.numpy() - before).max() > 0


def test_in_its_turn_a_quick_step_is_called_often_and_a_slow_one_once() -> None:
    calls: list[str] = []
    steps = {
        "quick": lambda: calls.append("quick") or [],
        "slow": lambda: (calls.append("slow"), time.sleep(0.01))[1] or [],
    }
    quick, slow = take_turns(
        steps, dict.fromkeys(steps, ()), kind="inference", batch_size=1, repeats=3, max_seconds=60.0
    )
    assert calls.count("slow") == 2 + 3
    assert calls.count("quick") > 100
    assert quick.seconds < 0.001 < 0.01 <= slow.seconds


def test_networks_take_turns_and_long_rounds_stop_early() -> None:
    calls: list[str] = []

    def step(name: str) -> Callable[[], list]:
        return lambda: calls.append(name) or []

    steps = {name: step(name) for name in "ab"}
    timings = take_turns(
        steps, {"a": (), "b": ()}, kind="inference", batch_size=1, repeats=50, max_seconds=0.0
    )
    # Warmed up, then from the first, the second and the first; a turn of quick calls has many.
    assert [name for name, _ in groupby(calls)] == list("ab" + "ab" + "ab")
    assert [timing.num_rounds for timing in timings] == [3, 3]
