"""The list of plug-ins tries each one and raises for none."""

import shutil

import pytest

from stamp_registry import GROUPS, Plugin, plugins


def by_name(name: str) -> list[Plugin]:
    return [plugin for plugin in plugins() if plugin.name == name]


def test_built_ins_all_work():
    broken = [plugin for plugin in plugins() if plugin.package == "stamp-tf" and plugin.status != "ok"]
    assert not broken


def test_rows_follow_the_order_of_the_groups():
    positions = [GROUPS.index(plugin.group) for plugin in plugins()]
    assert positions == sorted(positions)


def test_working_plugin_is_listed_with_its_package(make_plugin):
    make_plugin("fine-package", {"stamp_tf.backbones": ["fine = fine_package:f"]}, "def f(): ...")
    assert by_name("fine") == [
        Plugin(name="fine", group="stamp_tf.backbones", package="fine-package", version="1.2.3", status="ok")
    ]


@pytest.mark.parametrize("source", ["raise ValueError('boom')", "raise SystemExit(1)", "f = None"])
def test_broken_plugin_is_a_row(make_plugin, source):
    make_plugin("bad", {"stamp_tf.pruners": ["bad = bad:f"]}, source)
    (row,) = by_name("bad")
    assert row.status == "broken"
    assert row.detail.startswith("The pruner 'bad' of package bad must")


def test_line_that_is_no_object_reference_is_a_row(make_plugin):
    make_plugin("odd", {"stamp_tf.backbones": ["odd = not a reference!"]})
    assert [row.status for row in by_name("odd")] == ["broken"]


def test_duplicates_are_both_listed(make_plugin):
    for package in ("one", "two"):
        make_plugin(package, {"stamp_tf.datasets": [f"same = {package}:f"]}, "def f(): ...")
    rows = by_name("same")
    assert [(row.package, row.status) for row in rows] == [("one", "duplicate"), ("two", "duplicate")]


def test_slip_in_the_group_is_listed_with_a_suggestion(make_plugin):
    make_plugin("slip", {"stamp_tf.backbone": ["slip = slip:f"]}, "def f(): ...")
    (row,) = by_name("slip")
    assert row.status == "unknown group"
    assert row.detail == "There is no group 'stamp_tf.backbone'. Did you mean 'stamp_tf.backbones'?"
    assert plugins()[-1] == row


def test_half_removed_package_is_still_a_row(make_plugin):
    site = make_plugin("ghost", {"stamp_tf.backbones": ["ghost = ghost:f"]}, "def f(): ...")
    (site / "ghost-1.2.3.dist-info/METADATA").unlink()
    (row,) = by_name("ghost")
    assert (row.package, row.version, row.status) == ("unknown", "unknown", "ok")
    shutil.rmtree(site)
