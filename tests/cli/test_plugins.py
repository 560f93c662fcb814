"""`stamp-tf plugins`: a broken plug-in is a row, never the end of the command."""

import json

import pytest
from click.testing import CliRunner

from stamp_cli.main import stamp_tf


def run(*arguments: str):
    return CliRunner().invoke(stamp_tf, ["plugins", *arguments])


def rows() -> dict[tuple[str, str], dict[str, str]]:
    result = run("--json")
    assert result.exit_code == 0, result.stderr
    return {(row["group"], row["name"]): row for row in json.loads(result.stdout)}


def test_table_names_every_column_and_built_in():
    result = run()
    assert result.exit_code == 0
    heading, *lines = result.stdout.splitlines()
    assert heading.split() == ["name", "group", "package", "version", "status"]
    assert any(line.split()[:3] == ["vgg19", "stamp_tf.backbones", "stamp-tf"] for line in lines)


def test_json_has_the_same_columns():
    assert set(rows()["stamp_tf.backbones", "vgg19"]) == {
        "name",
        "group",
        "package",
        "version",
        "status",
        "detail",
    }


@pytest.mark.parametrize("source", ["raise RuntimeError('boom')", "raise SystemExit(1)"])
def test_broken_plugin_is_reported_with_its_reason(make_plugin, source):
    make_plugin("bad", {"stamp_tf.backbones": ["bad = bad:f"]}, source)
    result = run()
    assert result.exit_code == 0
    assert "broken" in result.stdout
    assert "The backbone 'bad' of package bad must import, but bad:f raised" in result.stdout
    assert rows()["stamp_tf.backbones", "vgg19"]["status"] == "ok"


def test_plugin_that_prints_does_not_spoil_the_json(make_plugin):
    make_plugin("loud", {"stamp_tf.backbones": ["loud = loud:f"]}, "print('hello')\ndef f(): ...")
    assert rows()["stamp_tf.backbones", "loud"]["status"] == "ok"


def test_square_brackets_of_a_third_party_are_no_markup(make_plugin):
    make_plugin("markup", {"stamp_tf.backbones": ["markup = markup:f"]}, "raise ValueError('[bold]x[/nope]')")
    result = run()
    assert result.exit_code == 0
    assert "[bold]x[/nope]" in result.stdout
