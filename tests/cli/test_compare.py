"""`stamp-tf compare`: shared channels at once, swapped masks on request."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stamp_tf
from stamp_tf.references.reference_file import load_reference, save_reference

AT_ONCE = ("--finetune-epochs", 0, "--no-speed", "--export", "keras")


def read(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def runs_once(cli, toy_on_path, images, pretrained, tmp_path_factory) -> Path:
    """A folder with the runs `half` and `quarter`: other images of five classes, at other budgets, one refitted."""
    folder = tmp_path_factory.mktemp("compared")
    path = Path(images.removeprefix("npz:"))
    with np.load(path) as file:
        darker = {name: file[name] // 2 if name.startswith("x") else file[name] for name in file.files}
    np.savez(folder / "darker.npz", **darker)
    for name, dataset, method, budget, refit in (
        ("half", images, "stamp", 0.5, "--no-refit"),
        ("quarter", f"npz:{folder}/darker.npz", "l1", 0.25, "--refit"),
    ):
        options = ("--from", pretrained, "--method", method, "--max-flops", budget, refit, *AT_ONCE)
        cli.done("prune", "--dataset", dataset, *options, "--run-dir", folder / name)
    return folder


@pytest.fixture
def runs(toy, tmp_path, runs_once) -> tuple[Path, Path]:
    """The two runs, of the test's own."""
    return tuple(shutil.copytree(runs_once / name, tmp_path / name) for name in ("half", "quarter"))


def test_shared_channels_are_those_of_the_masks(cli, runs):
    lines = cli.done("compare", *runs).stdout.splitlines()
    first, second = (read(run / "masks.json") for run in runs)
    for name, size in first["sizes"].items():
        kept = [set(masks["kept"][name]) for masks in (first, second)]
        iou = len(kept[0] & kept[1]) / len(kept[0] | kept[1])
        cells = next(line for line in lines if line.startswith(name)).split()
        assert cells[1:4] == [str(size), str(len(kept[0])), str(len(kept[1]))]
        assert float(cells[4]) == pytest.approx(iou, abs=0.01)
    assert lines[-1].startswith("All")


def test_masks_alone_need_nothing_heavy(runs):
    code = (
        "import sys\n"
        "from stamp_cli.main import stamp_tf\n"
        "try:\n"
        f"    stamp_tf.main(['compare', {str(runs[0])!r}, {str(runs[1])!r}])\n"
        "finally:\n"
        "    heavy = {'tensorflow', 'keras', 'numpy', 'jinja2'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "All" in done.stdout


def test_own_masks_give_what_pruning_gave_and_others_cost_what_they_cost(cli, runs, tmp_path):
    text = cli.done("compare", *runs, "--swap", "--output", tmp_path / "out").stdout
    content = read(tmp_path / "out/compare.json")
    swaps = {(swap["masks_of"], swap["dataset_of"]): swap for swap in content["swaps"]}
    reports = {run.name: read(run / "report.json") for run in runs}
    assert set(swaps) == {(masks, data) for masks in reports for data in reports}
    for (masks, data), swap in swaps.items():
        assert swap["flops_fraction"] == pytest.approx(reports[masks]["flops_fraction"])
        own = reports[data]["test_accuracy"]
        assert swap["cost"] == pytest.approx(own - swap["test_accuracy"])
        if masks == data:
            assert swap["test_accuracy"] == own
    assert "Masks of quarter" in text
    assert str(tmp_path / "out/compare.html") in text
    assert 'id="swaps"' in (tmp_path / "out/compare.html").read_text()


def test_python_gives_the_same_as_the_command(cli, runs, tmp_path, pretrained):
    cli.done("compare", *runs, "--swap", "--output", tmp_path / "out")
    reference = load_reference(pretrained / "reference.npz")
    comparison = stamp_tf.compare(runs, swap=True, reference=reference)
    assert comparison.to_json()["swaps"] == read(tmp_path / "out/compare.json")["swaps"]


def test_masks_of_two_numbers_of_classes_swap(cli, runs, make_images, pretrained, tmp_path):
    few = ("--dataset", f"npz:{make_images('few.npz', num_classes=3)}", "--max-flops", 0.3)
    cli.done("prune", *few, "--from", pretrained, *AT_ONCE, "--run-dir", tmp_path / "few")
    comparison = stamp_tf.compare([runs[0], tmp_path / "few"], swap=True)
    own = comparison.swap("few", "few")
    assert own.test_accuracy == read(tmp_path / "few/report.json")["test_accuracy"]
    assert (own.test_images, comparison.swap("few", "half").test_images) == (24, 40)


def test_more_than_three_runs_show_the_matrix(cli, runs, tmp_path):
    more = [shutil.copytree(runs[0], tmp_path / name) for name in ("again", "once-more")]
    text = cli.done("compare", *runs, *more).stdout
    lines = text[text.index("IoU of all layers together") :].splitlines()
    again = next(line for line in lines if line.startswith("again"))
    assert again.split()[1] == "1.00"
    assert "conv1" not in text


def test_other_references_are_a_warning(cli, runs):
    masks = read(runs[1] / "masks.json")
    (runs[1] / "masks.json").write_text(json.dumps(masks | {"reference": "ffffffff"}))
    result = cli.done("compare", *runs)
    assert result.stderr.count("\n") == 1
    assert "Warning: The runs are cut from different references" in result.stderr


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_runs_are_refused(cli, runs, count):
    assert "RUN must be given at least twice" in cli.refused("compare", *runs[:count])


def test_the_same_run_twice_is_refused(cli, runs):
    assert "are the same; leave one out" in cli.refused("compare", runs[0], runs[0] / ".")


def test_a_folder_that_is_no_pruned_run_is_refused(cli, runs, tmp_path, pretrained):
    (tmp_path / "empty").mkdir()
    assert "but it has no config.json" in cli.refused("compare", runs[0], tmp_path / "empty")
    assert "must hold a pruned network" in cli.refused("compare", runs[0], pretrained)


def test_another_backbone_is_refused_by_name(cli, runs):
    masks = read(runs[1] / "masks.json")
    masks["backbone"]["name"] = "oak"
    (runs[1] / "masks.json").write_text(json.dumps(masks))
    message = cli.refused("compare", *runs)
    assert "must be of the same backbone" in message
    assert "half is of toy (" in message
    assert "quarter of oak (" in message


def test_a_data_set_that_is_gone_is_refused(cli, runs):
    config = read(runs[1] / "config.json")
    (runs[1] / "config.json").write_text(json.dumps(config | {"dataset": "npz:gone.npz"}))
    message = cli.refused("compare", *runs, "--swap")
    assert "--swap needs the data set of" in message
    assert "npz:gone.npz must be a file" in message
    assert cli.done("compare", *runs).exit_code == 0


def test_a_reference_that_is_gone_is_refused_and_can_be_named(cli, runs, pretrained):
    for run in runs:
        config = read(run / "config.json")
        (run / "config.json").write_text(json.dumps(config | {"from": "gone"}))
    message = cli.refused("compare", *runs, "--swap")
    assert "--swap needs the reference of" in message
    assert "name it with --from" in message
    assert "Masks of half" in cli.done("compare", *runs, "--swap", "--from", pretrained).stdout


def test_a_reference_that_has_changed_since_is_refused(cli, runs, pretrained, tmp_path):
    reference = load_reference(pretrained / "reference.npz")
    other = dataclasses.replace(reference, scores=reference.scores + 1)
    save_reference(other, tmp_path / "other.npz")
    message = cli.refused("compare", *runs, "--swap", "--from", tmp_path / "other.npz")
    assert f"was cut from ({read(runs[0] / 'masks.json')['reference']}), but found another one" in message


def test_a_mask_of_single_weights_is_no_mask_to_swap(cli, runs):
    (runs[1] / "weight_mask.npz").touch()
    message = cli.refused("compare", *runs, "--swap")
    assert message.startswith("--swap measures masks of channels, but ")
    assert "has one of single weights; leave that run or --swap out." in message


def test_an_output_folder_in_use_needs_overwrite(cli, runs, tmp_path):
    cli.done("compare", *runs, "--output", tmp_path / "out")
    before = (tmp_path / "out/compare.json").read_bytes()
    assert "--output must be new or empty" in cli.refused("compare", *runs, "--output", tmp_path / "out")
    assert (tmp_path / "out/compare.json").read_bytes() == before
    cli.done("compare", *reversed(runs), "--output", tmp_path / "out", "--overwrite")
    assert [run["label"] for run in read(tmp_path / "out/compare.json")["runs"]] == ["quarter", "half"]
    message = cli.refused("compare", *runs, "--output", runs[0], "--overwrite")
    assert "only takes a folder that compare wrote" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--from", "x"), "--from needs --swap"), (("--overwrite",), "--overwrite needs --output")],
)
def test_options_that_would_do_nothing_are_refused(cli, runs, options, message):
    assert message in cli.refused("compare", *runs, *options)
