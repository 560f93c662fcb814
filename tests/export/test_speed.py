"""Measured speed: every cell present, networks untouched, turns taken."""

import numpy as np
import pytest

from stamp_tf.export import speed
from stamp_tf.export.report import SpeedRow
from stamp_tf.export.speed import describe_device, measure_speed


def test_every_cell_is_measured_for_every_network(make_network) -> None:
    models = {"full": make_network(8), "pruned": make_network(2)}
    result = measure_speed(models, batch_sizes=(1, 4), training_batch_sizes=(4,), repeats=3)
    assert result.device == describe_device()
    assert {(t.model, t.kind, t.batch_size, t.num_rounds) for t in result.timings} == {
        (name, kind, size, 3)
        for name in models
        for kind, size in (("inference", 1), ("inference", 4), ("training", 4))
    }
    rows = result.rows("full", "pruned")
    assert [(row.kind, row.batch_size) for row in rows] == [
        ("inference", 1),
        ("inference", 4),
        ("training", 4),
    ]
    assert rows[0] == SpeedRow(
        "inference",
        1,
        result.seconds("full", "inference", batch_size=1),
        result.seconds("pruned", "inference", batch_size=1),
    )
    assert all(row.full_seconds > 0 and row.pruned_seconds > 0 for row in rows)


def test_weights_and_statistics_are_put_back(make_network) -> None:
    model = make_network()
    before = model.get_weights()
    measure_speed({"toy": model}, batch_sizes=(), training_batch_sizes=(2,), repeats=1)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_training_step_really_steps(make_network) -> None:
    model = make_network()
    before = model.get_layer("bn1").moving_mean.numpy()
    speed._training_step(model)(*speed._batch(model, 2, seed=0))
    assert np.abs(model.get_layer("bn1").moving_mean.numpy() - before).max() > 0


def test_networks_take_turns_and_long_rounds_stop_early(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Answer:
        def numpy(self) -> None:
            """Stands for waiting on the device."""

    def step(name: str):
        return lambda: calls.append(name) or Answer()

    steps = {name: step(name) for name in "ab"}
    timings = speed._take_turns(steps, {"a": (), "b": ()}, "inference", 1, repeats=50, max_seconds=0.0)
    assert calls == list("aabb") + list("ab" + "ba" + "ab")
    assert [timing.num_rounds for timing in timings] == [3, 3]
