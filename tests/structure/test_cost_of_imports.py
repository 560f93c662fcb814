"""What an import costs."""

import subprocess
import sys

import pytest

from .source_files import HEAVY, library, sources

TABLES = {"cli/cells.py", "cli/report_tables.py", "cli/comparison_tables.py"}


def test_command_files_import_nothing_heavy_before_the_command_runs():
    assert not [
        f"{source.path} imports {one.module}"
        for source in sources().values()
        if source.path.startswith("cli/") and source.path not in TABLES
        for one in source.imports
        if one.package in HEAVY and not (one.is_lazy or one.is_for_types)
    ]


CHEAP = [
    "stamp_tf",
    "stamp_tf.errors",
    "stamp_tf.options.finetune",
    "stamp_tf.storage.run_directory",
    "stamp_cli.main",
    "stamp_cli.derive",
    "stamp_cli.prune",
    "stamp_registry",
]


@pytest.mark.parametrize("module", CHEAP)
def test_import_is_cheap(module):
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


READERS = ("demo_page", "keras_file", "litert_file", "onnx_file", "openvino_folder", "saved_model")


def test_files_of_other_runtimes_are_read_without_tensorflow():
    imports = ", ".join(f"stamp_tf.serving.{module}" for module in ("predict", *READERS))
    code = f"import sys, {imports}; print(sorted({{'keras', 'tensorflow'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_lazy_name_of_the_package_resolves():
    import stamp_tf

    assert all(callable(getattr(stamp_tf, name)) for name in stamp_tf.__all__ if name != "__version__")


def test_unknown_name_of_the_package_is_an_attribute_error():
    import stamp_tf

    with pytest.raises(AttributeError, match="module 'stamp_tf' has no attribute 'no_such_name'"):
        _ = stamp_tf.no_such_name


def test_what_a_terminal_shows_is_made_by_the_command_line_alone():
    assert not [
        f"{source.path} imports {one.module}"
        for source in library()
        for one in source.imports
        if one.package in ("rich", "click")
    ]
