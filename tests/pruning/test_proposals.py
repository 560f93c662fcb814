"""What a pruner gives back is checked before anything is cut by it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.channels import Budget, TracedNetwork
from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.errors import PluginError
from stamp_tf.plugin_code import PluginCode
from stamp_tf.pruning.proposals import make_pruner, propose
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.reference import Reference

PLUGIN = PluginCode("stamp_tf.pruners", "odd")
NAN, INF = float("nan"), float("inf")


class Giving(Pruner):
    """Answers with what it was made with."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def propose(self, problem: Any) -> Any:
        return self.answer() if callable(self.answer) else self.answer


def make_problem(**changes: Any) -> PruningProblem:
    """Return a problem of a network with channels of two layers, 3 and 2."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 1, name="second")(keras.layers.Conv2D(3, 1, name="first")(inputs))
    x = keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, x)
    backbone = BackboneConfig(
        name="toy",
        input_shape=(8, 8, 3),
        num_classes=2,
        architecture=keras.saving.serialize_keras_object(model),
        head="logits",
    )
    images = ImageSet(
        np.ones((4, 8, 8, 3), "uint8"), np.arange(4, dtype="int32") % 2, 2, class_names=("a", "b")
    )
    reference = Reference(
        backbone=backbone,
        network=TracedNetwork.of(model),
        normalization=Normalization((0.5,) * 3, (0.5,) * 3),
    )
    assert reference.channel_map.num_channels == 5
    problem = PruningProblem(
        reference=reference,
        model=backbone.build(),
        cost=reference.cost_model,
        dataset=DataSet("toys", images, images),
        normalization=reference.normalization,
        budget=Budget(max_flops=0.5),
    )
    return dataclasses.replace(problem, **changes)


@pytest.fixture(scope="module")
def problem() -> PruningProblem:
    return make_problem()


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (None, "must return a stamp_tf.pruning.pruner.Proposal, but returned None"),
        (np.ones(5), r"Proposal, but returned ndarray of shape \[5\]"),
        (Proposal(), "must propose scores or a mask, but gave neither"),
        (Proposal(scores=np.ones(5), mask=np.ones(5)), "but gave both"),
        (Proposal(scores=np.ones(4)), r"one value of scores per channel \(5\), but gave shape \[4\]"),
        (Proposal(scores=np.ones((5, 1))), r"but gave shape \[5, 1\]"),
        (Proposal(scores=np.array(list("abcde"))), "propose scores as numbers, but gave <U1"),
        (
            Proposal(scores=np.array([1, NAN, 2, INF, 3])),
            "finite scores, but gave nan for channel 1 and is not finite for 2 of 5",
        ),
        (Proposal(mask=np.array([1, 0, NAN, 1, 1])), "must propose finite mask, but gave nan for channel 2"),
        (Proposal(mask=np.array([1, 0, 1.5, 1, 1])), "values from 0 to 1, but gave 1.5 for channel 2"),
        (Proposal(mask=np.array([1, -1, 1, 1, 1])), "values from 0 to 1, but gave -1 for channel 1"),
        (Proposal(mask=np.array([1, 1, 1, 0, 0])), "at least one channel of every layer, but empties second"),
        (Proposal(mask=np.array([])), r"one value of mask per channel \(5\), but gave shape \[0\]"),
        (
            Proposal(scores=np.ones(5), fold=np.zeros(5)),
            "a fold above 0 and at most 1, but gave 0 for channel 0",
        ),
        (Proposal(scores=np.ones(5), fold=np.array([1, 1, 2, 1, 1])), "at most 1, but gave 2 for channel 2"),
        (Proposal(scores=np.ones(5), fold=np.full(5, NAN)), "propose finite fold"),
        (lambda: exec("import sys; sys.exit(0)"), "must not fail, but raised SystemExit: 0"),
        (lambda: 1 / 0, "must not fail, but raised ZeroDivisionError: division by zero"),
    ],
)
def test_every_breach_names_the_pruner_and_the_rule(problem: Any, answer: Any, rule: str) -> None:
    with pytest.raises(PluginError, match=rf"^The pruner 'odd' .*{rule}.*; report this to its author\.$"):
        propose(PLUGIN, Giving(answer), problem)


def test_lists_and_tensors_are_numbers_too(problem: Any) -> None:
    proposal = propose(PLUGIN, Giving(Proposal(mask=[1, 0, True, 1, 0.5])), problem)
    np.testing.assert_array_equal(proposal.mask, [1, 0, 1, 1, 0.5])
    assert propose(PLUGIN, Giving(Proposal(scores=keras.ops.ones(5))), problem).scores.dtype == "float64"


class Unlisted(Pruner):
    options = ("epochs",)  # type: ignore[assignment]

    def propose(self, problem: Any) -> Any: ...


class Underived(Unlisted):
    options = dict  # type: ignore[assignment]


class Forgetful(Unlisted):
    @property
    def options(self) -> Any:  # type: ignore[override]
        raise LookupError("which")


class Undecided(Pruner):
    needs_budget = None  # type: ignore[assignment]

    def propose(self, problem: Any) -> Any: ...


class Abstract(Pruner):
    """Forgets to propose."""


class NoPruner:
    """Derives from nothing."""


class Leaving(NoPruner):
    def __init__(self) -> None:
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Unlisted, r"name in options a dataclass derived from \S+\.PrunerOptions, but has \('epochs',\)"),
        (Underived, r"name in options a dataclass derived from \S+\.PrunerOptions, but has <class 'dict'>"),
        (Forgetful, "must not fail, but raised LookupError: which"),
        (Undecided, "say in needs_budget True or False, but has None"),
        (Abstract, "must not fail, but raised TypeError"),
        (NoPruner, "must derive from stamp_tf.pruning.pruner.Pruner, but is a NoPruner"),
        (Leaving, "must not fail, but raised SystemExit: 0"),
    ],
)
def test_what_is_no_pruner_is_named(kind: type, rule: str) -> None:
    with pytest.raises(PluginError, match=f"The pruner 'odd' {rule}|The pruner 'odd' must {rule}"):
        make_pruner(PLUGIN, kind)


class Doing(Pruner):
    """Does something to its problem first."""

    def __init__(self, act: Callable[[PruningProblem], Any]) -> None:
        self.act = act

    def propose(self, problem: PruningProblem) -> Proposal:
        self.act(problem)
        return Proposal(scores=np.ones(5))


def fill(model: keras.Model, value: float) -> None:
    for variable in model.variables:
        variable.assign(np.full(variable.shape, value))


@pytest.mark.parametrize(
    ("act", "rule"),
    [
        (
            lambda problem: problem.dataset.train.images.fill(0),
            "raised ValueError: assignment destination is read-only",
        ),
        (lambda problem: problem.dataset.test.labels.sort(), "must not fail, but raised ValueError: "),
        (
            lambda problem: fill(problem.reference.model, 0),
            "leave the reference as it is, but changed its values",
        ),
        (
            lambda problem: fill(problem.model, NAN),
            "leave finite weights in the model, but .* NaN or infinite",
        ),
        (
            lambda problem: problem.on_step("a", 2, {}),
            r"report steps as .*, but called on_step\('a', 2, \{\}\)",
        ),
        (lambda problem: problem.on_step(3, 2, {}), "report steps as "),
        (lambda problem: problem.on_step(1, 2, None), "report steps as "),
    ],
)
def test_a_pruner_that_spoils_what_it_was_given_is_named(
    act: Callable[[PruningProblem], Any], rule: str
) -> None:
    spoilt = make_problem(on_step=lambda *arguments: pytest.fail("nobody is told"))
    with pytest.raises(PluginError, match=rf"^The pruner 'odd' .*{rule}"):
        propose(PLUGIN, Doing(act), spoilt)
    assert spoilt.dataset.train.images.all()


def test_options_are_the_pruners_own_copy() -> None:
    options = {"rates": [1, 2]}

    def forget(problem: PruningProblem) -> None:
        problem.options["rates"].clear()

    propose(PLUGIN, Doing(forget), make_problem(options=options))
    assert options == {"rates": [1, 2]}


def test_a_pruner_may_train_the_model_and_tell_how_far_it_is() -> None:
    told: list[tuple[Any, ...]] = []

    def train(problem: PruningProblem) -> None:
        fill(problem.model, 0.5)
        problem.on_step(1, 2, {"loss": 0.1})

    propose(PLUGIN, Doing(train), make_problem(on_step=lambda *arguments: told.append(arguments)))
    assert told == [(1, 2, {"loss": 0.1})]
