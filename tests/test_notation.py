"""The command line names options, Python names arguments, out of one message."""

import ast
import re
from pathlib import Path

import pytest

import stamp_tf
from stamp_tf.data.streaming import refuse_or_warn
from stamp_tf.data.unreadable import UnreadableImage
from stamp_tf.errors import StampError
from stamp_tf.notation import as_typed, in_python
from stamp_tf.references.pixels.choice import PixelChoice


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("--max-flops must be a fraction", "max_flops must be a fraction"),
        ("such as --max-flops 0.5, whose cut", "such as max_flops=0.5, whose cut"),
        ("lower, such as --max-flops 0.5.", "lower, such as max_flops=0.5."),
        (
            "--head keep needs the classes; use --head ridge.",
            'head="keep" needs the classes; use head="ridge".',
        ),
        ("less than --round-to 8 --keep 'stem*'", "less than round_to=8 keep='stem*'"),
        ("such as --budgets 0.06:1.", "such as budgets=(0.06, 1)."),
        ("--dataset npz:/my photos/a.npz must be", "dataset npz:/my photos/a.npz must be"),
        ("--image-size must be 32", "image_shape must be 32"),
        ("add --resume or --overwrite.", "add resume=True or overwrite=True."),
        ("--resume must repeat", "resume=True must repeat"),
        ("--method-option head=ridge needs", 'options={"head": "ridge"} needs'),
        ("--method-option batches must be", 'options["batches"] must be'),
        ("add --download to fetch it", "load it with stamp_tf.load_dataset(..., download=True) to fetch it"),
        ("be fetched with --download, but", "be fetched with stamp_tf.load_dataset(..., download=True), but"),
        ("--train-size must leave", "train_size must leave"),
        ("--to must be a folder", "path must be a folder"),
        ("--from must be a reference", "reference must be a reference"),
        ("RUN must hold a pruned network", "run must hold a pruned network"),
        ("a RUNNING man -- and --no_option, '--quoted'", "a RUNNING man -- and --no_option, '--quoted'"),
        ("/tmp/x--max-flops/y", "/tmp/x--max-flops/y"),
    ],
)
def test_options_become_arguments(message, expected):
    assert in_python(message) == expected


def test_error_names_options_on_the_command_line_and_arguments_elsewhere(messages_in_python):
    error = StampError("--max-flops must be above 0; --from knows.", arguments={"from": "start"})
    assert str(error) == "max_flops must be above 0; start knows."
    with as_typed():
        assert str(error) == "--max-flops must be above 0; --from knows."
    assert str(error).startswith("max_flops")


def spoken_in_logs(tree: ast.AST) -> list[str]:
    """Return the strings that calls of a logger are given, those in words of the caller left out."""
    found = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith(("logger.", "_log.")):
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
        (path.name, line)
        for path, each in lines.items()
        for line in each
        if re.search("(^|[^-])--[a-z]", line)
    ]


def test_log_of_skipped_pictures_names_the_set_alone(caplog):
    refuse_or_warn("--dataset folder:pets", [("cat/1.png", UnreadableImage("cut"))], skip_corrupt=True)
    assert caplog.messages == ["folder:pets: skipped cat/1.png, which cannot be decoded: cut."]


def test_log_of_a_scale_names_the_argument_in_python(messages_in_python):
    assert "name it with pixels." in str(PixelChoice("standardized", "assumed", "assumed"))
