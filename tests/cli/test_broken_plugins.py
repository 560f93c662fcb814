"""A plug-in that breaks its contract ends a command in one line that names it, with code 2."""

import json
from pathlib import Path

import numpy as np
import pytest

from stamp_tf.storage.files import put_in_place

SOURCE = """
import sys
from pathlib import Path

import numpy as np

from stamp_tf.errors import StampError
from stamp_tf.pruning.pruner import Proposal, Pruner


class Leaving(Pruner):
    def propose(self, task): sys.exit(0)
class Short(Pruner):
    def propose(self, task): return Proposal(scores=np.ones(3))
class NotFinite(Pruner):
    def propose(self, task): return Proposal(scores=np.full(task.reference.channel_map.num_channels, np.nan))
class Nothing(Pruner):
    def propose(self, task): ...


def leaves(*arguments, **options): sys.exit(0)
def nothing(*arguments, **options): ...
def fails(*arguments, **options): raise KeyError(13)
def says(model, path, **options): return str(path)
def elsewhere(model, path, **options): return Path(path) / "nowhere"
def blank(*arguments, **options): raise StampError("")
def above(model, path, **options): return path.parents[1]
def around(model, path, **options): return path.parent
def another(model, path, **options): return Path(sys.executable)
def halfway(model, path, **options):
    path.mkdir()
    (path / "part").write_text("half")
    raise RuntimeError("enough")
def hollow(model, path, **options):
    path.mkdir()
    return path
def pair(model, path, **options):
    path.with_suffix(".data").write_text("weights")
    path.with_suffix(".graph").write_text("graph")
    return path.with_suffix(".graph")
"""
EXPORTERS = ("above", "around", "another", "halfway", "hollow", "pair")
FUNCTIONS = ("leaves", "nothing", "fails", "says", "elsewhere", "blank")


@pytest.fixture
def acorn(make_plugin, toy) -> Path:
    groups = {
        "stamp_tf.pruners": ("Leaving", "Short", "NotFinite", "Nothing"),
        "stamp_tf.exporters": FUNCTIONS + EXPORTERS,
        "stamp_tf.datasets": FUNCTIONS,
        "stamp_tf.backbones": FUNCTIONS,
    }
    return make_plugin(
        "acorn",
        {group: [f"{name} = acorn:{name}" for name in names] for group, names in groups.items()},
        SOURCE,
    )


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Leaving", "must not fail, but raised SystemExit: 0"),
        ("Short", "must propose one value of scores per channel (36), but gave shape [3]"),
        ("NotFinite", "must propose finite scores, but gave nan for channel 0"),
        ("Nothing", "must return a stamp_tf.pruning.pruner.Proposal, but returned None"),
    ],
)
def test_a_pruner(cli, acorn, tmp_path, images, pretrained, name: str, rule: str) -> None:
    run = tmp_path / "run"
    line = cli.refused(
        "prune",
        "--dataset",
        images,
        "--from",
        pretrained,
        "--method",
        name,
        "--max-flops",
        "0.5",
        "--run-dir",
        run,
    )
    assert f"The pruner {name!r} of package acorn {rule}" in line
    assert not run.exists()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("leaves", "must not fail, but raised SystemExit: 0"),
        ("nothing", "must return the Path of what it wrote, but returned None"),
        ("fails", "must not fail, but raised KeyError: 13"),
        ("says", "must return the Path of what it wrote, but returned str"),
        ("elsewhere", "must return the Path of what it wrote, but there is no "),
        ("blank", "must say what is wrong, but raised a StampError without words"),
        ("above", "must write to the path that it is given, but wrote "),
        ("around", "must write to the path that it is given, but wrote "),
        ("another", "must write to the path that it is given, but wrote "),
        ("halfway", "must not fail, but raised RuntimeError: enough"),
        ("hollow", "must write the network, but its folder holds no file"),
    ],
)
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_an_exporter(cli, acorn, pruned, tmp_path, name: str, rule: str, is_elsewhere: bool) -> None:
    target = ("--to", tmp_path / "new/deep/there") if is_elsewhere else ()
    before = sorted(pruned.rglob("*"))
    line = cli.refused("export", pruned, "--format", name, *target)
    assert f"The exporter {name!r} of package acorn {rule}" in line
    assert sorted(pruned.rglob("*")) == before
    assert not (tmp_path / "new").exists()


def test_what_an_exporter_puts_beside_its_file_comes_along_and_goes_with_the_run(cli, acorn, pruned) -> None:
    for _ in range(2):
        assert cli.done("export", pruned, "--format", "pair").stdout == f"Wrote {pruned / 'pair.graph'}\n"
    assert (pruned / "pair.data").read_text() == "weights"
    assert json.loads((pruned / "exports.json").read_text())["files"] == ["pair.data", "pair.graph"]


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_an_export_that_is_cut_short_while_it_is_moved_can_be_repeated(
    cli, acorn, pruned, monkeypatch, moved: int
) -> None:
    left = moved

    def put(temporary: Path, path: Path) -> None:
        nonlocal left
        if left:
            left -= 1
            put_in_place(temporary, path)
        if not left:
            raise RuntimeError("cut short")

    with monkeypatch.context() as patch:
        patch.setattr("stamp_tf.export.run_exporter.put_in_place", put)
        assert cli("export", pruned, "--format", "pair").exit_code != 0
    assert (pruned / "pair.graph").exists() == (moved > 0)
    cli.done("export", pruned, "--format", "pair")
    assert json.loads((pruned / "exports.json").read_text())["files"] == ["pair.data", "pair.graph"]


@pytest.mark.parametrize("name", ["pair.data", "pair.graph"])
def test_what_lies_where_an_exporter_writes_stays(cli, acorn, pruned, name: str) -> None:
    (pruned / name).write_text("mine")
    assert f"{pruned / name} holds something else" in cli.refused("export", pruned, "--format", "pair")
    assert (pruned / name).read_text() == "mine"
    assert {path.name for path in pruned.glob("pair.*")} == {name}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("leaves", "must not fail, but raised SystemExit: 0"),
        ("nothing", "must return a stamp_tf.data.DataSet, but returned None"),
        ("fails", "must not fail, but raised KeyError: 13"),
    ],
)
def test_a_data_set(cli, acorn, tmp_path, name: str, rule: str) -> None:
    run = tmp_path / "run"
    line = cli.refused("pretrain", "--backbone", "toy", "--dataset", f"{name}:x", "--run-dir", run)
    assert f"The data set {name!r} of package acorn {rule}" in line
    assert not run.exists()


@pytest.mark.parametrize(
    ("name", "rule"), [("leaves", "must not fail"), ("nothing", "must return a keras.Model")]
)
def test_a_backbone(cli, acorn, tmp_path, images, name: str, rule: str) -> None:
    run = tmp_path / "run"
    arguments = ("--image-size", "16", "--dataset", images, "--run-dir", run)
    assert f"The backbone {name!r} of package acorn {rule}" in cli.refused(
        "pretrain", "--backbone", name, *arguments
    )
    assert not run.exists()


def test_an_exit_from_anywhere_is_no_success(cli, pruned, monkeypatch) -> None:
    def leave(*arguments: object, **options: object) -> None:
        raise SystemExit(0)

    monkeypatch.setattr("stamp_tf.pruned_runs.pruned_run.load_run", leave)
    line = cli.refused("export", pruned)
    assert line.startswith("A command must end by itself, but ")
    assert "test_broken_plugins.py, line " in line


def test_verbose_shows_the_author_where(cli, acorn, tmp_path) -> None:
    result = cli(
        "pretrain", "--backbone", "toy", "--dataset", "fails:x", "--run-dir", tmp_path / "run", "--verbose"
    )
    assert result.exit_code == 2
    assert "in fails" in result.stderr
    assert "Traceback" not in cli.refused(
        "pretrain", "--backbone", "toy", "--dataset", "fails:x", "--run-dir", tmp_path / "run"
    )


def test_plugins_lists_all_of_them(cli, acorn, make_plugin) -> None:
    make_plugin("oak", {"stamp_tf.pruners": ["gone = oak:Gone"]}, "import sys; sys.exit(0)")
    shown = cli.done("plugins").stdout
    assert "The pruner 'gone' of package oak must import, but oak:Gone raised SystemExit: 0" in shown


def test_a_run_with_weights_that_are_not_finite_is_refused(cli, pruned) -> None:
    """What somebody else wrote into a run's network is looked at before it is used."""
    from stamp_tf.export.keras_file import export_keras
    from stamp_tf.pruned_runs.pruned_run import load_run

    run = load_run(pruned)
    kernel = np.array(run.network.get_layer("conv1").kernel)
    kernel.flat[:2] = np.nan
    run.network.get_layer("conv1").kernel.assign(kernel)
    export_keras(run.network, run.run.model, class_names=run.class_names, normalization=run.normalization)
    assert "conv1/kernel holds 2 of" in cli.refused("evaluate", pruned)
