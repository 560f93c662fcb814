"""Shared options arrive as one record each, checked before anything heavy is loaded."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from stamp_cli.errors import edge
from stamp_cli.options import (
    BackboneOptions,
    BudgetOptions,
    DatasetOptions,
    RunOptions,
    backbone_options,
    budget_options,
    dataset_options,
    run_options,
)
from stamp_tf.errors import StampError


def received(decorator, *arguments: str) -> object:
    """What a command gets for some arguments."""
    seen = []

    @click.command()
    @decorator
    def command(**values: object) -> None:
        seen.extend(values.values())

    with edge():
        command.main(list(arguments), standalone_mode=False)
    return seen[0]


def refused(decorator, *arguments: str) -> Result:
    """How a command fails for some arguments."""

    @click.command()
    @decorator
    def command(**values: object) -> None: ...

    result = CliRunner().invoke(command, list(arguments))
    assert result.exit_code == 2
    return result


def test_dataset_options():
    assert received(dataset_options(), "--dataset", "digits") == DatasetOptions("digits")
    folders = ["--data-dir", "d", "--download", "--skip-corrupt"]
    arguments = ["--dataset", "x", "--train-size", "10", "--no-flip", "--seed", "3", *folders]
    assert received(dataset_options(), *arguments) == DatasetOptions("x", Path("d"), True, 10, True, False, 3)


def test_dataset_may_have_a_default():
    assert received(dataset_options(default="cifar100")).dataset == "cifar100"
    assert received(dataset_options(required=False)).dataset is None


def test_dataset_is_required_without_a_default():
    assert "Missing option '--dataset'" in refused(dataset_options()).stderr


@pytest.mark.parametrize("arguments", [("--train-size", "0"), ("--seed", "-1")])
def test_counts_are_checked(arguments):
    assert "is not in the range" in refused(dataset_options(), "--dataset", "x", *arguments).stderr


def test_run_options():
    assert received(run_options(), "--run-dir", "runs/a") == RunOptions(Path("runs/a"))
    assert received(run_options(required=False), "--resume") == RunOptions(None, resume=True)
    assert "Missing option '--run-dir'" in refused(run_options()).stderr


def test_resume_and_overwrite_exclude_each_other():
    with pytest.raises(StampError, match="--resume and --overwrite must not be given together"):
        RunOptions(Path("a"), resume=True, overwrite=True)


def test_backbone_options():
    assert received(backbone_options()) == BackboneOptions()
    decorator = backbone_options(backbone="vgg19", width=0.25)
    assert received(decorator) == BackboneOptions("vgg19", 0.25)
    assert received(decorator, "--backbone", "resnet18", "--width", "1") == BackboneOptions("resnet18", 1.0)


def test_unknown_backbone_suggests_the_nearest():
    assert "Did you mean 'resnet18'?" in refused(backbone_options(), "--backbone", "resnet-18").stderr


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_width_must_be_a_positive_number(value):
    assert "Invalid value for '--width'" in refused(backbone_options(), "--width", value).stderr


def test_budget_options():
    assert received(budget_options()) == BudgetOptions()
    assert received(budget_options(), "--max-flops", "0.25", "--keep-params", "1") == BudgetOptions(
        keep_params=1.0, max_flops=0.25
    )


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("0.5", 0.5), ("1", 1.0), ("8MB", 8e6), ("1.5 kb", 1500.0), ("2MiB", 2 * 2**20), ("1e3B", 1000.0)],
)
def test_memory_is_a_fraction_or_a_size(typed: str, expected: float):
    assert received(budget_options(), "--max-memory", typed).max_memory == expected


@pytest.mark.parametrize(
    "value", ["0", "-1", "1.5", "8", "1B", "0MB", "8XB", "MB", "nan", "inf", "1e999MB", "1..2MB"]
)
def test_memory_that_is_neither_is_refused(value):
    message = refused(budget_options(), "--max-memory", value).stderr
    assert (
        f"{value!r} must be a fraction above 0 and at most 1, or a size with a unit, such as 8MB" in message
    )


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("12ms", 0.012), ("0.5s", 0.5), ("800us", 800e-6), ("800µs", 800e-6), ("2 S", 2.0)],
)
def test_latency_has_a_unit(typed: str, expected: float):
    assert received(budget_options(), "--max-latency", typed).max_latency == pytest.approx(expected)


@pytest.mark.parametrize("value", ["12", "0ms", "-1ms", "ms", "12 minutes", "nan", "infs"])
def test_latency_that_is_no_time_is_refused(value):
    message = refused(budget_options(), "--max-latency", value).stderr
    assert f"{value!r} must be a time above 0 with a unit, such as 12ms (us, ms, s)" in message


def test_rules_for_widths():
    options = ("--round-to", "8", "--min-channels", "4", "--keep", "stem*", "--keep", "head")
    budget = received(budget_options(), *options, "--latency-batch", "16")
    assert (budget.round_to, budget.min_channels, budget.latency_batch) == (8, 4, 16)
    assert budget.keep == ("stem*", "head")


@pytest.mark.parametrize("option", ["--round-to", "--min-channels", "--latency-batch"])
@pytest.mark.parametrize("value", ["0", "-8", "2.5"])
def test_counts_below_one_are_refused(option, value):
    assert f"Invalid value for '{option}'" in refused(budget_options(), option, value).stderr


@pytest.mark.parametrize("value", ["0", "-0.1", "1.5", "nan", "inf", "half"])
def test_budget_outside_its_range_is_refused(value):
    assert "Invalid value for '--max-flops'" in refused(budget_options(), "--max-flops", value).stderr


def test_help_lists_options_in_order_and_installed_names():
    @click.command()
    @dataset_options()
    @backbone_options()
    def command(**values: object) -> None: ...

    text = CliRunner().invoke(command, ["--help"]).stdout
    assert (
        text.index("--dataset") < text.index("--data-dir") < text.index("--seed") < text.index("--backbone")
    )
    assert "resnet18|" in text
