"""A program for test_jax.py: what the core computes for a toy, compiled, on the backend that Keras runs on.

    python core_numbers.py weights.npz numbers.npz

The first run writes the weights it started from; a later one on another backend starts from the same.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import dtypes

from stamp_tf.backend import compile_step, value_and_gradient
from stamp_tf.channels import add_logistic_noise, mask_kernels
from stamp_tf.meta.inner_loop import task_gradient
from stamp_tf.meta.meta_step import compile_meta_step
from stamp_tf.meta.objective import StampObjective
from stamp_tf.training.reference_steps import (
    compile_budget_step,
    compile_plain_step,
    make_weight_optimizer,
)
from stamp_tf.training.teacher import Teacher

# All but one at the images' own resolution: TensorFlow resizes in single precision, whatever it is asked for.
CASES = {
    "budgets": {"num_outputs": 2, "resolution": 8},
    "kl": {"generator": "beta-bernoulli", "sparsity": "kl", "kl_scale": 0.3, "resolution": 8},
    "statistician": {"encoder": "neural-statistician", "resolution": 8},
    "transformer": {"encoder": "set-transformer", "num_outputs": 2, "resolution": 8},
    "coarse": {"encoder": "deep-sets", "resolution": 4},
}
RATES = (1e-3, 1e-2, 2e-3)
# Keras' optimizers round their constants to single precision on TensorFlow; these are not changed by it.
ADAM = {"beta_1": 1 - 2**-3, "beta_2": 1 - 2**-10, "epsilon": 2**-23}
SGD = {"momentum": 1 - 2**-3, "weight_decay": 2**-11}

Objectives = Mapping[str, StampObjective]
Numbers = Iterator[tuple[str, Any]]


def named(name: str, values: Any) -> Numbers:
    """Number a list of values."""
    return ((f"{name}/{index}", value) for index, value in enumerate(values))


def values_of(objective: StampObjective) -> tuple[list[Any], list[Any]]:
    """The values of phi and of the statistics."""
    return [variable.value for variable in objective.variables], [
        variable.value for variable in objective.statistics
    ]


def set_encodings(toys: ModuleType, objectives: Objectives) -> Numbers:
    """Encodings, and the gradient through the one of attention, which no loop below is run with."""
    images = toys.toy_tasks(1).images[0, 0]
    for case in CASES:
        layer = objectives[case].set_encoder.layer
        yield case, compile_step(lambda x, layer=layer: layer(x, training=False), [])(images)
    attention = objectives["transformer"].set_encoder.layer
    fixed = [variable.value for variable in attention.non_trainable_variables]

    def gradients(x: Any) -> Any:
        def total(values: list[Any]) -> Any:
            encoding, _ = attention.stateless_call(values, fixed, x, training=False)
            return ops.sum(encoding**2), ()

        return value_and_gradient(total, [variable.value for variable in attention.trainable_variables])[1]

    yield from named("transformer/gradient", compile_step(gradients, [])(images))


def masks(toys: ModuleType, objectives: Objectives) -> Numbers:
    """Scores, the mask that they give at a limit, its gradient, and the masked forward pass."""
    tasks = toys.toy_tasks(1)
    for case in ("budgets", "kl"):
        objective = objectives[case]
        phi, statistics = values_of(objective)

        def numbers(
            images: Any,
            uniform: Any,
            limits: Any,
            objective: StampObjective = objective,
            phi: list[Any] = phi,
            statistics: list[Any] = statistics,
        ) -> Any:
            scores, sample, prior = objective.generate(
                phi, statistics, images, uniform=uniform, training=True
            )

            def total(values: list[Any]) -> Any:
                mask = objective.cut.straight_through(add_logistic_noise(values[0], uniform[0]), limits)
                return ops.sum(mask * ops.arange(1, 11, dtype=mask.dtype)), mask

            (_, mask), (gradient,) = value_and_gradient(total, [scores])
            weights = mask_kernels(
                objective.cut.channel_map,
                [variable.path for variable in objective.model.trainable_variables],
                weights=objective.parts.split(phi)[0],
                mask=mask,
            )
            logits, new = objective.model.stateless_call(weights, statistics, images, training=True)
            return scores, sample, prior, mask, gradient, logits, *new

        yield from named(
            case, compile_step(numbers, [])(tasks.images[0, 0], tasks.uniform[0, 0], tasks.limits[0])
        )


def inner_loops(toys: ModuleType, objectives: Objectives) -> Numbers:
    """The gradient behind the inner loop, and the statistics there; the outer steps run that of the other sparsity."""
    objective = objectives["kl"]

    def adapted(*task: Any) -> Any:
        named_task = dict(zip(("images", "labels", "uniform", "limits"), task, strict=True))
        rates = objective.parts.spread(*RATES)
        gradients, statistics, _ = task_gradient(objective, *values_of(objective), **named_task, rates=rates)
        return *gradients, *statistics

    values = compile_step(adapted, [])(*(array[0] for array in toys.toy_tasks(1)))
    yield from named("kl", values)


def outer_steps(toys: ModuleType, objectives: Objectives) -> Numbers:
    """All variables after two steps over two tasks, at changing rates."""
    objective = objectives["budgets"]
    optimizers = [keras.optimizers.Adam(**ADAM) for _ in range(3)]
    for optimizer, part in zip(optimizers, objective.parts.split(objective.variables), strict=True):
        optimizer.build(part)
    step = compile_meta_step(objective, optimizers, inner_rates=objective.parts.spread(*RATES))
    for seed, rate in enumerate((2**-7, 2**-10)):
        for optimizer in optimizers:
            optimizer.learning_rate = rate
        step(*toys.toy_tasks(2, seed=seed))
    yield from named("variables", (*objective.variables, *objective.statistics))


def pretraining_steps(toys: ModuleType, objectives: Objectives) -> Numbers:
    """All variables and figures after a plain step, one by a teacher and one at a budget."""
    objective, tasks = objectives["kl"], toys.toy_tasks(1)
    model, cut = objective.model, objective.cut
    scores = keras.Variable(np.random.default_rng(5).normal(size=cut.num_channels), name="scores")
    optimizer, score_optimizer = make_weight_optimizer(**SGD), keras.optimizers.Adam(2**-5, **ADAM)
    optimizer.build(model.trainable_variables)
    score_optimizer.build([scores])
    optimizer.learning_rate = 2**-3
    plain = compile_plain_step(model, optimizer)(tasks.images[0, 0], tasks.labels[0, 0])
    yield from ((f"plain/{name}", value) for name, value in plain.items())
    # What the network is in inference mode serves as another one.
    teacher = Teacher(model=model, share=2**-1, temperature=2.0)
    taught = compile_plain_step(model, optimizer, teacher=teacher)(tasks.images[0, 0], tasks.labels[0, 0])
    yield from ((f"taught/{name}", value) for name, value in taught.items())
    optimizer.learning_rate = 2**-4
    step = compile_budget_step(
        model, cut, scores=scores, optimizer=optimizer, score_optimizer=score_optimizer
    )
    masked = step(tasks.images[0, 1], tasks.labels[0, 1], tasks.limits[0], tasks.uniform[0, 0, 0])
    yield from ((f"budget/{name}", value) for name, value in masked.items())
    yield from named("variables", (*model.variables, scores, *optimizer.variables))


# The last two change the weights, each those of another case.
PARTS: tuple[Callable[[ModuleType, Objectives], Numbers], ...] = (
    set_encodings,
    masks,
    inner_loops,
    outer_steps,
    pretraining_steps,
)


def main(weights: Path, numbers: Path) -> None:
    """Write all numbers as `part/name`."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    # Keras 3.15 normalises in single precision on JAX even then: its table turns float64 into float32.
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    spec = importlib.util.spec_from_file_location("toys", Path(__file__).with_name("conftest.py"))
    toys = importlib.util.module_from_spec(spec)
    sys.modules["toys"] = toys  # where its dataclass looks itself up
    spec.loader.exec_module(toys)
    objectives = {case: toys.toy_objective(**options) for case, options in CASES.items()}
    variables = {
        f"{case}/{index}": variable
        for case, objective in objectives.items()
        for index, variable in enumerate((*objective.variables, *objective.statistics))
    }
    if weights.exists():
        for name, value in np.load(weights).items():
            variables[name].assign(value)
    else:
        np.savez(weights, **{name: ops.convert_to_numpy(variable) for name, variable in variables.items()})
    found = {
        f"{part.__name__}/{name}": ops.convert_to_numpy(value)
        for part in PARTS
        for name, value in part(toys, objectives)
    }
    np.savez(numbers, **found)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
