"""Names become objects one at a time, and what is wrong with one is said in a line."""

import subprocess
import sys

import pytest

from stamp_registry import (
    GROUPS,
    BrokenPlugin,
    DuplicateName,
    MissingExtra,
    RegistryError,
    UnknownName,
    did_you_mean,
    find,
    load,
    names,
    plugins,
)

BUILT_IN = {
    "stamp_tf.backbones": {"vgg19", "resnet18"},
    "stamp_tf.set_encoders": {"set-transformer", "deep-sets", "neural-statistician"},
    "stamp_tf.mask_generators": {"beta-bernoulli", "score"},
    "stamp_tf.pruners": {"stamp", "random", "l1", "l2", "batch-norm", "taylor"},
    "stamp_tf.datasets": {"classes", "digits", "folder", "npz", "rendered", "tfds"},
    "stamp_tf.exporters": {"saved-model", "keras", "litert", "litert-dynamic", "litert-int8"},
    "stamp_tf.readers": {"saved-model", "keras"},
    "stamp_tf.channel_rules": {
        "keras.src.applications.convnext.LayerScale",
        "keras.src.applications.inception_resnet_v2.CustomScaleLayer",
    },
}


@pytest.mark.parametrize("group", GROUPS)
def test_built_ins_are_declared(group):
    assert set(names(group)) >= BUILT_IN[group]


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in GROUPS for name in sorted(BUILT_IN[group])]
)
def test_built_ins_load(group, name):
    assert callable(load(group, name))


def test_names_are_sorted_and_import_nothing(make_plugin):
    make_plugin(
        "eager", {"stamp_tf.backbones": ["zebra = eager:f", "aardvark = eager:f"]}, "raise SystemExit"
    )
    known = names("stamp_tf.backbones")
    assert list(known) == sorted(known)
    assert {"zebra", "aardvark"} <= set(known)
    assert "eager" not in sys.modules


def test_find_imports_nothing(make_plugin):
    make_plugin("lazy", {"stamp_tf.backbones": ["lazy = lazy:f"]}, "raise SystemExit")
    assert find("stamp_tf.backbones", "lazy").value == "lazy:f"
    assert "lazy" not in sys.modules


def test_loading_a_name_leaves_the_others_alone(make_plugin):
    make_plugin("good", {"stamp_tf.backbones": ["good = good:build"]}, "def build(): return 7")
    make_plugin("bad", {"stamp_tf.backbones": ["bad = bad:build"]}, "raise RuntimeError('never imported')")
    assert load("stamp_tf.backbones", "good")() == 7
    assert "bad" not in sys.modules


def test_registry_imports_only_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import stamp_registry as r; r.names('stamp_tf.backbones');"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'stamp_registry'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(
        UnknownName, match=r"There is no backbone 'VGG-19'; installed: .*Did you mean 'vgg19'\?"
    ):
        load("stamp_tf.backbones", "VGG-19")


def test_unknown_name_without_a_neighbour_suggests_nothing():
    with pytest.raises(UnknownName, match=r"There is no pruner 'zzz'; installed: .*\.$"):
        load("stamp_tf.pruners", "zzz")


def test_unknown_group_suggests_the_nearest():
    with pytest.raises(
        UnknownName, match=r"no group 'stamp_tf.backbone'.*Did you mean 'stamp_tf.backbones'\?"
    ):
        names("stamp_tf.backbone")


def test_a_missing_extra_is_named(make_plugin):
    site = make_plugin(
        "spare", {"stamp_tf.exporters": ["spare = spare:write"]}, "import no_such_runtime.inner"
    )
    metadata = next(site.glob("*.dist-info")) / "METADATA"
    required = 'Requires-Dist: no-such-runtime-tools; extra == "tools"\n'
    required += "Requires-Dist: no-such-runtime>=2; extra == 'fast'\n"
    metadata.write_text(metadata.read_text() + required)
    with pytest.raises(MissingExtra, match=r"needs no_such_runtime, .*; pip install 'spare\[fast\]'\.$"):
        load("stamp_tf.exporters", "spare")
    assert next(each.status for each in plugins() if each.name == "spare") == "missing extra"


def test_duplicate_names_both_packages(make_plugin):
    for package in ("one", "two"):
        make_plugin(package, {"stamp_tf.pruners": [f"same = {package}:P"]}, "class P: pass")
    with pytest.raises(
        DuplicateName, match=r"The pruner 'same' must be declared once, but one and two declare it"
    ):
        load("stamp_tf.pruners", "same")
    assert names("stamp_tf.pruners").count("same") == 1


def test_third_party_cannot_take_a_built_in_name(make_plugin):
    make_plugin("usurper", {"stamp_tf.backbones": ["vgg19 = usurper:f"]}, "def f(): ...")
    with pytest.raises(DuplicateName, match=r"but stamp-tf and usurper declare it; uninstall all but one"):
        load("stamp_tf.backbones", "vgg19")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise BaseException", "raised BaseException;"),
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("def f(:", "SyntaxError"),
        ("", "AttributeError: module 'broken' has no attribute 'f'"),
    ],
)
def test_broken_import_is_one_line_with_its_reason(make_plugin, source, reason):
    make_plugin("broken", {"stamp_tf.backbones": ["broken = broken:f"]}, source)
    with pytest.raises(BrokenPlugin) as caught:
        load("stamp_tf.backbones", "broken")
    message = str(caught.value)
    assert reason in message
    assert message.startswith("The backbone 'broken' of package broken must import, but broken:f raised ")
    assert message.endswith("mend or uninstall the package.")
    assert "\n" not in message
    assert caught.value.__cause__ is not None


def test_interrupt_during_an_import_stays_an_interrupt(make_plugin):
    make_plugin("slow", {"stamp_tf.backbones": ["slow = slow:f"]}, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load("stamp_tf.backbones", "slow")


@pytest.mark.parametrize(
    ("group", "source", "reason"),
    [
        ("stamp_tf.backbones", "f = 3", "must be callable, but is of type int"),
        ("stamp_tf.datasets", "f = {}", "must be callable, but is of type dict"),
        ("stamp_tf.pruners", "def f(): ...", "must be a class, but is of type function"),
        ("stamp_tf.set_encoders", "def f(): ...", "must be a class, but is of type function"),
        (
            "stamp_tf.set_encoders",
            "class f:\n    def call(self): ...",
            "must have the methods call, get_config, but lacks get_config",
        ),
        ("stamp_tf.mask_generators", "class f: ...", "lacks call, get_config"),
    ],
)
def test_wrong_type_is_refused(make_plugin, group, source, reason):
    make_plugin("wrong", {group: ["wrong = wrong:f"]}, source)
    with pytest.raises(BrokenPlugin, match=reason):
        load(group, "wrong")


def test_every_error_is_a_registry_error_and_a_lookup_error():
    assert issubclass(RegistryError, LookupError)
    assert all(issubclass(error, RegistryError) for error in (UnknownName, DuplicateName, BrokenPlugin))


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("resnet-18", " Did you mean 'resnet18'?"), ("RESNET18", " Did you mean 'resnet18'?"), ("q", "")],
)
def test_did_you_mean(name, suggestion):
    assert did_you_mean(name, ("vgg19", "resnet18")) == suggestion
