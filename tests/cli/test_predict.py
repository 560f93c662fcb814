"""`stamp-tf predict`: a table on the terminal, files whole or not at all, one line for what is wrong."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import stamp_tf
from stamp_cli.main import stamp_tf as command_line
from stamp_tf.export.keras_file import export_keras
from stamp_tf.testing.exporter import CLASS_NAMES, NORMALIZATION, toy_network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "toy.keras"
    return export_keras(toy_network(), path, class_names=CLASS_NAMES, normalization=NORMALIZATION)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, level in (("dark.png", 10), ("light.png", 240)):
        Image.fromarray(np.full((9, 12, 3), level, np.uint8)).save(folder / name)
    return folder


def test_every_format_and_a_run(cli, pruned, pictures, monkeypatch) -> None:
    # Short names are not folded.
    monkeypatch.chdir(pictures)
    first, second = (cli.done("predict", path, ".").stdout for path in (pruned, pruned / "saved_model"))
    assert first == second
    assert "dark.png" in first


def test_a_table_and_files(cli, network, pictures, tmp_path) -> None:
    files = tmp_path / "out.csv", tmp_path / "out.json"
    result = cli.done("predict", network, pictures, "--top", 2, "--csv", files[0], "--json", files[1])
    expected = stamp_tf.predict(network, pictures)
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert [row["class"] for row in rows] == list(expected.classes)
    content = json.loads(files[1].read_text())
    assert [len(one["top"]) for one in content["pictures"]] == [2, 2]
    for name, share in expected.top(1)[0]:
        assert name in result.stdout
        assert f"{100 * share:.1f} %" in result.stdout
    assert f"Wrote {files[0]}" in result.stdout


def test_files_are_written_whoever_listens(network, pictures, tmp_path) -> None:
    """The table finds nobody who reads it, on a stream that was closed and on one whose reader went away."""
    code = "from stamp_cli.main import main; main()"
    command = [sys.executable, "-c", code, "predict", str(network), str(pictures), "--csv"]
    closed = subprocess.Popen([*command, str(tmp_path / "closed.csv")], preexec_fn=lambda: os.close(1))
    gone, others_end = os.pipe()
    os.close(gone)
    broken = subprocess.Popen([*command, str(tmp_path / "broken.csv")], stdout=others_end)
    os.close(others_end)
    assert (closed.wait(), broken.wait()) == (0, 1)
    assert (tmp_path / "closed.csv").read_bytes() == (tmp_path / "broken.csv").read_bytes()


def test_a_link_stays_one(cli, network, pictures, tmp_path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "there.csv")
    cli.done("predict", network, pictures, "--csv", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there.csv").read_text().startswith("picture,")


def test_paths_from_standard_input(network, pictures) -> None:
    # Behind the mark of its byte order that some programs begin a text with.
    lines = f"\ufeff{pictures / 'light.png'}\n\n{pictures / 'dark.png'}\r\n"
    result = CliRunner().invoke(command_line, ["predict", str(network), "-"], input=lines)
    assert result.exit_code == 0
    assert result.stdout.index("light.png") < result.stdout.index("dark.png")


def test_what_is_no_picture_writes_nothing(cli, network, pictures, tmp_path) -> None:
    (pictures / "bad.png").write_bytes(b"no picture")
    target = tmp_path / "out.csv"
    target.write_text("of before")
    line = cli.refused("predict", network, pictures, "--csv", target)
    assert "PICTURES must hold readable images" in line
    assert "bad.png" in line
    assert "add --skip-corrupt" in line
    assert target.read_text() == "of before"
    cli.done("predict", network, pictures, "--csv", target, "--skip-corrupt")
    assert len(target.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", "."), "MODEL must be an exported network or a run's folder, but nowhere is not there"),
        (("{network}", "nowhere.png"), "PICTURES must be there, but nothing is at nowhere.png"),
        (("{network}",), "Missing argument 'PICTURES...'"),
        (("{network}", "{pictures}", "--csv", "{pictures}"), "--csv must be a file, but"),
        (("{network}", "{pictures}", "--csv", "{network}"), "--csv must be a file of its own, but"),
        (("{network}", "{pictures}", "--csv", "x", "--json", "x"), "--csv must end in .csv, but is x"),
        (("{network}", "{pictures}", "--csv", "no/x"), "--csv must lie in a folder, but no is not there"),
        (("{network}", "{pictures}", "--top", "0"), "--top"),
        (
            ("{pictures}", "{pictures}"),
            "MODEL must be a network that stamp-tf exported (demo, keras, ",
        ),
    ],
)
def test_wrong_input_is_refused(cli, network, pictures, monkeypatch, tmp_path, arguments, words) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    line = cli.refused("predict", *(one.format(network=network, pictures=pictures) for one in arguments))
    assert words in line
    assert sorted(tmp_path.rglob("*")) == before


def test_names_on_the_terminal_do_nothing(cli, network, pictures) -> None:
    (pictures / "\x1b[31m[red].png").write_bytes((pictures / "dark.png").read_bytes())
    stdout = cli.done("predict", network, pictures).stdout
    assert "\x1b" not in stdout
    assert "[red].png" in stdout
