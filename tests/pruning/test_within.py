"""How many channels: the smallest network that loses at most so much accuracy, found without the test images."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelCut, CostModel, WidthRules, trace_channels
from stamp_tf.data import DataSet, ImageSet
from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS
from stamp_tf.measure.tried import Tried
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.pruner import Proposal
from stamp_tf.pruning.result import PruneResult
from stamp_tf.pruning.target import Target
from stamp_tf.pruning.trial import Trial, with_held_out
from stamp_tf.pruning.within import find_within, search_within
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.testing.closed_images import ClosedImages

SHAPE = (4, 4, 3)
USEFUL, USELESS = 3, 5


def network() -> keras.Model:
    """Three filters that tell the colours, and five of smaller norm that nothing reads."""
    inputs = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(USEFUL + USELESS, 1, use_bias=False, activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(x), name="colours")
    kernel = np.full((1, 1, 3, USEFUL + USELESS), 0.1)
    kernel[..., :USEFUL] = np.eye(3)
    model.get_layer("conv").set_weights([kernel])
    read = np.zeros((USEFUL + USELESS, 3))
    read[:USEFUL] = 10 * np.eye(3)
    model.get_layer("logits").set_weights([read, np.zeros(3)])
    return model


def images(count: int, *, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype="int32") % 3
    pixels = rng.integers(10, 60, (count, *SHAPE)) + 150 * np.eye(3, dtype=int)[labels][:, None, None, :]
    return ImageSet(pixels.astype("uint8"), labels, 3, class_names=("red", "green", "blue"))


def dataset(count: int = 60) -> DataSet:
    return DataSet("colours", images(count), images(30, seed=1))


def pruned(data: DataSet, **options: object) -> PruneResult:
    usual = {"method": "l1", "head": "keep", "refit": False, "finetune": FinetuneConfig(epochs=0)}
    return prune(data, network(), **usual | options)


@pytest.fixture(scope="module")
def cut() -> ChannelCut:
    image = x = keras.Input((12, 12, 3))
    for index, filters in enumerate((12, 16, 20)):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{index}")(x)
    model = keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))
    channel_map = trace_channels(model)
    return ChannelCut(channel_map, CostModel(model, channel_map))


class Measure:
    """Loses as much as a function of the FLOPs says, and remembers the masks."""

    def __init__(self, cut: ChannelCut, lost: Callable[[float], float]) -> None:
        self.masks: list[ChannelMask] = []
        self._cut, self._lost = cut, lost

    def __call__(self, mask: ChannelMask) -> Tried:
        self.masks.append(mask)
        params, flops = map(float, self._cut.cost_model.exact_fractions(mask))
        lost = self._lost(flops)
        return Tried(
            params_fraction=params,
            flops_fraction=flops,
            accuracy=0.9 - lost,
            lost=lost,
            error=0.01,
            images=1000,
        )


@pytest.mark.parametrize("enough", [0.02, 0.11, 0.37, 0.5, 0.83, 0.97])
def test_bisection_finds_what_looking_at_everything_finds(cut: ChannelCut, enough: float) -> None:
    scores = np.random.default_rng(3).normal(size=cut.num_channels)
    measure = Measure(cut, lambda flops: 0.0 if flops >= enough else 0.3)
    mask, tried = find_within(cut, scores, within=0.1, measure=measure)
    ranking = cut.rank(scores)
    flops = [cut.cost_model.exact_fractions(ranking.mask(step))[1] for step in range(ranking.num_steps + 1)]
    smallest = min(one for one in flops if one >= enough)
    found = cut.cost_model.exact_fractions(mask)[1]
    assert smallest <= found <= smallest + 0.02
    assert len(measure.masks) <= 7
    assert [one.flops_fraction for one in tried if one.is_chosen] == [found]


def test_what_is_looked_at_is_nested(cut: ChannelCut) -> None:
    measure = Measure(cut, lambda flops: 0.4 * (1 - flops))
    find_within(cut, np.arange(cut.num_channels), within=0.1, measure=measure)
    masks = sorted(measure.masks, key=lambda mask: mask.num_kept)
    assert len(masks) >= 5
    for smaller, larger in itertools.pairwise(masks):
        assert (larger.kept >= smaller.kept).all()
        assert larger.num_kept > smaller.num_kept


def test_widths_follow_the_rules(cut: ChannelCut) -> None:
    ruled = ChannelCut(cut.channel_map, cut.cost_model, rules=WidthRules(2, 4, ()))
    measure = Measure(cut, lambda flops: 0.4 * (1 - flops))
    mask, _ = find_within(ruled, np.arange(cut.num_channels), within=0.1, measure=measure)
    assert all(len(kept) % 4 == 0 for kept in mask.kept_in(cut.channel_map.groups).values())


def test_the_gentlest_cut_is_tried_before_giving_up(cut: ChannelCut) -> None:
    ranking = cut.rank(np.arange(cut.num_channels))
    gentlest = ranking.mask(ranking.num_steps - 1)
    flops = cut.cost_model.exact_fractions(gentlest)[1]
    measure = Measure(cut, lambda given: 0.0 if given >= flops else 0.3)
    mask, _ = find_within(cut, np.arange(cut.num_channels), within=0.1, measure=measure)
    assert mask == gentlest


def test_what_nothing_meets_is_refused_with_figures(cut: ChannelCut) -> None:
    measure = Measure(cut, lambda flops: 0.0624)
    with pytest.raises(
        StampError,
        match=r"--within 0.01 must be met .* right on 83.8 % of 1,000 held-out training images, 6.2 points "
        r"\(standard error 1.0\) below the full network's 90.0 %; allow 0.063,",
    ):
        find_within(cut, np.arange(cut.num_channels), within=0.01, measure=measure)


def test_images_that_cannot_tell_so_little_are_called_few(cut: ChannelCut, caplog) -> None:
    scores = np.arange(cut.num_channels)
    find_within(cut, scores, within=0.02, measure=Measure(cut, lambda flops: 0.0))
    assert "few" not in caplog.text
    find_within(cut, scores, within=0.005, measure=Measure(cut, lambda flops: 0.0))
    assert (
        "1000 held-out images are few: the standard error, 1.0 points, is more than may be lost"
        in caplog.text
    )


def test_useless_channels_and_no_others_go() -> None:
    result = pruned(dataset(), within=0.0)
    np.testing.assert_array_equal(np.asarray(result.mask), [1] * USEFUL + [0] * USELESS)
    assert result.test_accuracy == 1.0
    assert [one.lost for one in result.tried if one.is_chosen] == [0.0]
    # One channel less, and a third of the images goes with it.
    assert any(one.lost == pytest.approx(1 / 3) for one in result.tried)


def test_more_may_go_where_more_may_be_lost() -> None:
    assert pruned(dataset(), within=0.34).flops_fraction < pruned(dataset(), within=0.3).flops_fraction


def test_images_held_out_are_a_fifth_of_every_class_and_of_training() -> None:
    data = dataset()
    part = with_held_out(data, seed=0)
    assert np.bincount(part.test.labels).tolist() == [4, 4, 4]
    assert len(part.train) == 48
    together = np.concatenate([part.train.images, part.test.images])
    assert len(np.unique(together, axis=0)) == 60
    assert {image.tobytes() for image in together} == {image.tobytes() for image in data.train.images}


def test_test_images_are_never_read() -> None:
    data = DataSet("colours", images(60), ClosedImages(images(30)))
    read: list[str] = []
    with pytest.raises(AssertionError, match="The test images must not be looked at"):
        pruned(data, within=0.0, on_step=lambda phase, *rest: read.append(phase))
    # Only by the test at the very end, when everything is chosen.
    assert "search" in read
    config = PruneConfig(method="l1", within=0.0, head="keep", refit=False)
    reference = reference_of_model(network())
    part = with_held_out(data, seed=0)
    target = dataclasses.replace(
        Target.of(reference, part), normalization=reference.normalization_for(part.train)
    )
    cut = ChannelCut(reference.channel_map, target.cost)
    scores = np.repeat([1.0, 0.0], [USEFUL, USELESS])
    mask, _ = search_within(Proposal(scores=scores), cut, config, trial=Trial(target, config), on_step=None)
    assert mask.num_kept == USEFUL


def test_the_error_is_that_of_answers_in_pairs() -> None:
    reference = reference_of_model(network())
    target = Target.of(reference, with_held_out(dataset(), seed=0))
    trial = Trial(target, PruneConfig(method="l1", within=0.0, head="keep"))
    right = np.arange(12) >= 3
    found = trial.tried(ChannelMask.all_of(8), right)
    assert trial.full.all()
    assert (found.accuracy, found.lost, found.images) == (0.75, 0.25, 12)
    assert found.error == pytest.approx(np.sqrt(0.25 * 0.75 / 12))


def test_a_run_that_goes_on_does_not_search_again(tmp_path: Path) -> None:
    settings = {"within": 0.0, "checkpoints": tmp_path, "finetune": FinetuneConfig(epochs=1, batch_size=20)}

    class Stop(Exception):
        pass

    def stop(phase: str, *rest: object) -> None:
        if phase == "finetune" and rest[0] == 2:
            raise Stop

    with pytest.raises(Stop):
        pruned(dataset(), on_step=stop, **settings)
    phases: list[str] = []
    result = pruned(dataset(), on_step=lambda phase, *rest: phases.append(phase), **settings)
    assert "finetune" in phases
    assert "search" not in phases
    assert result.mask.num_kept == USEFUL
    assert [one.is_chosen for one in result.tried].count(True) == 1


def test_the_choice_of_a_way_is_kept_beside_that_of_a_budget() -> None:
    result = pruned(dataset(), method="auto", within=0.0)
    ways, sizes = ([one for one in result.tried if bool(one.name) is named] for named in (True, False))
    assert [sum(one.is_chosen for one in part) for part in (ways, sizes)] == [1, 1]
    assert len(ways) > 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_budget_is_not_given_and_searched_for(kind: object) -> None:
    with pytest.raises(StampError, match="--within finds the budget itself, but got --"):
        PruneConfig(within=0.01, **{kind.name: 0.5})


@pytest.mark.parametrize("options", [{"structure_only": True}, {"head": "random"}])
def test_networks_of_chance_are_not_compared(options: dict[str, object]) -> None:
    with pytest.raises(StampError, match="--within goes by accuracy without fine-tuning, but --"):
        PruneConfig(within=0.01, **options)


def test_a_finished_mask_is_refused() -> None:
    options = {"widths": {"conv": 4}}
    with pytest.raises(
        StampError, match=r"--within needs scores .* but --method random proposes a finished mask"
    ):
        pruned(dataset(), method="random", within=0.1, options=options)


def test_single_images_cannot_be_held_out() -> None:
    data = DataSet("few", images(3), images(3))
    with pytest.raises(StampError, match="few must have two training images of a class"):
        pruned(data, within=0.1)
