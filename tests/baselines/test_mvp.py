"""Meta-vote pruning: who votes, for what, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.baselines.mvp import MvpOptions, votes_of
from stamp_tf.baselines.similarity import prototype_similarity, shared_classes, shared_parents
from stamp_tf.data import DataSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.references.fingerprint import fingerprint
from stamp_tf.references.reference import Reference

# The groups of the tiny network have three channels and two.
KEPT = {"near": ((0, 1), (1,)), "far": ((1,), (0,)), "none": ((2,), (0, 1))}
CLASSES = {"near": ("dark", "light"), "far": ("light", "loud"), "none": ("quiet", "loud")}


def remember(run: Path, reference: Reference, kept: Any, *, data: str | None) -> Path:
    """Write what of a pruned run is read."""
    run.mkdir(parents=True)
    groups = reference.channel_map.groups
    masks = {
        "backbone": reference.backbone.to_config(),
        "reference": fingerprint(reference),
        "sizes": {group.name: group.size for group in groups},
        "kept": {group.name: list(indices) for group, indices in zip(groups, kept, strict=True)},
    }
    config = {"command": "prune", "dataset": data}
    run.joinpath("config.json").write_text(json.dumps(config))
    run.joinpath("masks.json").write_text(json.dumps(masks))
    run.joinpath("model.keras").touch()
    return run


def write_images(path: Path, class_names: tuple[str, ...], size: tuple[int, ...]) -> str:
    labels = np.arange(6) % len(class_names)
    images = np.random.default_rng(len(path.name)).integers(256, size=(6, *size)).astype("uint8")
    np.savez(
        path, x_train=images, y_train=labels, x_test=images[:2], y_test=labels[:2], class_names=class_names
    )
    return f"npz:{path}"


@pytest.fixture
def problem(tiny: Any, make_problem: Callable[..., PruningProblem], tmp_path: Path) -> PruningProblem:
    """A problem on the tiny network, with a memory of three tasks."""
    found = make_problem(tiny)
    for name, kept in KEPT.items():
        data = write_images(tmp_path / f"{name}.npz", CLASSES[name], (2, 2, 1))
        remember(tmp_path / "memory" / name, found.reference, kept, data=data)
    return found


@pytest.mark.parametrize(
    ("neighbours", "votes"), [(1, [1, 1, 0, 0, 1]), (2, [1, 2, 0, 1, 1]), (10, [1, 2, 0, 1, 1])]
)
def test_runs_that_share_classes_vote_the_nearest_first(
    problem: PruningProblem, tmp_path: Path, neighbours: int, votes: list[int]
) -> None:
    options = MvpOptions(memory=tmp_path / "memory", similarity="classes", neighbours=neighbours)
    np.testing.assert_array_equal(votes_of(problem, options), votes)


def test_by_prototypes_every_run_that_lost_channels_votes(problem: PruningProblem, tmp_path: Path) -> None:
    whole = (range(3), range(2))
    remember(tmp_path / "memory" / "whole", problem.reference, whole, data=f"npz:{tmp_path / 'near.npz'}")
    np.testing.assert_array_equal(votes_of(problem, MvpOptions(memory=tmp_path / "memory")), [1, 2, 1, 2, 2])


def test_similarities_are_those_worked_out_by_hand() -> None:
    assert shared_classes(("cat", "dog", "eel"), ("eel", "cat", "ox")) == 2
    parents = {"cat": "mammal", "dog": "mammal", "eel": "fish", "ox": "mammal"}
    assert shared_parents(("cat", "dog"), ("ox", "eel"), parents) == 1
    # The nearest of (3, 4) is (0, 2) with 0.8, that of (1, 0) is (1, 1) with 0.7071.
    own, other = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[0.0, 2.0], [-1.0, -1.0], [1.0, 1.0]])
    nearest = (3 * 1 + 4 * 1) / (5 * 2**0.5)
    assert prototype_similarity(own, other) == pytest.approx((nearest + 0.5**0.5) / 2)


def test_filters_with_the_fewest_votes_go_then_those_of_the_smaller_norm(
    small: Reference, shades: DataSet, tmp_path: Path
) -> None:
    groups = small.channel_map.groups
    kept = [range(group.size // 4) for group in groups]
    data = write_images(tmp_path / "other.npz", ("a", "z"), (16, 16, 3))
    remember(tmp_path / "memory" / "run", small, kept, data=data)
    options = {"memory": tmp_path / "memory", "rounds": 1, "similarity": "classes"}
    result = prune(
        shades, small, method="mvp", max_flops=0.3, options=options, finetune=FinetuneConfig(epochs=0)
    )
    norms = l1_norms(small.model, small.channel_map)
    for group in groups:
        left = result.mask.kept[group.slice]
        voted = np.arange(group.size) < group.size // 4
        assert left[voted].all() or not left[~voted].any()
        rest = norms[group.slice][~voted]
        if left[~voted].any() and not left.all():
            assert rest[left[~voted]].min() >= rest[~left[~voted]].max()


def test_rounds_train_between_the_votes_and_the_budget(
    small: Reference, shades: DataSet, tmp_path: Path
) -> None:
    data = write_images(tmp_path / "other.npz", ("a", "z"), (16, 16, 3))
    kept = [range(1) for _ in small.channel_map.groups]
    remember(tmp_path / "memory" / "run", small, kept, data=data)
    settings = FinetuneConfig(epochs=1, batch_size=12, learning_rate=0.05)
    phases: list[str] = []
    result = prune(
        shades,
        small,
        method="mvp",
        max_flops=0.3,
        options={"memory": str(tmp_path / "memory")},
        finetune=settings,
        on_step=lambda phase, *step: phases.append(phase),
    )
    assert result.flops_fraction <= 0.3
    assert phases.count("prune") == phases.count("finetune") == 2


def test_a_run_whose_data_are_gone_is_passed_over(
    problem: PruningProblem, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.joinpath("near.npz").unlink()
    options = MvpOptions(memory=tmp_path / "memory")
    np.testing.assert_array_equal(votes_of(problem, options), [0, 1, 1, 2, 1])
    assert "near over, whose data set cannot be loaded" in caplog.text


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (None, r"--method mvp needs the folder .* but got no --method-option memory"),
        ("nowhere", "must be a folder that runs of prune lie in, but .*nowhere holds none"),
        ("strangers", "must hold runs of the reference that is pruned .* are of ffffffff"),
        ("unlike", "must hold a run of a similar task, but none in .*unlike shares a class"),
    ],
)
def test_a_memory_that_says_nothing_is_refused(
    problem: PruningProblem, tmp_path: Path, folder: str | None, words: str
) -> None:
    run = remember(tmp_path / "strangers" / "run", problem.reference, KEPT["near"], data=None)
    text = run.joinpath("masks.json").read_text()
    run.joinpath("masks.json").write_text(text.replace(fingerprint(problem.reference), "ffffffff"))
    remember(tmp_path / "unlike" / "run", problem.reference, KEPT["none"], data=f"npz:{tmp_path}/none.npz")
    memory = None if folder is None else tmp_path / folder
    with pytest.raises(StampError, match=words):
        votes_of(problem, MvpOptions(memory=memory, similarity="classes"))


@pytest.mark.parametrize("kept", [((0, 99), (1,)), ((), (1,))])
def test_masks_that_are_none_of_the_network_are_refused(
    problem: PruningProblem, tmp_path: Path, kept: Any
) -> None:
    remember(tmp_path / "memory" / "odd", problem.reference, kept, data=None)
    with pytest.raises(StampError, match=r"odd/masks.json must hold which channels .* take the run out"):
        votes_of(problem, MvpOptions(memory=tmp_path / "memory", similarity="classes"))
