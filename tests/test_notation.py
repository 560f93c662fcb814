"""The command line names options, Python names arguments, out of one message."""

import ast
import re
from pathlib import Path

import click
import pytest

import stamp_tf
from stamp_cli.flags import in_flags, speak_for
from stamp_cli.main import stamp_tf as stamp_tf_command
from stamp_tf.data.streaming import refuse_or_warn
from stamp_tf.data.unreadable import UnreadableImage
from stamp_tf.errors import StampError
from stamp_tf.notation import in_python, speaking
from stamp_tf.references.pixels.choice import PixelChoice


@pytest.mark.parametrize(
    ("message", "python", "typed"),
    [
        ("`max_flops` must be a fraction", "max_flops must be a fraction", "--max-flops must be a fraction"),
        (
            "such as `max_flops=0.5`, whose cut",
            "such as max_flops=0.5, whose cut",
            "such as --max-flops 0.5, whose cut",
        ),
        (
            "`head=keep` needs the classes; use `head=ridge`.",
            'head="keep" needs the classes; use head="ridge".',
            "--head keep needs the classes; use --head ridge.",
        ),
        ("`round_to=8` `keep='stem*'`", "round_to=8 keep='stem*'", "--round-to 8 --keep 'stem*'"),
        ("such as `budgets=0.06:1`.", "such as budgets=(0.06, 1).", "such as --budgets 0.06:1."),
        ("`dataset` npz:/my photos/a.npz", "dataset npz:/my photos/a.npz", "--dataset npz:/my photos/a.npz"),
        ("`image_shape` must be 32", "image_shape must be 32", "--image-size must be 32"),
        ("add `resume=True`.", "add resume=True.", "add --resume."),
        ("`options.head=ridge` needs", 'options={"head": "ridge"} needs', "--method-option head=ridge needs"),
        ("`options.batches` must be", 'options["batches"] must be', "--method-option batches must be"),
        ("`options.epochs_prune` is 0", 'options["epochs_prune"] is 0', "--epochs-prune is 0"),
        (
            "add `load:download=True` to fetch it",
            "load it with stamp_tf.load_dataset(..., download=True) to fetch it",
            "add --download to fetch it",
        ),
        (
            "be fetched with `load:download=True`, but",
            "be fetched with stamp_tf.load_dataset(..., download=True), but",
            "be fetched with --download, but",
        ),
        (
            "give `load:data_dir=...`",
            "load it with stamp_tf.load_dataset(..., data_dir=...)",
            "give --data-dir",
        ),
        ("`export:path` must be", "path must be", "--to must be"),
        ("`reference` must be", "reference must be", "--from must be"),
        ("`own:reference` must be", "reference must be", "--model must be"),
        ("`start` must be", "start must be", "--from must be"),
        ("`run` must hold", "run must hold", "RUN must hold"),
        ("`momentum=0.5` is", "momentum=0.5 is", "momentum=0.5 is"),
        ("a` b` and `--x`, `Q`", "a` b` and `--x`, `Q`", "a` b` and `--x`, `Q`"),
    ],
)
def test_arguments_become_what_the_caller_writes(message, python, typed):
    assert in_python(message) == python
    assert in_flags(message) == typed


def test_a_command_calls_arguments_by_its_own_flags():
    command = stamp_tf_command.get_command(click.Context(stamp_tf_command), "prune")
    speak_for(command)
    assert in_flags("`epochs` was 20") == "--finetune-epochs was 20"
    speak_for(None)
    assert in_flags("`epochs` was 20") == "--epochs was 20"


def test_error_names_options_on_the_command_line_and_arguments_elsewhere(messages_in_python):
    error = StampError("`max_flops` must be above 0; `start` knows.")
    assert str(error) == "max_flops must be above 0; start knows."
    with speaking(in_flags):
        assert str(error) == "--max-flops must be above 0; --from knows."
    assert str(error).startswith("max_flops")


def spoken_in_logs(tree: ast.AST) -> list[str]:
    """Return the strings that calls of a logger are given, those in words of the caller left out."""
    found = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("logger."):
            for argument in call.args:
                if isinstance(argument, ast.Call) and ast.unparse(argument.func) == "in_words_of_the_caller":
                    continue
                found += [str(node.value) for node in ast.walk(argument) if isinstance(node, ast.Constant)]
    return found


def test_no_log_line_names_an_option_but_in_words_of_the_caller():
    root = Path(stamp_tf.__file__).parent
    lines = {path: spoken_in_logs(ast.parse(path.read_text())) for path in root.rglob("*.py")}
    assert sum(map(len, lines.values())) > 30
    assert not [
        (path.name, line) for path, each in lines.items() for line in each if re.search("`[a-z]", line)
    ]


def test_log_of_skipped_pictures_names_the_set_alone(caplog):
    refuse_or_warn("`dataset` folder:pets", [("cat/1.png", UnreadableImage("cut"))], skip_corrupt=True)
    assert caplog.messages == ["folder:pets: skipped cat/1.png, which cannot be decoded: cut."]


def test_log_of_a_scale_names_the_argument_in_python(messages_in_python):
    assert "name it with pixels." in str(
        PixelChoice(scale="standardized", origin="assumed", reason="assumed")
    )
