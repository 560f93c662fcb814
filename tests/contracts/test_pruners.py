"""What every pruner must do, run over every registered name."""

import json
from collections.abc import Callable
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import stamp_registry
from stamp_tf.options.option import option
from stamp_tf.pruning.pruner import Pruner
from stamp_tf.references.fingerprint import fingerprint
from stamp_tf.testing.pruner import PROPERTIES, proposal_of, toy_problem

GROUP = "stamp_tf.pruners"


def shorter(name: str, **values: Any) -> type[Pruner]:
    """Return a method whose options have other defaults, by which it takes moments.

    Args:
        name: Its name.
        **values: Option to default.
    """
    method = stamp_registry.load(GROUP, name)
    hints = get_type_hints(method.options)
    fields = [(key, hints[key], option(value)) for key, value in values.items()]
    options = make_dataclass("Shorter", fields, bases=(method.options,), frozen=True, kw_only=True)
    return type("Shorter", (method,), {"options": options})


STANDS_IN: dict[str, type[Pruner]] = {
    "auto": shorter("auto", rankings=("l1",)),
    "ifp": shorter("ifp", rounds=2),
    "metapruning": shorter("metapruning", population=2, rounds=1, batches=1),
    "iht-reptile": shorter("iht-reptile", rounds=1, tasks=1, inner_steps=1),
    "mvp": shorter("mvp", memory="memory", rounds=1),
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
