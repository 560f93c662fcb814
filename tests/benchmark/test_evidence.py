"""The frozen experiments: what is missing is skipped, what is there is run, and the page shows what was recorded."""

import tomllib
from pathlib import Path

import pytest

from library.results import Results, read_results

FOLDER = Path(__file__).parents[2] / "benchmarks" / "evidence"


@pytest.fixture
def cases():
    return tomllib.loads((FOLDER / "cases.toml").read_text())


def test_every_experiment_names_a_program(cases):
    assert not [
        name for name, case in cases.items() if not (FOLDER.parent / f"{case['program']}.py").exists()
    ]


def test_placeholders_are_filled_in(program, cases):
    given = dict.fromkeys(program("evidence/run").PLACEHOLDERS, "npz:images.npz")
    for name, case in cases.items():
        if "at" in case:
            continue
        call = program("evidence/run").command(case, given, results=Path("there.jsonl"))
        assert call[-2:] == ["--results", "there.jsonl"]
        assert not [argument for argument in call if "{" in argument], name


def test_an_experiment_without_its_data_set_is_skipped(program, tmp_path, capfd):
    options = ["--cifar10", "npz:images.npz", "--only", "ablations", "--results", str(tmp_path)]
    assert program("evidence/run").main(options) == 0
    assert capfd.readouterr().out == "ablations: skipped, give --gtsrb and --cifar100\n"
    assert not list(tmp_path.iterdir())


def test_an_experiment_that_an_earlier_commit_repeats_is_skipped_and_still_shown(
    program, cases, tmp_path, capfd
):
    options = ["--cifar10", "npz:images.npz", "--only", "suite_final", "--results", str(tmp_path)]
    assert program("evidence/run").main(options) == 0
    assert capfd.readouterr().out == "suite_final: skipped, commit 0fd8902 can repeat it\n"
    assert not list(tmp_path.iterdir())
    page = (FOLDER / "README.md").read_text()
    retired = [case["title"] for case in cases.values() if "at" in case]
    assert len(retired) == 4
    for title in retired:
        assert f"# {title}\n" in page


def test_an_unknown_experiment_is_refused(program, capsys):
    with pytest.raises(SystemExit):
        program("evidence/run").main(["--only", "suite"])
    assert "--only must be of suite_development, suite_final," in capsys.readouterr().err


def test_programs_run_and_a_failure_is_told(program, tmp_path, capfd):
    cases = tmp_path / "cases.toml"
    cases.write_text(
        '[wrong]\ntitle = "Wrong"\nprogram = "help_time"\narguments = ["--repeat-s", "1"]\n'
        '[help]\ntitle = "Help"\nprogram = "help_time"\narguments = ["--repeats", "1"]\n'
    )
    assert program("evidence/run").main(["--cases", str(cases), "--results", str(tmp_path)]) == 1
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["help.jsonl"]
    assert len(read_results(tmp_path / "help.jsonl")) == 1
    assert capfd.readouterr().out.endswith("failed: wrong\n")


def test_the_page_shows_what_was_recorded(program, tmp_path):
    case = {"dataset": "cifar10", "train_size": 200, "epochs": 1, "backbone": "toy", "seed": 0}
    case |= {"method": "stamp", "max_flops": 0.25, "reference": "abcd1234", "test_size": None}
    figures = {"accuracy_without_steps": 0.5, "accuracy": 0.6, "flops_fraction": 0.2}
    figures |= {"seconds": {"head": 2.0, "finetune": 8.0}, "epochs": [{"epoch": 1, "test_accuracy": 0.6}]}
    results = Results(
        tmp_path / "results" / "sources_1000.jsonl", program="pruning_cost", arguments=["--curve"]
    )
    results.add(case, figures, seed=0)
    page = tmp_path / "README.md"
    program("evidence/render").main(["--results", str(tmp_path / "results"), "--output", str(page)])
    text = page.read_text()
    assert "## Where the gain comes from: 1,000 images\n" in text
    assert "| 0.25 | STAMP K=0 | 50.0 | 60.0 | 2.0 | 10.0 | 1 |" in text
    assert "    python benchmarks/pruning_cost.py --curve\n" in text
    assert "(plots/sources_1000.png)" in text
    assert (tmp_path / "plots" / "sources_1000.png").stat().st_size > 0
    assert "- Accuracy over time: as many epochs (`time_curves`)" in text
