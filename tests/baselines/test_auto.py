"""Which ranking and allocation: the candidate that does best on training images held out for it."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.baselines.auto import Auto, AutoOptions, Contest
from stamp_tf.channels import Budget, ChannelCut
from stamp_tf.data import DataSet, ImageSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.pruner import Proposal, PruningProblem
from stamp_tf.pruning.target import Target
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.testing.closed_images import ClosedImages

SHAPE = (4, 4, 3)
AT_ONCE = FinetuneConfig(epochs=0)


def misleading() -> keras.Model:
    """Three small filters that tell the colours, and five large ones that nothing reads."""
    inputs = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(8, 1, use_bias=False, activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(x), name="misleading")
    kernel = np.full((1, 1, 3, 8), 0.5)
    kernel[..., :3] = 0.2 * np.eye(3)
    model.get_layer("conv").set_weights([kernel])
    read = np.zeros((8, 3))
    read[:3] = 50 * np.eye(3)
    model.get_layer("logits").set_weights([read, np.zeros(3)])
    return model


def drawn() -> keras.Model:
    """Two layers of random filters."""
    keras.utils.set_random_seed(3)
    inputs = x = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(1 / 127.5, -1)(x)
    for index, channels in enumerate((8, 12), start=1):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(layers.BatchNormalization(name=f"norm{index}")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x), name="drawn")


def images(count: int) -> ImageSet:
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype="int32") % 3
    pixels = rng.integers(10, 60, (count, *SHAPE)) + 150 * np.eye(3, dtype=int)[labels][:, None, None, :]
    return ImageSet(pixels.astype("uint8"), labels, 3, class_names=("red", "green", "blue"))


def problem_of(model: keras.Model, *, scores: np.ndarray | None = None, **config: object) -> PruningProblem:
    usual = {"method": "auto", "max_flops": 0.5, "head": "keep", "finetune": AT_ONCE}
    reference = dataclasses.replace(reference_of_model(model), scores=scores)
    target = Target.of(reference, DataSet("colours", images(60), ClosedImages(images(30))))
    return target.problem(PruneConfig(**usual | config), budget=Budget(max_flops=0.5))


def test_the_ranking_that_the_images_speak_for_is_taken() -> None:
    data = DataSet("colours", images(60), images(30))
    options = {"max_flops": 0.5, "head": "keep", "refit": False, "finetune": AT_ONCE}
    misled = prune(data, misleading(), method="l1", **options)
    result = prune(data, misleading(), method="auto", **options)
    assert misled.test_accuracy < 0.5
    assert result.test_accuracy == 1.0
    assert result.flops_fraction <= 0.5
    assert next(one.name for one in result.tried if one.is_chosen) != "l1, uniform"
    assert min(one.accuracy for one in result.tried if one.name.startswith("l1")) < 0.5


@pytest.fixture(scope="module")
def proposal() -> Proposal:
    return Auto().propose(problem_of(drawn()))


def test_what_is_chosen_is_about_the_best_and_no_test_image_is_read(proposal: Proposal) -> None:
    full, *candidates = proposal.tried
    assert (full.name, full.lost) == ("full network", 0.0)
    (chosen,) = [one for one in candidates if one.is_chosen]
    best = max(candidates, key=lambda one: one.accuracy)
    assert best.accuracy - chosen.accuracy <= 0.5 / np.sqrt(best.images)
    assert all(one.flops_fraction <= 0.5 and one.steps == 0 for one in candidates)


def test_the_usual_way_is_taken_where_images_do_not_tell_them_apart() -> None:
    learnt = np.linspace(-1, 1, 20).astype("float32")
    contest = Contest(problem_of(drawn(), scores=learnt), AutoOptions())
    contest.compare()
    count = len(contest.entries[0].right)
    names = ("stamp, global", "remaining-error, global", "l1, uniform")

    def chosen(wrong: int) -> str:
        """Which is taken, where the learnt order is wrong on so many images that L1 norms are right on."""
        rights = {name: np.arange(count) >= wrong * (name == "stamp, global") for name in names}
        contest.entries = [
            dataclasses.replace(
                one,
                right=rights[one.candidate.name],
                figures=dataclasses.replace(one.figures, accuracy=float(rights[one.candidate.name].mean())),
            )
            for one in contest.entries
            if one.candidate.name in names
        ]
        return next(one.name for one in contest.proposal().tried if one.is_chosen)

    assert chosen(0) == "stamp, global"
    assert chosen(1) == "stamp, global"
    assert chosen(4) == "remaining-error, global"


def test_a_learnt_order_stands_for_election_where_there_is_one(proposal: Proposal) -> None:
    scores = np.random.default_rng(0).normal(size=20).astype("float32")
    learnt = Auto().propose(problem_of(drawn(), scores=scores))
    for one, expected in ((learnt, True), (proposal, False)):
        names = [tried.name for tried in one.tried]
        assert any(name.startswith("stamp") for name in names) is expected
        assert any(name.startswith("remaining-error") for name in names)


def test_finalists_take_some_steps_where_fine_tuning_follows() -> None:
    told: list[tuple[int, int, str]] = []
    problem = problem_of(drawn(), finetune=FinetuneConfig(epochs=40, batch_size=24, distill=0.5))
    problem = dataclasses.replace(
        problem,
        options={"steps": 4, "finalists": 2},
        on_step=lambda done, total, figures: told.append((done, total, *figures)),
    )
    before = problem.model.get_weights()
    tried = Auto().propose(problem).tried
    finalists = [one for one in tried if one.steps]
    assert [one.steps for one in finalists] == [4, 4]
    assert any(one.name.endswith("uniform") for one in finalists)
    assert [one.is_chosen for one in finalists].count(True) == 1
    assert told[-1][:2] == (8, 8)
    assert {name for *_, name in told} == {f"accuracy of {one.name}" for one in tried if not one.is_full}
    for old, new in zip(before, problem.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_same_seed_chooses_the_same(proposal: Proposal) -> None:
    again = Auto().propose(problem_of(drawn()))
    np.testing.assert_array_equal(proposal.scores, again.scores)
    assert proposal.tried == again.tried


def test_limits_that_are_timed_leave_candidates_at_half_of_the_flops() -> None:
    problem = dataclasses.replace(problem_of(drawn()), budget=Budget(max_latency=1.0))
    tried = Auto().propose(problem).tried
    assert all(one.flops_fraction <= 0.5 for one in tried[1:])


def test_candidates_follow_the_rules_for_widths() -> None:
    problem = problem_of(drawn(), round_to=4)
    cut = ChannelCut(problem.reference.channel_map, problem.cost)
    sizes = {one.flops_fraction for one in Auto().propose(problem).tried[1:]}
    reachable = set()
    for first in (4, 8):
        for second in (4, 8, 12):
            kept = {"conv1": range(first), "conv2": range(second)}
            mask = problem.reference.channel_map.mask_of({name: list(one) for name, one in kept.items()})
            reachable.add(float(cut.cost_model.exact_fractions(mask)[1]))
    assert sizes <= reachable


def check(**config: object) -> None:
    Auto().check(reference_of_model(drawn()), PruneConfig(method="auto", max_flops=0.5, **config))


def test_fresh_weights_leave_nothing_to_compare() -> None:
    with pytest.raises(StampError, match="--method auto compares networks by the weights that they keep"):
        check(structure_only=True)


def test_rankings_may_be_named() -> None:
    problem = problem_of(drawn())
    tried = Auto().propose(dataclasses.replace(problem, options={"rankings": ["l1"]})).tried
    assert {one.name for one in tried[1:]} <= {"l1, uniform", "l1, global"}
    with pytest.raises(
        StampError, match=r"rankings.* must name one of remaining-error, taylor, l1, but names stamp"
    ):
        check(options={"rankings": ["stamp"]})
