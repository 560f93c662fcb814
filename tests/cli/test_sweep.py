"""`stamp-tf prune` with several budgets or methods: a network each, one table, one page."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

AT_ONCE = ("--finetune-epochs", 0, "--no-speed", "--export", "keras")


def read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def swept(cli, toy_on_path, tmp_path_factory, images, pretrained) -> tuple[Path, str]:
    """A sweep and what was printed; not to be changed."""
    path = tmp_path_factory.mktemp("sweep") / "all"
    options = ("--max-flops", "0.6, 0.4", "--keep-params", "0.9,0.45", "--method", "l1", "--run-dir", path)
    result = cli.done("prune", "--dataset", images, "--from", pretrained, *options, *AT_ONCE)
    return path, result.stdout


NAMES = [f"params-{params}-flops-{flops}" for params in (0.9, 0.45) for flops in (0.6, 0.4)]


def test_every_network_is_in_the_table_and_in_its_folder(swept):
    path, printed = swept
    rows = printed.splitlines()[2:7]
    assert rows[0].startswith("full network ")
    for name, row in zip(NAMES, rows[1:], strict=True):
        report = read(path / name / "report.json")
        assert row.split()[0] == name
        assert float(row.split()[1]) == pytest.approx(100 * report["test_accuracy"], abs=0.05)
        assert report["flops_fraction"] <= float(name.rpartition("-")[2])
    assert f"Report       {path / 'report.html'}" in printed


def test_each_network_keeps_the_options_that_make_it_again(cli, toy, swept, images, pretrained):
    options = yaml.safe_load((swept[0] / NAMES[1] / "options.yaml").read_text())
    assert (options["keep-params"], options["max-flops"], options["method"]) == ("0.9", "0.4", "l1")
    arguments = ("--config", swept[0] / NAMES[1] / "options.yaml", "--run-dir", swept[0] / NAMES[1])
    result = cli.done("prune", *arguments, "--resume")
    assert "is finished; nothing was changed" in result.stdout


def test_card_of_each_network_says_what_makes_it_alone(cli, toy, swept, tmp_path):
    card = (swept[0] / NAMES[1] / "README.md").read_text()
    (line,) = [line for line in card.splitlines() if line.startswith("stamp-tf ")]
    assert "--keep-params 0.9 --max-flops 0.4 " in line
    assert line.endswith(f" --run-dir {swept[0] / NAMES[1]}")
    cli.done(*shlex.split(line)[1:], "--run-dir", tmp_path / "alone")
    assert read(tmp_path / "alone/masks.json") == read(swept[0] / NAMES[1] / "masks.json")


def test_each_method_gets_the_options_that_it_takes(cli, toy, tmp_path, images, pretrained):
    options = (
        "--method",
        "ifp,l1",
        "--method-option",
        "rounds=1",
        "--max-flops",
        0.5,
        "--run-dir",
        tmp_path / "all",
    )
    cli.done("prune", "--dataset", images, "--from", pretrained, *options, *AT_ONCE)
    assert read(tmp_path / "all/ifp/config.json")["options"] == {"rounds": 1}
    assert read(tmp_path / "all/l1/config.json")["options"] == {}
    assert "method-option" not in yaml.safe_load((tmp_path / "all/l1/options.yaml").read_text())
    assert "--method l1" in (tmp_path / "all/l1/README.md").read_text()


def test_a_file_of_options_may_hold_lists(cli, toy, swept, tmp_path):
    options = (swept[0] / "options.yaml").read_text()
    assert yaml.safe_load(options)["max-flops"] == ["0.6", "0.4"]
    shorter = tmp_path / "run.yaml"
    shorter.write_text(options.replace("- '0.6'\n", "").replace("- '0.9'\n", "- 0.9\n"))
    cli.done("prune", "--config", shorter, "--run-dir", tmp_path / "again")
    assert read(tmp_path / "again/config.json")["sweep"]["runs"] == ["params-0.9", "params-0.45"]
    masks = "masks.json"
    assert read(tmp_path / "again/params-0.45" / masks) == read(swept[0] / NAMES[3] / masks)


def test_finished_sweep_says_so(cli, toy, swept):
    path, printed = swept
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
    result = cli.done("prune", "--config", path / "options.yaml", "--run-dir", path, "--resume")
    assert result.stdout.startswith(f"{path} is finished; nothing was changed.")
    assert result.stdout.endswith(printed)
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()} == before


def test_one_run_is_not_the_sweep(cli, toy, swept):
    message = cli.refused(
        *("prune", "--config", swept[0] / "options.yaml", "--max-flops", 0.4, "--keep-params", 0.9),
        *("--run-dir", swept[0], "--resume"),
    )
    assert "--max-flops was [0.6, 0.4] and is 0.4" in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-flops", "0.5,"), "'0.5,' must hold a value before and after each comma"),
        (("--max-flops", "0.5,x"), "'x' must be a fraction"),
        (("--max-flops", "0.5,0.5"), "flops-0.5 comes twice; leave one out"),
        (("--max-flops", "0.5,0.00001"), "--max-flops must allow the smallest reachable network"),
        (
            ("--max-flops", "0.5,0.25", "--within", "1%"),
            "--within finds the budget itself, but got --max-flops",
        ),
        (("--max-flops", "0.5", "--method", "l1,none"), "none"),
        (("--max-flops", "0.5", "--method", "ifp,l1", "--method-option", "rows=1"), "but got rows"),
        (("--max-latency", "12ms,3"), "'3' must be a time"),
    ],
)
def test_wrong_lists_are_refused_in_one_line(cli, toy, tmp_path, images, pretrained, options, words):
    path = tmp_path / "all"
    message = cli.refused("prune", "--dataset", images, "--from", pretrained, *options, "--run-dir", path)
    assert words in message
    assert not path.exists()


def test_shrink_takes_one_budget(cli, tmp_path):
    arguments = ("--inputs", "npz:a.npz", "--out", tmp_path / "small.keras", "--max-flops", "0.5,0.25")
    message = cli.refused("shrink", "model.keras", *arguments)
    assert "'0.5,0.25' must be a fraction" in message
