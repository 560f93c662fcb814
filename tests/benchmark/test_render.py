import re
from pathlib import Path

import pytest

from library.origin import command_today, made_with, with_footnote
from library.results import Results, read_results

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def records(tmp_path):
    results = Results(tmp_path / "pruning_cost.jsonl", program="pruning_cost", arguments=["--seeds", "0,1"])
    accuracies = {"full": 0.66, "stamp": 0.62, "random": 0.53}
    for seed in (0, 1):
        for method, accuracy in accuracies.items():
            case = {"dataset": "cifar10", "train_size": 1000, "epochs": 20, "backbone": "vgg19", "seed": seed}
            case |= {
                "method": method,
                "max_flops": 1.0 if method == "full" else 0.25,
                "reference": "abcd1234",
            }
            figures = {
                "accuracy_without_steps": accuracy - 0.1,
                "accuracy": accuracy + 0.02 * seed,
                "params_fraction": 0.3,
                "flops_fraction": 0.24,
                "seconds": {"statistics": 1.0, "head": 1.0, "finetune": 18.0 if method == "full" else 8.0},
            }
            results.add(case, figures, seed=seed)
    return tmp_path


def test_accuracy_is_a_mean_over_seeds(program, records):
    page = program("render").page(records)
    assert (
        "| 0.25 | STAMP (K = 0) | 52.0 ± 0.0 | 63.0 ± 1.4 | 30.0 | 24.0 | 2.0 ± 0.0 | 10.0 ± 0.0 | 2 |"
        in page
    )


def test_gains_are_paired_by_seed(program, records):
    page = program("render").page(records)
    assert "| 0.25 | random | +9.0 ± 0.0 | +8 | +9.0 ± 0.0 |  | 1.00 ± 0.00 |" in page
    assert "| 0.25 | full | -4.0 ± 0.0 |  | -4.0 ± 0.0 | -4 | 0.50 ± 0.00 (≤ 0.60) |" in page


def test_heads_are_paired_by_seed(program, tmp_path):
    results = Results(tmp_path / "heads.jsonl", program="pruning_cost", arguments=["--epochs", "0"])
    shared = {"dataset": "gtsrb", "train_size": 989, "backbone": "vgg19", "reference": "abcd1234"}
    for seed, ridge, logistic in ((0, 0.40, 0.44), (1, 0.42, 0.48), (2, 0.9, None)):
        case = shared | {"method": "stamp", "max_flops": 0.25, "seed": seed}
        results.add(case, {"accuracy": ridge}, seed=seed)
        if logistic is not None:
            results.add(case | {"head": "logistic"}, {"accuracy": logistic}, seed=seed)
    row = (
        "| vgg19 (abcd1234) | GTSRB, 989 | STAMP (K = 0) | 0.25 | 41.0 ± 1.4 | 46.0 ± 2.8 | +5.0 ± 1.4 | 2 |"
    )
    assert row in program("render").page(tmp_path)


def test_rates_stand_side_by_side(program, tmp_path):
    results = Results(tmp_path / "rates.jsonl", program="pruning_cost", arguments=["--learning-rate", "0.2"])
    case = {
        "dataset": "cifar10",
        "train_size": 1000,
        "epochs": 20,
        "backbone": "vgg19",
        "reference": "abcd1234",
    }
    case |= {"method": "full", "max_flops": 1.0, "seed": 0}
    for rate, accuracy in (({}, 0.6), ({"learning_rate": 0.2}, 0.7)):
        results.add(case | rate, {"accuracy": accuracy, "accuracy_without_steps": 0.5}, seed=0)
    page = program("render").page(tmp_path)
    assert "| no step | at 0.2 | at 0.05 | seeds |" in page
    assert "| CIFAR-10, 1,000, 20 epochs | full network | 1 | 50.0 | 70.0 | 60.0 | 1 |" in page


def test_command_stands_beside_the_table(program, records):
    assert "    python benchmarks/pruning_cost.py --seeds 0,1\n" in program("render").page(records)


def test_a_program_without_results_has_no_section(program, records):
    assert "The meta step" not in program("render").page(records)


def test_page_is_written_to_a_file(program, records):
    program("render").main(["--results", str(records), "--output", str(records / "page.md")])
    assert (records / "page.md").read_text().startswith("# Benchmarks\n")


def test_code_that_was_not_committed_is_explained(records):
    found = [*read_results(records / "pruning_cost.jsonl")]
    committed = [{**record, "code": {"commit": "abc1234", "modified": False}} for record in found]
    changed = [{**record, "code": {"commit": "abc1234", "modified": True}} for record in found]
    assert with_footnote(made_with(committed)).endswith("commit abc1234.")
    twice = with_footnote("\n".join([made_with(changed)] * 2))
    assert twice.count("commit abc1234†.") == 2
    assert twice.count("† Measured with changes that were not committed") == 1


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("--from stamp_tf/bundled/vgg19.npz", "--from stamp_tf/references/bundled/vgg19.npz"),
        ("--from references/vgg19-half.npz", "--from benchmarks/references/vgg19-half.npz"),
        ("--from benchmarks/references/vgg19-half.npz", "--from benchmarks/references/vgg19-half.npz"),
        ("--seeds 0 --results tmp/some.jsonl --sizes 5", "--seeds 0 --sizes 5"),
        *(
            (
                f"--results {folder}suite_final.jsonl",
                "--results benchmarks/evidence/results/suite_final.jsonl",
            )
            for folder in ("results/", "benchmarks/evidence/results/", "/home/me/results/")
        ),
    ],
)
def test_paths_of_commands_are_shown_where_they_lie_now(typed, shown):
    assert command_today(f"python benchmarks/some.py {typed}") == f"python benchmarks/some.py {shown}"


def test_pages_show_no_path_of_the_package_that_is_not_there():
    pages = "\n".join(page.read_text() for page in BENCHMARKS.rglob("README.md"))
    paths = set(re.findall(r"(?:(?<=\s)|(?<=`))stamp_tf/[\w/]+\.\w+", pages))
    paths |= set(re.findall(r"(?<=--results )\S+", pages))
    assert paths
    assert not [path for path in sorted(paths) if not (BENCHMARKS.parent / path).exists()]


def test_commands_of_the_pages_stay_within_the_repository():
    pages = [*BENCHMARKS.glob("*.md"), *BENCHMARKS.glob("*/*.md")]
    commands = [line for page in pages for line in page.read_text().splitlines() if line.startswith("    ")]
    assert len(commands) > 50
    assert not [command for command in commands if "../" in command or " /work" in command]
