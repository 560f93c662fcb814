"""A check says which rule a plug-in breaks; what works is held to its contract in `tests/contracts/`."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.layers.score_generator import ScoreGenerator
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.set_encoders.deep_sets import DeepSets
from stamp_tf.testing import (
    check_backbone,
    check_channel_rule,
    check_dataset,
    check_exporter,
    check_mask_generator,
    check_pruner,
    check_set_encoder,
)


@keras.saving.register_keras_serializable(package="testing")
class Unknown(keras.layers.Layer):
    """A layer without a rule."""

    def call(self, x: Any) -> Any:
        return x * 2.0


def backbone(
    shape: tuple[int, int, int], num_classes: int, *, ends_in: str = "linear", inner: Any = None
) -> keras.Model:
    inputs = keras.Input(shape, name="image")
    x = layers.ReLU(name="relu")(layers.Conv2D(4, 3, name="conv")(inputs))
    x = x if inner is None else inner(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(num_classes, ends_in, name="logits")(x))


def unnamed(shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    inputs = keras.Input(shape)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, layers.Dense(num_classes)(x))


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (lambda shape, classes: backbone(shape, classes + 1), "must map images .* to 43 logits"),
        (
            lambda shape, classes: backbone(shape, classes, ends_in="softmax"),
            "must end in logits, but its out",
        ),
        (unnamed, "must name its layers, the same each time"),
        (lambda shape, classes: backbone(shape, classes, inner=Unknown()), "must be removable, but some are"),
    ],
)
def test_a_backbone(build: Any, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_backbone(build)


class Shifted(layers.Layer):
    """A weight for each channel, which a rule may forget."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.shift = self.add_weight((shape[-1],), initializer="ones", name="shift")

    def call(self, x: Any) -> Any:
        return x + self.shift


def test_a_layer_without_a_rule() -> None:
    with pytest.raises(AssertionError, match=r"must be removable, but some are kept whole: .*Shifted"):
        check_channel_rule(lambda: backbone((8, 8, 3), 2, inner=Shifted(name="shifted")))


class First(DeepSets):
    """Looks at the first image alone."""

    def call(self, images: Any, training: bool = False) -> Any:
        return super().call(images[:1], training=training)


class Blind(DeepSets):
    """Looks at none."""

    def call(self, images: Any, training: bool = False) -> Any:
        return super().call(ops.zeros_like(images), training=training)


class Forgetful(DeepSets):
    """Leaves an option out of its configuration."""

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "num_outputs"}


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (
            lambda **options: DeepSets(**options | {"num_outputs": 2}),
            "must turn 1 images into 1 pseudo-images",
        ),
        (First, "The order of the set must not matter, but the largest difference is"),
        (Blind, "The set must matter, but two sets give the same"),
        (Forgetful, "is rebuilt from its configuration, but trying it raised ValueError"),
    ],
)
def test_a_set_encoder(build: Any, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_set_encoder(build)


class Stubborn(ScoreGenerator):
    """Keeps its own first scores."""

    def start_from(self, scores: np.ndarray) -> None: ...


class Fixed(ScoreGenerator):
    """Draws nothing."""

    def call(self, pooled: Any, uniform: Any) -> Any:
        scores, _, prior = super().call(pooled, uniform)
        return scores, ops.sigmoid(scores), prior


class Free(ScoreGenerator):
    """Says that it has a prior."""

    has_prior = True

    def start_from(self, scores: np.ndarray) -> None:
        super().start_from(scores + 5)


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (Stubborn, "The first order must be that of the reference's scores"),
        (Fixed, "The sample must depend on the random numbers"),
        (Free, "A prior must start from open channels"),
    ],
)
def test_a_mask_generator(build: Any, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_mask_generator(build)


class Constant(Pruner):
    """Proposes a mask that keeps all."""

    def propose(self, problem: PruningProblem) -> Proposal:
        return Proposal(mask=np.ones(problem.reference.channel_map.num_channels))


class Unseeded(Pruner):
    """Draws without the problem's seed."""

    rng = np.random.default_rng(0)

    def propose(self, problem: PruningProblem) -> Proposal:
        return Proposal(scores=self.rng.normal(size=problem.reference.channel_map.num_channels))


class Short(Pruner):
    """Forgets a channel."""

    def propose(self, problem: PruningProblem) -> Proposal:
        return Proposal(scores=np.ones(problem.reference.channel_map.num_channels - 1))


class Peeking(Pruner):
    """Ranks by the images that it will be judged on."""

    def propose(self, problem: PruningProblem) -> Proposal:
        mean = problem.dataset.test.images.mean()
        return Proposal(scores=np.full(problem.reference.channel_map.num_channels, mean))


class Destructive(Pruner):
    """Writes into the network that others use too."""

    def propose(self, problem: PruningProblem) -> Proposal:
        weight = problem.reference.model.trainable_weights[0]
        weight.assign(weight * 0.5)
        return Proposal(scores=np.ones(problem.reference.channel_map.num_channels))


@dataclass(frozen=True, kw_only=True)
class Needed(PrunerOptions):
    """Have no default."""

    steps: int


class Demanding(Constant):
    """Cannot do without an option."""

    options = Needed

    def propose(self, problem: PruningProblem) -> Proposal:
        return Proposal(scores=np.ones(problem.reference.channel_map.num_channels))


class Bare(PrunerOptions):
    """Is no dataclass itself, so that its options are none."""

    steps: int = 1


class Lost(Demanding):
    """Has an option that nobody can give."""

    options = Bare


@pytest.mark.parametrize(
    ("pruner", "rule"),
    [
        (Constant, r"must fit the budget of 0.5 FLOPs, but has 1\.000"),
        (Unseeded, "must follow from the seed of the problem"),
        (Short, "a value per channel"),
        (Demanding, r"Every option must have a default, but \['steps'\] have none"),
        (Lost, r"must be a frozen dataclass .* but has \['steps'\] that are no fields"),
        (Peeking, "test images must not be looked at"),
        (Destructive, "must leave the reference's .* alone"),
    ],
)
def test_a_pruner(pruner: type[Pruner], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_pruner(pruner)


ONE_SIDED = """
import numpy as np
from stamp_tf.data import DataSet, ImageSet

def one_sided(argument, options):
    images = np.arange(12 * 8 * 8 * 3, dtype="uint8").reshape(12, 8, 8, 3)
    train = ImageSet(images, np.arange(12, dtype="int32") % 3, 3, class_names=("a", "b", "c"))
    test = ImageSet(images[:4], np.arange(4, dtype="int32") % 2, 3, class_names=("a", "b", "c"))
    return DataSet("one-sided", train, test)

def careless(argument, options):
    full = one_sided(argument, options)
    return DataSet("careless", full.train, full.train)
"""


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("one-sided", r"Both parts must hold every class, but have \[2, 2, 0\] images of them"),
        ("careless", "A wrong argument must be refused by a StampError of one line, but it was taken"),
    ],
)
def test_a_data_set(make_plugin: Any, name: str, rule: str) -> None:
    targets = ["one-sided = birch:one_sided", "careless = birch:careless"]
    make_plugin("birch", {"stamp_tf.datasets": targets}, ONE_SIDED)
    with pytest.raises(AssertionError, match=rule):
        check_dataset(name)


def untidy(model: keras.Model, path: Path, **parts: Any) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text("network")
    path.with_name("left behind").write_text("")
    return path


def trusting(model: keras.Model, path: Path, **parts: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.get_weights()[0].tobytes())
    return path


@pytest.mark.parametrize(
    ("export", "rule"),
    [
        (untidy, "leave nothing beside it, but .*left behind"),
        (trusting, "Parts that do not fit the model must be refused, but it was taken"),
    ],
)
def test_an_exporter(export: Any, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_exporter(export)


def test_a_test_runner_is_not_needed() -> None:
    code = "import sys, stamp_tf.testing; print(sorted({'pytest', 'tensorflow_datasets'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
