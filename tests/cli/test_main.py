"""The group, its edge, and what a shell sees of it."""

import errno
import json
import os
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from stamp_cli.errors import edge
from stamp_cli.main import COMMANDS, LazyGroup, stamp_tf
from stamp_registry import UnknownName
from stamp_tf.errors import StampError

SCRIPT = [sys.executable, "-c", "from stamp_cli.main import main; main()"]


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [*SCRIPT, *arguments], capture_output=True, text=True, env={**os.environ, **environment}, timeout=120
    )


def group_of(callback, *options) -> LazyGroup:
    """A group with one command `go`, found by an import path like any other."""
    command = click.Command("go", callback=callback, params=list(options))
    sys.modules[__name__ + "_target"] = type(sys)("target")
    sys.modules[__name__ + "_target"].command = command
    return LazyGroup(
        "stamp-tf", targets={"go": (f"{__name__}_target:command", "Go."), "stop": ("no.such:x", "No.")}
    )


def failing(error: BaseException):
    def callback() -> None:
        raise error

    return CliRunner().invoke(group_of(callback), ["go"])


def test_help_imports_nothing_heavy():
    # How long it takes is measured by benchmarks/help_time.py; this is what would make it slow.
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from stamp_cli.main import stamp_tf\n"
        "assert CliRunner().invoke(stamp_tf, ['--help']).exit_code == 0\n"
        "print(*{'tensorflow', 'keras', 'numpy', 'rich', 'sklearn', 'jinja2', 'PIL'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_what_is_not_there_is_refused_before_keras_and_tensorflow_are_imported(tmp_path):
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from stamp_cli.main import stamp_tf\n"
        "prune = ['prune', '--max-flops', '0.5', '--dataset']\n"
        "for words in (['inspect', 'nosuch'], ['inspect', 'nosuch.keras'], ['evaluate', 'nosuch'],\n"
        "              ['compare', 'nosuch', 'other'], [*prune, 'digitz'], [*prune, 'folder:nosuch'],\n"
        "              [*prune, 'npz:nosuch.npz'], [*prune, 'digits', '--model', 'nosuch.keras']):\n"
        "    assert CliRunner().invoke(stamp_tf, words).exit_code, words\n"
        "    assert not {'tensorflow', 'keras'} & set(sys.modules), words\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_only_the_option_that_was_probably_meant_is_named():
    done = shell("prune", "--max-flop", "0.5")
    assert done.stderr == (
        "Error: No such option '--max-flop'. Did you mean '--max-flops'? See 'stamp-tf prune --help'.\n"
    )


def test_help_lists_every_command_without_importing_it():
    result = CliRunner().invoke(group_of(lambda: None), ["--help"])
    assert result.exit_code == 0
    assert "Go." in result.output
    assert "No." in result.output


def test_version():
    from stamp_tf import __version__

    assert shell("--version").stdout == f"stamp-tf, version {__version__}\n"


def test_no_arguments_show_help():
    done = shell()
    assert done.returncode == 2
    assert "Usage: stamp-tf" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_help_without_tensorflow(name):
    code = (
        "import sys\n"
        "from stamp_cli.main import stamp_tf\n"
        "try:\n"
        f"    stamp_tf.main(['{name}', '--help'])\n"
        "finally:\n"
        "    heavy = {'tensorflow', 'keras', 'numpy'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--verbose" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_line_in_the_list_of_commands_is_the_one_of_the_command(name):
    command = stamp_tf.get_command(click.Context(stamp_tf), name)
    assert command.help.splitlines()[0] == COMMANDS[name][1]


def test_unknown_command_suggests_the_nearest():
    done = shell("metatrain")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: There is no command 'metatrain'. Did you mean 'meta-train'? See 'stamp-tf --help'.\n"
    )


def test_unknown_option_is_one_line():
    done = shell("plugins", "--jsno")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: No such option")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("error", [StampError("bad\ninput"), UnknownName("bad input")])
def test_wrong_input_is_one_line_and_code_2(error):
    result = failing(error)
    assert (result.exit_code, result.stderr, result.stdout) == (2, "Error: bad input\n", "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_refusal_of_the_machine_is_one_line_and_code_2(number):
    result = failing(OSError(number, os.strerror(number), "/some/file"))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: Cannot use /some/file: {os.strerror(number)}; ")
    assert result.stderr.count("\n") == 1


def test_full_disk_under_hdf5_is_recognised():
    result = failing(OSError("Can't write data (file write failed: errno = 28, error message = '...')"))
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr


def test_fault_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), edge():
        _ = 1 / 0


def test_missing_file_that_nobody_foresaw_keeps_its_traceback():
    with pytest.raises(FileNotFoundError), edge():
        raise FileNotFoundError(errno.ENOENT, "No such file")


def test_interrupt_says_what_was_saved_and_ends_with_130():
    result = failing(KeyboardInterrupt("state saved in runs/a; continue with --resume"))
    assert result.exit_code == 130
    assert result.stderr.strip() == "Interrupted; state saved in runs/a; continue with --resume."


def test_interrupt_without_words_says_no_more_than_that():
    result = failing(KeyboardInterrupt())
    assert (result.exit_code, result.stderr.strip()) == (130, "Interrupted.")


def heed_interrupts():
    """Undo what a shell does to the jobs it runs in the background: they ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_signal_ends_a_process_with_130_and_no_traceback():
    code = (
        "import os, signal, click\n"
        "from stamp_cli.errors import edge\n"
        "with edge():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.pause()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, preexec_fn=heed_interrupts
    )
    assert done.returncode == 130
    assert done.stderr == "Interrupted.\n"
    assert signal.getsignal(signal.SIGINT) is not None


def test_command_may_choose_its_exit_code():
    assert CliRunner().invoke(group_of(lambda: click.get_current_context().exit(7)), ["go"]).exit_code == 7


def test_tensorflow_is_silent_unless_asked():
    code = (
        "from stamp_cli.verbosity import load_tensorflow, set_verbosity; set_verbosity({}); load_tensorflow()"
    )
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code.format(False)], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_library_log_reaches_standard_error():
    code = (
        "import logging; from stamp_cli.verbosity import set_verbosity; set_verbosity({});"
        "log = logging.getLogger('stamp_tf.data'); log.info('seen'); log.debug('hidden')"
    )
    quiet, verbose = (
        subprocess.run([sys.executable, "-c", code.format(flag)], capture_output=True, text=True, check=True)
        for flag in (False, True)
    )
    assert quiet.stderr == "seen\n"
    assert verbose.stderr == "seen\nhidden\n"


def test_backend_is_tensorflow_whatever_the_user_prefers_elsewhere():
    code = (
        "import os; from stamp_cli.verbosity import set_verbosity; set_verbosity(False);"
        "print(os.environ['KERAS_BACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    assert done.stdout == "tensorflow\n"


def test_json_is_the_only_thing_on_standard_output():
    assert isinstance(json.loads(shell("plugins", "--json").stdout), list)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["keras", "stamp_tf.pruning.prune", "tensorflow"])
def test_tensorflow_is_silent_whoever_imports_it_first(module):
    """A command imports it by many ways: at once, or with the first part of the library that needs it."""
    code = (
        "from stamp_cli.verbosity import set_verbosity; set_verbosity(False); import importlib.util as u;"
        f"u.find_spec('tensorflow'); import {module}; import tensorflow; tensorflow.constant(1)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_tensorflow_speaks_to_whoever_asks_for_it():
    code = "from stamp_cli.verbosity import set_verbosity; set_verbosity(False); import tensorflow"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "oneDNN" in done.stderr or "cuda" in done.stderr.lower()
