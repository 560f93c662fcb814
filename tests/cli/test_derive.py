"""What a command takes follows from dataclasses of options, checked before anything heavy is loaded."""

from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from stamp_cli.derive import takes
from stamp_cli.errors import edge
from stamp_tf.errors import StampError
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.fields import check_fields
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.options.methods import StampOptions
from stamp_tf.options.network import NetworkOptions
from stamp_tf.options.option import option, options_of
from stamp_tf.options.pretrain import PretrainConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.options.run import RunOptions


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


DATA = takes(DatasetOptions, "data", required=["dataset"])
BUDGET = takes(PruneConfig, "config", without=["finetune"])
NETWORK = takes(NetworkOptions, "network", only=["backbone", "width", "image_shape"])


def test_fields_become_options_and_an_object():
    assert received(DATA, "--dataset", "digits") == DatasetOptions(dataset="digits")
    folders = ["--data-dir", "d", "--download", "--skip-corrupt"]
    arguments = ["--dataset", "x", "--train-size", "10", "--no-flip", "--seed", "3", *folders]
    assert received(DATA, *arguments) == DatasetOptions(
        dataset="x", data_dir=Path("d"), download=True, skip_corrupt=True, train_size=10, flip=False, seed=3
    )


def test_fields_that_are_not_given_keep_their_defaults():
    assert received(NETWORK) == NetworkOptions()
    assert received(takes(PretrainConfig, "config")) == PretrainConfig()
    assert received(takes(MetaTrainConfig, "config")) == MetaTrainConfig()
    assert received(takes(FinetuneConfig, "config")) == FinetuneConfig()


def test_a_command_may_have_another_default():
    decorator = takes(NetworkOptions, "network", defaults={"backbone": "vgg19", "image_shape": (48, 64, 3)})
    assert received(decorator) == NetworkOptions(backbone="vgg19", image_shape=(48, 64, 3))
    assert received(decorator, "--backbone", "resnet18", "--width", "1") == NetworkOptions(
        backbone="resnet18", width=1.0, image_shape=(48, 64, 3)
    )


def test_what_is_required_has_no_default():
    assert "Missing option '--dataset'" in refused(DATA).stderr
    assert received(takes(DatasetOptions, "data")).dataset is None


def test_fields_for_python_alone_have_no_flag():
    assert "No such option '--momentum'" in refused(takes(FinetuneConfig, "config"), "--momentum", "0").stderr


@pytest.mark.parametrize("arguments", [("--train-size", "0"), ("--seed", "-1")])
def test_counts_are_checked(arguments):
    assert "is not in the range" in refused(DATA, "--dataset", "x", *arguments).stderr


def test_resume_and_overwrite_exclude_each_other():
    with pytest.raises(StampError, match="--resume and --overwrite must not be given together"):
        RunOptions(run_dir=Path("a"), resume=True, overwrite=True)


def test_unknown_backbone_suggests_the_nearest():
    assert "Did you mean 'resnet18'?" in refused(NETWORK, "--backbone", "resnet-18").stderr


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_width_must_be_a_positive_number(value):
    assert "Invalid value for '--width'" in refused(NETWORK, "--width", value).stderr


def test_keys_and_values_become_one_mapping():
    decorator = takes(MetaTrainConfig, "config")
    typed = ("--set-encoder-option", "num_heads=4", "--set-encoder-option", "kind=small")
    assert received(decorator, *typed).set_encoder_options == {"num_heads": 4, "kind": "small"}
    twice = ("--set-encoder-option", "num_heads=4", "--set-encoder-option", "num_heads=2")
    with pytest.raises(SystemExit):
        received(decorator, *twice)


@dataclass(frozen=True)
class Toy:
    """Options with one field more than a moment ago."""

    known: int = option(1, least=1, help="Known.")
    added: float | None = option(
        None, above=0, most=2, usual=1, help="Beside `seed`.", default_in_words="that of `seed`"
    )

    def __post_init__(self) -> None:
        check_fields(self)


def test_an_option_is_one_place():
    @click.command()
    @takes(Toy, "toy")
    def command(toy: Toy) -> None: ...

    text = " ".join(CliRunner().invoke(command, ["--help"]).stdout.split())
    assert "--added FLOAT RANGE Beside --seed. [default: that of --seed] [0<x<=2]" in text
    assert received(takes(Toy, "toy"), "--added", "1.5") == Toy(1, 1.5)
    assert (
        "Invalid value for '--added': 3.0 is not in the range 0<x<=2."
        in refused(takes(Toy, "toy"), "--added", "3").stderr
    )
    with pytest.raises(StampError, match=r"added must be above 0 and at most 2, but is 3\.0; 1 is usual\."):
        Toy(added=3)
    assert options_of(Toy)["added"].rule == "above 0 and at most 2"


def test_help_names_other_options_as_the_command_does() -> None:
    @click.command()
    @takes(FinetuneConfig, "finetuning", only=("epochs", "done_at_loss"), epochs={"flag": "finetune-epochs"})
    def command(finetuning: FinetuneConfig) -> None: ...

    shown = " ".join(CliRunner().invoke(command, ["--help"]).stdout.split())
    assert "0.02 if --finetune-epochs is left out" in shown


def test_limits():
    assert received(BUDGET) == PruneConfig()
    assert received(BUDGET, "--max-flops", "0.25", "--keep-params", "1") == PruneConfig(
        keep_params=1.0, max_flops=0.25
    )


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("0.5", 0.5), ("1", 1.0), ("8MB", 8e6), ("1.5 kb", 1500.0), ("2MiB", 2 * 2**20), ("1e3B", 1000.0)],
)
def test_memory_is_a_fraction_or_a_size(typed: str, expected: float):
    assert received(BUDGET, "--max-memory", typed).max_memory == expected


@pytest.mark.parametrize(
    "value", ["0", "-1", "1.5", "8", "1B", "0MB", "8XB", "MB", "nan", "inf", "1e999MB", "1..2MB"]
)
def test_memory_that_is_neither_is_refused(value):
    message = refused(BUDGET, "--max-memory", value).stderr
    assert (
        f"{value!r} must be a fraction above 0 and at most 1, or a size with a unit, such as 8MB" in message
    )


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("12ms", 0.012), ("0.5s", 0.5), ("800us", 800e-6), ("800µs", 800e-6), ("2 S", 2.0)],
)
def test_latency_has_a_unit(typed: str, expected: float):
    assert received(BUDGET, "--max-latency", typed).max_latency == pytest.approx(expected)


@pytest.mark.parametrize("value", ["12", "0ms", "-1ms", "ms", "12 minutes", "nan", "infs"])
def test_latency_that_is_no_time_is_refused(value):
    message = refused(BUDGET, "--max-latency", value).stderr
    assert f"{value!r} must be a time above 0 with a unit, such as 12ms (us, ms, s)" in message


def test_rules_for_widths():
    options = ("--round-to", "8", "--min-channels", "4", "--keep", "stem*", "--keep", "head")
    budget = received(BUDGET, *options, "--latency-batch", "16")
    assert (budget.round_to, budget.min_channels, budget.latency_batch) == (8, 4, 16)
    assert budget.keep == ("stem*", "head")


@pytest.mark.parametrize("option", ["--round-to", "--min-channels", "--latency-batch"])
@pytest.mark.parametrize("value", ["0", "-8", "2.5"])
def test_counts_below_one_are_refused(option, value):
    assert f"Invalid value for '{option}'" in refused(BUDGET, option, value).stderr


@pytest.mark.parametrize("value", ["0", "-0.1", "1.5", "nan", "inf", "half"])
def test_budget_outside_its_range_is_refused(value):
    assert "Invalid value for '--max-flops'" in refused(BUDGET, "--max-flops", value).stderr


def test_help_lists_options_in_order_and_installed_names():
    @click.command()
    @DATA
    @NETWORK
    def command(**values: object) -> None: ...

    text = CliRunner().invoke(command, ["--help"]).stdout
    assert (
        text.index("--dataset") < text.index("--data-dir") < text.index("--seed") < text.index("--backbone")
    )
    assert "resnet18|" in text


def test_single_flags_of_a_dataclass_are_handed_over_where_they_are_given():
    @dataclass(frozen=True, kw_only=True)
    class Fitting:
        strength: float = option(2.5, flag="strength", least=1, help="How much.")
        like: str = option("", flag="like", typed=Path, help="As there.")
        steps: int = option(3, help="How often.")

    flags = takes(Fitting, "fitting", only_flags=True)
    assert received(flags) == {}
    assert received(flags, "--strength", "2.5", "--like", "run") == {"strength": 2.5, "like": Path("run")}
    assert "Invalid value for '--strength'" in refused(flags, "--strength", "0").stderr
    assert "No such option" in refused(flags, "--steps", "1").stderr


def test_a_flag_tells_the_default_of_its_field():
    @click.command()
    @takes(StampOptions, "options", only_flags=True)
    def command(**values: object) -> None: ...

    text = CliRunner().invoke(command, ["--help"]).stdout
    assert "--epochs-prune" in text
    assert "[default: 0]" in text
