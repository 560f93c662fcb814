"""What every pruner must do, run over every registered name."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

import stamp_registry
from stamp_tf.baselines.auto import Auto, AutoOptions
from stamp_tf.baselines.ifp import Ifp, IfpOptions
from stamp_tf.baselines.iht_reptile import IhtReptile, IhtReptileOptions
from stamp_tf.baselines.metapruning import MetaPruning, MetaPruningOptions
from stamp_tf.baselines.mvp import Mvp, MvpOptions
from stamp_tf.options.option import option
from stamp_tf.pruning.pruner import Pruner
from stamp_tf.references.fingerprint import fingerprint
from stamp_tf.testing.pruner import PROPERTIES, proposal_of, toy_problem

GROUP = "stamp_tf.pruners"


@dataclass(frozen=True, kw_only=True)
class OneRanking(AutoOptions):
    """Options by which few networks are built."""

    rankings: tuple[Literal["l1"], ...] = option(("l1",))


class QuickAuto(Auto):
    """The choice between methods, between two candidates."""

    options = OneRanking


@dataclass(frozen=True, kw_only=True)
class TwoRounds(IfpOptions):
    """Options by which one network is trained."""

    rounds: int = option(2)


class QuickIfp(Ifp):
    """Iterative filter pruning, of one training."""

    options = TwoRounds


@dataclass(frozen=True, kw_only=True)
class TwoCandidates(MetaPruningOptions):
    """Options by which two networks are judged."""

    population: int = option(2)
    rounds: int = option(1)
    batches: int = option(1)


class QuickMetaPruning(MetaPruning):
    """MetaPruning with hardly a search."""

    options = TwoCandidates


@dataclass(frozen=True, kw_only=True)
class TwoTasks(IhtReptileOptions):
    """Options by which a step is taken on two tasks."""

    rounds: int = option(1)
    tasks: int = option(1)
    inner_steps: int = option(1)


class QuickIhtReptile(IhtReptile):
    """IHT-Reptile, of two tasks."""

    options = TwoTasks


@dataclass(frozen=True, kw_only=True)
class OneVote(MvpOptions):
    """Options by which one run votes and nothing is trained."""

    memory: str | Path | None = option("memory")
    rounds: int = option(1)


class QuickMvp(Mvp):
    """Meta-vote pruning with a memory, without which it refuses to begin."""

    options = OneVote


STANDS_IN: dict[str, type[Pruner]] = {
    "auto": QuickAuto,
    "ifp": QuickIfp,
    "metapruning": QuickMetaPruning,
    "iht-reptile": QuickIhtReptile,
    "mvp": QuickMvp,
}


def build_of(name: str) -> type[Pruner]:
    return STANDS_IN.get(name) or stamp_registry.load(GROUP, name)


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow) if name in STANDS_IN else name
        for name in stamp_registry.names(GROUP)
    ]
)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What of one run on digits is read, in the folder that tests work in."""
    reference = toy_problem().reference
    sizes = {group.name: group.size for group in reference.channel_map.groups}
    masks = {
        "backbone": reference.backbone.to_config(),
        "reference": fingerprint(reference),
        "sizes": sizes,
        "kept": {name: [0] for name in sizes},
    }
    run = tmp_path / "memory" / "digits"
    run.mkdir(parents=True)
    run.joinpath("masks.json").write_text(json.dumps(masks))
    run.joinpath("config.json").write_text(json.dumps({"command": "prune", "dataset": "digits"}))
    run.joinpath("model.keras").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("proven", PROPERTIES, ids=lambda proven: proven.__name__)
def test_a_pruner(name: str, proven: Callable[..., None]) -> None:
    proven(build_of(name))


def test_a_built_in_proposes_scores(name: str) -> None:
    """So that any budget can cut them."""
    if build_of(name).removes != "channels":
        pytest.skip(f"{name} removes {build_of(name).removes}")
    if not stamp_registry.is_built_in(GROUP, name):
        pytest.skip(f"{name} may propose a finished mask")
    assert proposal_of(build_of(name)).proposal.scores is not None
