"""Every name leads to its object."""

from acorn.separable import separable
from stamp_registry import load, plugins


def test_names_lead_to_the_objects():
    assert load("stamp_tf.backbones", "separable") is separable
    ours = [plugin for plugin in plugins() if plugin.package == "stamp-tf-acorn"]
    assert len(ours) == 9
    assert not [plugin for plugin in ours if plugin.status != "ok"]
