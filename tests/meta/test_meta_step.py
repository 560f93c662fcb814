"""The compiled outer step: sums over tasks, on one device or two."""

import subprocess
import sys
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.errors import StampError
from stamp_tf.meta.inner_loop import task_gradient
from stamp_tf.meta.meta_step import compile_meta_step, make_strategy
from stamp_tf.meta.objective import StampObjective

RATES = (1e-3, 1e-2, 1e-3)
OuterStep = Callable[..., dict]


def build(
    make_objective: Callable[..., StampObjective],
    *,
    replicas: int = 1,
    optimizer: Callable[[], keras.optimizers.Optimizer] = lambda: keras.optimizers.SGD(1.0),
    **options: object,
) -> tuple[StampObjective, OuterStep]:
    strategy = make_strategy(replicas)
    with strategy.scope():
        objective = make_objective(**options)
        optimizers = [optimizer() for _ in range(3)]
        for one, part in zip(optimizers, objective.parts.split(objective.variables), strict=True):
            one.build(part)
    step = compile_meta_step(
        objective, optimizers, inner_rates=objective.parts.spread(*RATES), strategy=strategy
    )
    return objective, step


def values(objective: StampObjective) -> list[np.ndarray]:
    return [np.asarray(variable) for variable in (*objective.variables, *objective.statistics)]


@pytest.fixture(scope="module")
def exact(
    make_objective: Callable[..., StampObjective], set_precision: Callable[[str], None]
) -> tuple[StampObjective, OuterStep, list[np.ndarray]]:
    """An objective in double precision, its step, and where it starts from."""
    set_precision("float64")
    objective, step = build(make_objective)
    set_precision("float32")
    return objective, step, values(objective)


def put(objective: StampObjective, start: list[np.ndarray]) -> None:
    for variable, value in zip((*objective.variables, *objective.statistics), start, strict=True):
        variable.assign(value)


@pytest.mark.usefixtures("float64")
def test_a_step_sums_gradients_and_averages_statistics_and_figures(exact, make_tasks) -> None:
    objective, step, before = exact
    tasks = make_tasks(2)
    put(objective, before)
    gradients, statistics, figures = [], [], []
    for task in range(2):
        found, after, figures_of_task = task_gradient(
            objective,
            [variable.value for variable in objective.variables],
            [variable.value for variable in objective.statistics],
            **{name: tf.constant(array[task]) for name, array in vars(tasks).items()},
            rates=objective.parts.spread(*RATES),
        )
        gradients.append(found)
        statistics.append(after)
        figures.append(figures_of_task)
    together = step(*tasks)
    number = len(objective.variables)
    for old, new, *parts in zip(before[:number], objective.variables, *gradients, strict=True):
        np.testing.assert_allclose(new.numpy(), old - sum(parts), rtol=1e-9, atol=1e-12)
    for new, *parts in zip(objective.statistics, *statistics, strict=True):
        np.testing.assert_allclose(new.numpy(), sum(parts) / 2, rtol=1e-9, atol=1e-12)
    norm = float(together.pop("gradient_norm"))
    summed = [sum(parts) for parts in zip(*gradients, strict=True)]
    assert norm == pytest.approx(float(tf.linalg.global_norm(summed)), rel=1e-5)
    assert {name: float(value) for name, value in together.items()} == {
        name: pytest.approx((float(figures[0][name]) + float(figures[1][name])) / 2, rel=1e-6)
        for name in ("loss", "prior", "accuracy", "keep_ratio")
    }


@pytest.mark.slow
@pytest.mark.usefixtures("float64", "two_cpus")
def test_two_replicas_take_the_step_of_one(make_objective, make_tasks) -> None:
    """With tasks for both, for one more than the other, and for only one of them."""
    one, step_of_one = build(make_objective)
    two, step_of_two = build(make_objective, replicas=2)
    start = values(one)
    # One trace for any number of tasks, where the compiled steps would make one for each number.
    shapes = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in make_tasks(1)]
    step_of_one, step_of_two = (
        tf.function(step.python_function, input_signature=shapes, autograph=False)
        for step in (step_of_one, step_of_two)
    )
    for num_tasks in (5, 3, 1):
        for objective in (one, two):
            put(objective, start)
        tasks = make_tasks(num_tasks, seed=num_tasks)
        figures = [step(*tasks) for step in (step_of_one, step_of_two)]
        for variable, ours, theirs, old in zip(
            (*one.variables, *one.statistics), values(one), values(two), start, strict=True
        ):
            change = np.abs(ours - old).max()
            assert np.abs(ours - theirs).max() <= 1e-9 * max(change, 1e-9), variable.path
        assert any(np.abs(ours - old).max() > 1e-6 for ours, old in zip(values(one), start, strict=True))
        for name in figures[0]:
            assert float(figures[0][name]) == pytest.approx(float(figures[1][name]), rel=1e-5), name


@pytest.mark.usefixtures("float64")
def test_the_order_of_the_tasks_does_not_matter(exact, make_tasks) -> None:
    objective, step, start = exact
    tasks, ends = make_tasks(2), []
    for order in ([0, 1], [1, 0]):
        put(objective, start)
        step(*(array[order] for array in tasks))
        ends.append(values(objective))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def learner(make_objective: Callable[..., StampObjective]) -> tuple[StampObjective, OuterStep]:
    return build(make_objective, optimizer=lambda: keras.optimizers.Adam(1e-2))


def test_it_learns(learner, make_tasks) -> None:
    _, step = learner
    tasks = make_tasks(2, num_batches=2, batch_size=12)
    losses = [float(step(*tasks)["loss"]) for _ in range(25)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_it_is_traced_once(learner, make_tasks) -> None:
    objective, step = learner
    for seed in range(3):
        step(*make_tasks(2, num_batches=2, batch_size=12, seed=seed))
    assert step.experimental_get_tracing_count() == 1
    assert all(np.isfinite(value).all() for value in values(objective))


def test_dropout_in_the_backbone_draws_anew_every_step(make_objective, make_tasks) -> None:
    objective, step = build(make_objective, dropout=True, optimizer=lambda: keras.optimizers.SGD(0.0))
    tasks = make_tasks(2)
    losses = {float(step(*tasks)["loss"]) for _ in range(3)}
    assert len(losses) == 3
    assert all(np.isfinite(value).all() for value in values(objective))


def test_jax_takes_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert make_strategy(1) is None
    with pytest.raises(StampError, match=r"--replicas must be 1 on jax, but is 2; leave it out"):
        make_strategy(2)


def test_logical_devices_are_made_in_a_fresh_process() -> None:
    code = """
from stamp_tf.meta.meta_step import make_strategy, prepare_replicas
prepare_replicas(2)
print(make_strategy(2).num_replicas_in_sync)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
