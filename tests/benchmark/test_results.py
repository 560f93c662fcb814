import json

import pytest

from library.results import Results, read_results, without_folders


def results(path, *arguments):
    return Results(path, program="toy", arguments=arguments)


def test_a_case_is_found_by_the_next_start(tmp_path):
    path = tmp_path / "new" / "toy.jsonl"
    results(path).add({"width": 0.25, "seed": 1}, {"accuracy": 0.5}, seed=1)
    assert results(path).figures({"seed": 1, "width": 0.25}) == {"accuracy": 0.5}
    assert results(path).figures({"seed": 2, "width": 0.25}) is None


def test_a_record_says_how_it_came_about(tmp_path):
    results(tmp_path / "toy.jsonl", "--seeds", "0").add({"seed": 0}, {}, seed=0)
    (record,) = read_results(tmp_path / "toy.jsonl")
    assert record["command"] == "python benchmarks/toy.py --seeds 0"
    assert {"processor", "cores", "threads"} <= set(record["hardware"])
    assert {"stamp-tf", "python", "tensorflow", "keras", "numpy"} == set(record["versions"])
    assert {"program", "case", "figures", "seed", "date", "code"} <= set(record)


def test_a_torn_last_line_is_dropped(tmp_path):
    path = tmp_path / "toy.jsonl"
    results(path).add({"seed": 0}, {}, seed=0)
    path.write_text(path.read_text() + json.dumps({"case": {"seed": 1}})[:-3])
    assert len(read_results(path)) == 1
    results(path).add({"seed": 2}, {}, seed=2)
    assert [record["case"]["seed"] for record in read_results(path)] == [0, 2]


@pytest.mark.parametrize(
    ("argument", "recorded"),
    [
        ("npz:/home/me/data/cifar10.npz", "npz:data/cifar10.npz"),
        ("--from=/runs/meta/reference.npz", "--from=meta/reference.npz"),
        ("~/data/images.npz", "data/images.npz"),
        ("../runs/runs/reference/reference.npz", "reference/reference.npz"),
        ("npz:../../data/images.npz", "npz:data/images.npz"),
        ("python suite.py --from ../a/b/c.npz --seeds 0", "python suite.py --from b/c.npz --seeds 0"),
        ("runs/../runs/x/reference.npz", "runs/../runs/x/reference.npz"),
        ("npz:data/cifar10.npz", "npz:data/cifar10.npz"),
        ("0.25", "0.25"),
    ],
)
def test_folders_of_the_machine_are_not_recorded(argument, recorded):
    assert without_folders(argument) == recorded
