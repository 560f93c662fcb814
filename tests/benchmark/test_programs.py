"""Each program at toy scale: it measures, records, skips what is there, and its records can be rendered."""

import numpy as np
import pytest

from library.results import read_results


def run_twice(module, arguments, path):
    """Run a program two times; return its records and check that the second run adds none."""
    arguments = [*arguments, "--results", str(path)]
    module.main(arguments)
    records = read_results(path)
    module.main(arguments)
    assert read_results(path) == records
    return records


def test_pruning_cost(program, toy_reference, toy_images, tmp_path):
    arguments = ["--cifar10", toy_images, "--backbone", "toy", "--from", str(toy_reference), "--seeds", "3"]
    arguments += ["--sizes", "60", "--budgets", "0.5", "--epochs", "1"]
    records = run_twice(program("pruning_cost"), arguments, tmp_path / "pruning_cost.jsonl")
    assert [record["case"]["method"] for record in records] == list(program("pruning_cost").METHODS)
    figures = records[0]["figures"]
    assert figures["flops_fraction"] <= 0.5
    assert set(figures["seconds"]) == {"propose", "slice", "statistics", "head", "finetune"}
    assert [epoch["epoch"] for epoch in figures["epochs"]] == [0, 1]
    assert str(tmp_path) not in (tmp_path / "pruning_cost.jsonl").read_text()
    assert "STAMP minus another" in program("render").page(tmp_path)


@pytest.fixture
def toy_plain(toy_reference, tmp_path):
    """File of another reference of the toy backbone, without scores."""
    import dataclasses

    from stamp_tf.references.reference_file import load_reference, save_reference

    path = tmp_path / "toy" / "plain.npz"
    save_reference(dataclasses.replace(load_reference(toy_reference), scores=None), path)
    return path


def test_pruning_cost_from_both_references(program, toy_reference, toy_plain, toy_images, tmp_path):
    arguments = ["--cifar10", toy_images, "--gtsrb", toy_images, "--backbone", "toy", "--seeds", "0"]
    arguments += ["--from", str(toy_reference), "--plain-reference", str(toy_plain), "--both-references"]
    arguments += ["--methods", "stamp,l1", "--sizes", "61,5000", "--budgets", "0.5", "--epochs", "0"]
    records = run_twice(program("pruning_cost"), arguments, tmp_path / "pruning_cost.jsonl")
    cases = [record["case"] for record in records]
    # 20 images of each of 3 classes, then all there are.
    assert [(c["dataset"], c["train_size"], c["method"]) for c in cases[::3]] == [
        ("cifar10", 60, "stamp"),
        ("gtsrb", 60, "stamp"),
        ("cifar10", 90, "stamp"),
        ("gtsrb", 90, "stamp"),
    ]
    own, bare = cases[0]["reference"], cases[2]["reference"]
    assert own != bare
    assert [c["reference"] for c in cases] == [own, own, bare] * 4


@pytest.mark.slow
def test_pruning_cost_by_other_orders(program, toy_reference, toy_images, tmp_path):
    from stamp_tf.references.reference_file import load_reference, save_reference

    reference = load_reference(toy_reference)
    path = tmp_path / "generator.npz"
    with_generator = reference.with_new_layers(set_encoder=("deep-sets", {}), mask_generator=("score", {}))
    save_reference(with_generator, path)
    arguments = ["--cifar10", toy_images, "--backbone", "toy", "--seeds", "0"]
    arguments += ["--from", str(path), "--methods", "stamp,static,static-uniform,stamp-k1"]
    arguments += ["--sizes", "60", "--budgets", "0.5", "--epochs", "1"]
    records = run_twice(program("pruning_cost"), arguments, tmp_path / "pruning_cost.jsonl")
    figures = {record["case"]["method"]: record["figures"] for record in records}
    assert list(figures) == ["stamp", "static", "static-uniform", "stamp-k1"]
    assert len({record["case"]["reference"] for record in records}) == 1


def test_one_epoch_of_steps_needs_a_mask_generator(program, toy_reference, toy_images, capsys):
    arguments = ["--cifar10", toy_images, "--backbone", "toy", "--from", str(toy_reference)]
    with pytest.raises(SystemExit):
        program("pruning_cost").main([*arguments, "--methods", "stamp-k1"])
    assert "--methods stamp-k1 needs a meta-trained reference" in capsys.readouterr().err


def test_uniform_widths_keep_the_order_within_a_layer(toy_reference):
    from library.simpler_references import uniform_reference
    from stamp_tf.channels import Budget
    from stamp_tf.references.reference_file import load_reference

    reference = load_reference(toy_reference)
    mask = reference.cut.meet(uniform_reference(reference).scores, Budget(max_flops=0.4))
    kept = [mask[group.slice] for group in reference.channel_map.groups]
    assert max(part.sum() for part in kept) - min(part.sum() for part in kept) <= 1
    for group, part in zip(reference.channel_map.groups, kept, strict=True):
        scores = reference.scores[group.slice]
        assert scores[part > 0].min() > scores[part == 0].max()


def test_stamp_and_the_full_network_run_next_to_each_other(program):
    cases = program("pruning_cost").cases_of([0, 1], [1000, 10000], [0.25, 0.1], ["stamp", "full", "l1"])
    runs = [(c["seed"], c["train_size"], c["method"], c["max_flops"]) for c in cases]
    assert runs[:3] == [(0, 1000, "stamp", 0.25), (0, 1000, "full", 1.0), (0, 1000, "stamp", 0.1)]
    assert [run[:2] for run in runs[::5]] == [(0, 1000), (0, 10000), (1, 1000), (1, 10000)]


def test_pruning_as_a_whole_gives_the_same_network(toy_reference, toy_images):
    from library.measured_pruning import measure
    from stamp_tf.data import load_dataset
    from stamp_tf.options.finetune import FinetuneConfig
    from stamp_tf.pruning.prune import prune
    from stamp_tf.references.reference_file import load_reference

    reference, dataset = load_reference(toy_reference), load_dataset(toy_images)
    rate = FinetuneConfig().peak_rate
    case = {"method": "stamp", "max_flops": 0.5, "seed": 3, "learning_rate": rate, "head": "logistic"}
    figures = measure(case, reference, dataset, epochs=2)
    result = prune(
        dataset,
        reference,
        max_flops=0.5,
        seed=3,
        finetune=FinetuneConfig(epochs=2, learning_rate=case["learning_rate"]),
    )
    assert figures["accuracy"] == result.test_accuracy
    assert figures["accuracy_without_steps"] == result.records[0].test_accuracy


@pytest.mark.slow
def test_meta_step(program, toy_backbone, tmp_path, eagerly):
    arguments = ["--backbone", toy_backbone, "--width", "1", "--ways", "2", "--batch-size", "4"]
    arguments += ["--batches", "2", "--alternations", "2"]
    (record,) = run_twice(program("meta_step"), arguments, tmp_path / "meta_step.jsonl")
    assert record["figures"]["ratio_plain"] == 1.0
    assert len(record["figures"]["seconds"]["masked"]) == 2
    assert "| toy | 1 |" in program("render").page(tmp_path)


@pytest.mark.slow
def test_training_step(program, toy_backbone, tmp_path):
    arguments = ["--networks", f"{toy_backbone}:1", "--batch-size", "4", "--alternations", "1"]
    records = run_twice(program("training_step"), arguments, tmp_path / "training_step.jsonl")
    assert [record["case"]["precision"] for record in records] == ["float32", "bfloat16"]
    assert all(record["figures"]["pair"] > 0 for record in records)
    assert "| toy | 1 | bfloat16 |" in program("render").page(tmp_path)


def test_variants_take_turns(program):
    calls = []
    variants = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = program("meta_step").take_turns(variants, alternations=2)
    assert calls == ["a", "b", "a", "b", "b", "a"]
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_speed(program, toy_reference, tmp_path):
    arguments = ["--backbone", "toy", "--width", "2", "--from", str(toy_reference), "--batch-size", "4"]
    arguments += ["--repeats", "3", "--max-seconds", "0.1"]
    records = run_twice(program("speed"), arguments, tmp_path / "speed.jsonl")
    assert [(r["case"]["widths"], r["case"]["max_flops"]) for r in records] == [
        ("uniform", 0.25),
        ("uniform", 0.1),
        ("reference", 0.25),
        ("reference", 0.1),
    ]
    assert all(r["figures"]["flops_fraction"] <= r["case"]["max_flops"] for r in records)
    assert "training, batch 4" in program("render").page(tmp_path)


def test_stretched_scores_keep_fractions(program):
    scores = program("speed").stretched(np.array([3.0, -1.0, 1.0, -3.0, 9.0]), [4, 1], [16, 2])
    assert [(scores[:16] > 0).sum(), (scores[:16] > 2).sum(), (scores[16:] == 9).sum()] == [8, 4, 2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exactness(program, toy_backbone, tmp_path, set_precision, dtype):
    arguments = [
        "--backbones",
        toy_backbone,
        "--width",
        "2",
        "--draws",
        "12",
        "--masks",
        "1",
        "--sliced",
        "3",
    ]
    try:
        records = run_twice(
            program("exactness"), [*arguments, "--dtype", dtype], tmp_path / "exactness.jsonl"
        )
    finally:
        set_precision("float32")
    assert records[0]["figures"]["max_difference_moving_statistics"] < 1e-5
    assert len(records) == (2 if dtype == "float32" else 1)
    for name in ("above_budget", "next_channel_fits", "emptied_layers", "miscounted"):
        assert all(record["figures"].get(name, 0) == 0 for record in records)
    assert "Masked is sliced" in program("render").page(tmp_path)


def test_masks_iou(program, toy_reference, toy_images, tmp_path, monkeypatch):
    module = program("masks_iou")
    monkeypatch.setattr(module, "BUDGETS", (0.5, 0.25))
    arguments = ["--cifar10", toy_images, "--gtsrb", toy_images, "--backbone", "toy"]
    records = run_twice(module, [*arguments, "--from", str(toy_reference)], tmp_path / "masks_iou.jsonl")
    # Without a generator every set gets the learnt scores.
    assert [record["figures"]["iou"] for record in records] == [1.0] * 10
    assert "| cifar10, sample 0 / gtsrb, sample 0 | 1.000 | 1.000 |" in program("render").page(tmp_path)


def test_help_time(program, tmp_path):
    (record,) = run_twice(program("help_time"), ["--repeats", "2"], tmp_path / "help_time.jsonl")
    assert len(record["figures"]["seconds"]) == 2
    assert "0.3 s" in program("render").page(tmp_path)


def test_suite(program, toy_reference, toy_images, tmp_path, monkeypatch):
    from library import target_tasks as suite
    from library.suite_tables import suite_tables

    rows = tuple(suite.SuiteRow(source=source, ways=2, train_size=20) for source in ("cifar10", "gtsrb"))
    monkeypatch.setitem(suite.SUITES, "development", rows)
    arguments = [
        "--cifar10",
        toy_images,
        "--gtsrb",
        toy_images,
        "--backbone",
        "toy",
        "--from",
        str(toy_reference),
    ]
    records = run_twice(program("suite"), [*arguments, "--budgets", "0.5"], tmp_path / "suite.jsonl")
    assert len(records) == 4 * len(program("suite").METHODS)
    # A reference that was never meta-trained answers with its learnt order whatever the set.
    by_task = {}
    for record in records:
        by_task.setdefault(record["case"]["task"], set()).add(record["figures"]["accuracy"])
    assert all(len(accuracies) == 1 for accuracies in by_task.values())
    assert "| 2 to 5 | all | 0.5 | 4 |" in suite_tables(records)


def test_suite_of_networks_that_are_refitted_and_trained(
    program, toy_reference, toy_images, tmp_path, monkeypatch
):
    from library import target_tasks as suite
    from library.suite_tables import suite_tables

    row = suite.SuiteRow(source="cifar10", ways=2, train_size=20)
    monkeypatch.setitem(suite.SUITES, "development", (row,))
    arguments = (
        f"--cifar10 {toy_images} --backbone toy --from {toy_reference} --budgets 0.5 --few --per-row 1"
    )
    chosen = "--methods static,own,l1 --refit --epochs 1"
    records = run_twice(program("suite"), [*arguments.split(), *chosen.split()], tmp_path / "suite.jsonl")
    assert [record["case"]["method"] for record in records] == ["static", "own", "l1"]
    assert all(record["case"]["refit"] and record["case"]["epochs"] == 1 for record in records)
    assert "refitted, 1 epochs" in suite_tables(records)


def test_masks_are_swapped_with_the_same_source_and_another(program, toy_images):
    from library.target_tasks import SuiteRow, TargetTask

    rows = [("a", 2, (0, 1)), ("a", 2, (0, 1)), ("a", 3, (0, 1, 2)), ("a", 2, (2, 3)), ("b", 2, (0, 1))]
    tasks = [
        TargetTask(
            name="",
            row=SuiteRow(source=source, ways=ways, train_size=20),
            index=0,
            classes=classes,
            dataset=None,
        )
        for source, ways, classes in rows
    ]
    assert program("suite").donors(0, tasks) == [3, 4]
    assert program("suite").donors(4, tasks) == [0]


def test_widths_are_kept_while_channels_change(program):
    from stamp_tf.channel_mask import ChannelMask
    from stamp_tf.channels.groups import ChannelGroup

    groups = [
        ChannelGroup(name="a", start=0, size=3, producers=("a",)),
        ChannelGroup(name="b", start=3, size=3, producers=("b",)),
    ]
    mask = ChannelMask(np.array([1, 1, 0, 0, 0, 1.0]))
    chosen = program("suite").in_widths(np.array([1, 2, 3, 3, 2, 1.0]), mask, groups)
    np.testing.assert_array_equal(chosen, [0, 1, 1, 1, 0, 0])
