"""The third-party package of `examples/`, installed beside stamp-tf into a fresh environment."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGING = ["setup.py", "pyproject.toml", "LICENSE", "MANIFEST.in", "stamp_tf", "registry", "cli"]

# Without compiling, which takes longer than the few steps.
TYPED = """
import sys
import tensorflow as tf
from click.testing import CliRunner
from stamp_cli.main import stamp_tf
tf.config.run_functions_eagerly(True)
for line in sys.argv[1:]:
    done = CliRunner().invoke(stamp_tf, line.split())
    print(">", line, done.output, sep="\\n")
    assert done.exit_code == 0, done.output
"""
_PRUNE = "prune --dataset stripes:40 --from meta --max-flops 0.5 --no-speed"
COMMANDS = (
    "pretrain --backbone separable --width 0.25 --dataset stripes:40 --epochs 1 --run-dir reference",
    "meta-train --from reference --set-encoder mean-max --mask-generator group-factors --run-dir meta"
    " --outer-steps 1 --tasks 1 --ways 2 --shots 4 --inner-batches 2",
    f"{_PRUNE} --finetune-epochs 0 --run-dir by-stamp",
    f"{_PRUNE} --finetune-epochs 1 --method slimming --export arrays --run-dir pruned",
    "evaluate pruned",
    "export pruned --format arrays --to stripes.npz",
)


class Environment:
    """A fresh environment that borrows the heavy dependencies of the running one.

    Args:
        path: Where to make it.
    """

    def __init__(self, path: Path) -> None:
        venv.create(path, with_pip=False, symlinks=True)
        self.path = path
        site = next(path.glob("lib/python*/site-packages"))
        borrowed = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
        # Lines of a .pth file come after the environment's own packages, so what is installed here wins.
        (site / "borrowed.pth").write_text("\n".join(borrowed))

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's programs, from its folder and not from the checkout."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return subprocess.run(
            [self.path / "bin" / program, *arguments],
            cwd=self.path,
            env=variables,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def install(self, source: Path) -> None:
        """Install a source tree, without the network."""
        options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        pip = [sys.executable, "-m", "pip", "--python", self.path / "bin/python", "install", *options, source]
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        done = subprocess.run(pip, cwd=self.path, env=variables, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Environment:
    """stamp-tf and the example, installed from copies, because a build writes into its source tree."""
    folder = tmp_path_factory.mktemp("example")
    fresh = Environment(folder / "environment")
    skip = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    (folder / "stamp-tf").mkdir()
    for name in PACKAGING:
        source, target = ROOT / name, folder / "stamp-tf" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=skip)
        else:
            shutil.copy(source, target)
    shutil.copytree(ROOT / "examples/acorn", folder / "acorn", ignore=skip)
    fresh.install(folder / "stamp-tf")
    fresh.install(folder / "acorn")
    return fresh


def test_packages_come_from_the_fresh_environment(environment):
    code = "import stamp_tf, stamp_cli, stamp_registry, acorn; print(stamp_cli.__file__, acorn.__file__)"
    done = environment.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert all(str(environment.path) in path for path in done.stdout.split())


def test_nothing_generic_lands_in_site_packages(environment):
    site = next(environment.path.glob("lib/python*/site-packages"))
    assert {path.name for path in site.iterdir() if path.is_dir() and path.suffix != ".dist-info"} == {
        "stamp_tf",
        "stamp_cli",
        "stamp_registry",
        "acorn",
    }


def test_plugins_lists_it_as_working(environment):
    done = environment.run("stamp-tf", "plugins", "--json")
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row for row in json.loads(done.stdout) if row["package"] == "stamp-tf-acorn"}
    assert {name: row["status"] for name, row in found.items()} == dict.fromkeys(
        (
            *("separable", "acorn.scale.Scale", "acorn.gated.Gated", "mean-max", "group-factors"),
            *("slimming", "stripes", "arrays"),
        ),
        "ok",
    )
    assert found["separable"]["version"] == "0.1.0"


def test_its_name_is_offered_by_help(environment):
    assert "separable" in environment.run("stamp-tf", "pretrain", "--help").stdout


def test_its_mistyped_name_is_suggested(environment):
    done = environment.run("stamp-tf", "pretrain", "--backbone", "seperable", "--dataset", "digits")
    assert done.returncode == 2
    assert "Did you mean 'separable'?" in done.stderr


@pytest.fixture(scope="module")
def used(environment) -> Path:
    """Where a network of the package's was made, pruned, evaluated and exported, in one process to save time."""
    done = environment.run("python", "-c", TYPED, *COMMANDS)
    assert done.returncode == 0, done.stderr
    (environment.path / "printed.txt").write_text(done.stdout)
    return environment.path


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_its_backbone_is_pretrained_on_its_data_set(used):
    assert read(used / "reference/config.json")["backbone"] == "separable"


def test_its_set_encoder_and_mask_generator_are_meta_trained(used):
    config = read(used / "meta/config.json")
    assert (config["set_encoder"], config["mask_generator"]) == ("mean-max", "group-factors")


def test_its_mask_generator_prunes(used):
    assert read(used / "by-stamp/report.json")["flops_fraction"] <= 0.5


def test_its_network_is_pruned_by_its_method_evaluated_and_exported_in_its_format(used):
    report = read(used / "pruned/report.json")
    assert (report["backbone"], report["flops_fraction"] <= 0.5) == ("separable", True)
    assert [file["format"] for file in report["files"]] == ["keras", "arrays"]
    assert (used / "pruned/arrays").exists()
    printed = (used / "printed.txt").read_text()
    assert "Test accuracy" in printed[printed.index("evaluate pruned") : printed.index("export pruned")]
    assert (used / "stripes.npz").exists()


def test_its_own_tests_pass(environment):
    done = environment.run(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", ROOT / "examples/acorn/tests"
    )
    assert done.returncode == 0, done.stdout + done.stderr
