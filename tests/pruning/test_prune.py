"""Pruning as a whole, from Python."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.channels import TracedNetwork
from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.errors import DivergenceError, StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning import stamp
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.result import PruneResult
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.reference import Reference

NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)
AT_ONCE = FinetuneConfig(epochs=0)
SHAPE = (16, 16, 3)


@pytest.fixture(autouse=True)
def backbone(make_plugin: Callable[..., Path]) -> None:
    """Register `small`."""
    source = Path(__file__).parents[1].joinpath("toy_backbones.py").read_text()
    make_plugin("small-network", {"stamp_tf.backbones": ["small = small_network:three"]}, source)


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    rng = np.random.default_rng(1)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 3
        pixels = rng.integers(0, 100, (count, *SHAPE)) + 50 * labels[:, None, None, None]
        return ImageSet(pixels.astype("uint8"), labels, 3, class_names=("a", "b", "c"))

    return DataSet("shades", images(24), images(12))


def made_reference(generator: str | None = None) -> Reference:
    backbone = BackboneConfig(name="small", input_shape=SHAPE, num_classes=5)
    network = TracedNetwork.of(backbone.build())
    num_channels = network.channel_map.num_channels
    reference = Reference(
        backbone=backbone,
        network=network,
        normalization=NORMALIZATION,
        scores=np.random.default_rng(0).normal(size=num_channels).astype("float32"),
    )
    if generator is None:
        return reference
    return reference.with_new_layers(set_encoder=("deep-sets", {"width": 8}), mask_generator=(generator, {}))


def weights(result: PruneResult) -> np.ndarray:
    """Return every weight before the head, which is fitted anew, in one row."""
    return np.concatenate([np.ravel(weight) for weight in result.model.get_weights()[:-2]])


def test_the_result_is_the_network_that_was_promised(dataset: DataSet) -> None:
    result = prune(dataset, made_reference(), max_flops=0.4, finetune=AT_ONCE)
    trainable = sum(int(np.prod(weight.shape)) for weight in result.model.trainable_weights)
    assert trainable == result.cost.parameters(result.mask)
    assert result.flops_fraction <= 0.4
    assert result.model.output_shape == (None, 3)
    assert result.records[0].test_accuracy == result.test_accuracy


def test_without_a_budget_channels_below_the_threshold_go(dataset: DataSet) -> None:
    reference = made_reference("score")
    result = prune(dataset, reference, finetune=AT_ONCE)
    images = dataset.train.images
    scores = reference.propose_scores(images, normalization=result.normalization)
    for group in reference.channel_map.groups:
        expected = scores[group.slice] > 0
        expected[np.argmax(scores[group.slice])] = True
        np.testing.assert_array_equal(result.mask[group.slice] > 0, expected)


def test_one_order_for_every_set_looks_at_no_image(dataset: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def draw(images: ImageSet, size: int, *, seed: int) -> ImageSet:
        drawn.append(size)
        return images

    monkeypatch.setattr(stamp, "random_part", draw)
    prune(dataset, made_reference(), max_flops=0.4, finetune=AT_ONCE)
    assert not drawn
    prune(dataset, made_reference("score"), max_flops=0.4, finetune=AT_ONCE)
    assert drawn == [stamp.SET_SIZE]


def test_pruning_epochs_need_a_mask_generator(dataset: DataSet) -> None:
    with pytest.raises(
        StampError, match="--epochs-prune above 0 needs a meta-trained reference, but this one"
    ):
        prune(dataset, made_reference(), max_flops=0.4, finetune=AT_ONCE, options={"epochs_prune": 1})


@pytest.mark.parametrize(("generator", "sparsity"), [("score", "budgets"), ("beta-bernoulli", "kl")])
def test_pruning_epochs_train_a_copy_of_the_reference(
    dataset: DataSet, generator: str, sparsity: str
) -> None:
    reference = made_reference(generator)
    before = {name: np.array(value) for name, value in reference.arrays().items()}
    instant = prune(dataset, reference, max_flops=0.4, finetune=AT_ONCE)
    phases = []
    trained = prune(
        dataset,
        reference,
        max_flops=0.4,
        finetune=AT_ONCE,
        options={"epochs_prune": 2, "sparsity": sparsity, "rates": (1e-2, 0.5, 1e-2)},
        on_step=lambda phase, done, total, figures: phases.append((phase, done, total)),
    )
    assert trained.flops_fraction <= 0.4
    # 24 images make one batch.
    assert phases == [("prune", 1, 2), ("prune", 2, 2)]
    assert not np.array_equal(weights(trained), weights(instant))
    for name, value in reference.arrays().items():
        np.testing.assert_array_equal(before[name], value)


def test_pruning_epochs_that_diverge_stop(dataset: DataSet) -> None:
    options = {"epochs_prune": 3, "rates": (1e30, 1e30, 1e30)}
    with pytest.raises(
        DivergenceError, match=r"Pruning epochs must stay finite, but .* of 3 \(epoch \d, rate of W"
    ):
        prune(dataset, made_reference("score"), max_flops=0.4, finetune=AT_ONCE, options=options)


def test_fine_tuning_that_diverges_says_how_to_start_anew(dataset: DataSet, tmp_path: Path) -> None:
    config = FinetuneConfig(epochs=2, learning_rate=1e30)
    with pytest.raises(DivergenceError, match="so start anew with --overwrite"):
        prune(dataset, made_reference(), max_flops=0.4, finetune=config, checkpoints=tmp_path)


def test_pruning_anew_takes_nothing_from_the_states_of_another_run(dataset: DataSet, tmp_path: Path) -> None:
    reference = made_reference()
    first, second = (FinetuneConfig(epochs=2, learning_rate=rate) for rate in (0.1, 0.001))
    prune(dataset, reference, max_flops=0.4, finetune=first, checkpoints=tmp_path)
    anew = prune(dataset, reference, max_flops=0.4, finetune=second, checkpoints=tmp_path, resume=False)
    alone = prune(dataset, reference, max_flops=0.4, finetune=second)
    assert [record.train_loss for record in anew.records] == [record.train_loss for record in alone.records]
    np.testing.assert_array_equal(weights(anew), weights(alone))


def test_structure_only_starts_from_fresh_weights(dataset: DataSet) -> None:
    reference = made_reference()
    kept = prune(dataset, reference, max_flops=0.4, finetune=AT_ONCE)
    fresh = prune(dataset, reference, max_flops=0.4, finetune=AT_ONCE, structure_only=True)
    np.testing.assert_array_equal(kept.mask, fresh.mask)
    for old, new in zip(kept.model.trainable_weights, fresh.model.trainable_weights, strict=True):
        assert old.shape == new.shape
        if len(old.shape) == 4:
            assert not np.allclose(np.array(old), np.array(new))


def test_removing_nothing_is_an_error(dataset: DataSet) -> None:
    with pytest.raises(StampError, match="Pruning must remove something"):
        prune(dataset, made_reference(), max_flops=1.0, finetune=AT_ONCE)


def test_a_method_without_a_rule_needs_a_budget(dataset: DataSet) -> None:
    with pytest.raises(StampError, match="--method random needs a budget"):
        prune(dataset, made_reference(), method="random", finetune=AT_ONCE)


def test_a_budget_below_one_channel_a_layer_names_the_smallest(dataset: DataSet) -> None:
    with pytest.raises(StampError, match="smallest reachable network"):
        prune(dataset, made_reference(), max_flops=1e-5, finetune=AT_ONCE)


def test_widths_above_the_budget_are_refused(dataset: DataSet) -> None:
    reference = made_reference()
    widths = {group.name: group.size for group in reference.channel_map.groups}
    with pytest.raises(StampError, match="masks above the budget"):
        prune(
            dataset, reference, method="random", max_flops=0.2, options={"widths": widths}, finetune=AT_ONCE
        )


def kept_head(dataset: DataSet, **description: object) -> PruneResult:
    """Prune a network of the three classes a, b and c, and keep its head."""
    backbone = BackboneConfig(name="small", input_shape=SHAPE, num_classes=3)
    keras.utils.set_random_seed(0)
    reference = Reference(
        backbone=backbone,
        network=TracedNetwork.of(backbone.build()),
        normalization=NORMALIZATION,
        description=description,
    )
    return prune(dataset, reference, method="l1", max_flops=0.9, head="keep", finetune=AT_ONCE)


def renamed(dataset: DataSet, names: tuple[str, ...]) -> DataSet:
    """The same images with labels of the same numbers under other names."""
    parts = (dataclasses.replace(part, class_names=names) for part in (dataset.train, dataset.test))
    return DataSet("renamed", *parts)


def test_a_head_that_is_kept_keeps_its_classes(dataset: DataSet) -> None:
    plain = kept_head(dataset, class_names=["a", "b", "c"])
    mixed = DataSet("mixed", *(relabelled(part) for part in (dataset.train, dataset.test)))
    other = kept_head(mixed, class_names=["a", "b", "c"])
    assert mixed.class_names == ("c", "a", "b")
    assert other.dataset.class_names == ("a", "b", "c")
    assert other.test_accuracy == plain.test_accuracy


def relabelled(part: ImageSet) -> ImageSet:
    """The same images of the same classes, with the classes in another order."""
    return ImageSet(part.images, (part.labels + 1) % 3, 3, class_names=("c", "a", "b"))


def test_a_head_of_other_classes_is_not_kept(dataset: DataSet) -> None:
    with pytest.raises(StampError, match=r"'c' is missing and 'gnu' is none of them.* use --head logistic"):
        kept_head(renamed(dataset, ("a", "b", "gnu")), class_names=["a", "b", "c"])


def test_a_head_of_tasks_is_not_kept(dataset: DataSet) -> None:
    with pytest.raises(StampError, match="meta-training numbers its classes anew in each task"):
        kept_head(dataset, meta_train={})


def test_the_order_of_outputs_without_names_is_said(
    dataset: DataSet, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        kept_head(dataset)
    assert (
        "no names; they are taken for the classes of shades in this order: 'a', 'b' and 'c'." in caplog.text
    )
