"""What goes wrong in a plug-in's code names the plug-in."""

import keras
import pytest

from stamp_tf.errors import PluginError, StampError
from stamp_tf.plugin_code import PluginCode, in_words, of_the_caller

GROUP = "stamp_tf.pruners"


@pytest.fixture
def plugin(make_plugin) -> PluginCode:
    make_plugin("acorn", {GROUP: ["odd = acorn:Odd"]}, "class Odd: ...")
    return PluginCode(GROUP, "odd")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(0), "SystemExit: 0"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError(13), "KeyError: 13"),
        (FileNotFoundError(2, "gone"), "FileNotFoundError: [Errno 2] gone"),
        (BaseException(), "raised BaseException;"),
    ],
)
def test_any_failure_is_one_line_that_names_plug_in_and_package(
    plugin: PluginCode, error: BaseException, reason: str
) -> None:
    with pytest.raises(PluginError) as caught, plugin.running():
        raise error
    message = str(caught.value)
    assert message.startswith("The pruner 'odd' of package acorn must not fail, but raised ")
    assert reason in message
    assert message.endswith("report this to its author.")
    assert "\n" not in message
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [StampError("--a must be b."), KeyboardInterrupt("saved")])
def test_wrong_input_and_interrupts_go_on_as_they_are(plugin: PluginCode, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, plugin.running():
        raise error
    assert caught.value is error


@pytest.mark.parametrize("words", ["", " \n"])
def test_wrong_input_without_words_names_the_plug_in(plugin: PluginCode, words: str) -> None:
    rule = "The pruner 'odd' of package acorn must say what is wrong, but raised a StampError without words"
    with pytest.raises(PluginError, match=rule), plugin.running():
        raise StampError(words)


def test_what_keras_puts_around_an_error_is_left_out(plugin: PluginCode) -> None:
    class Refusing(keras.layers.Layer):
        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

        def call(self, images: object) -> None:
            raise self.error

    with pytest.raises(StampError, match=r"^--a must be b\.$"), plugin.running():
        Refusing(StampError("--a must be b."))(keras.ops.ones((1, 2)))
    with pytest.raises(PluginError, match="raised a StampError without words"), plugin.running():
        Refusing(StampError(""))(keras.ops.ones((1, 2)))
    with pytest.raises(PluginError, match=r"raised RuntimeError: enough; report"), plugin.running():
        Refusing(RuntimeError("enough"))(keras.ops.ones((1, 2)))


def test_what_a_callback_raises_is_the_callers_own(plugin: PluginCode) -> None:
    def stop() -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"), plugin.running():
        of_the_caller(stop)()


def test_a_fault_of_a_built_in_shows_as_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), PluginCode(GROUP, "l1").running():
        _ = 1 / 0


def test_a_built_in_must_not_end_the_program_either() -> None:
    message = "The pruner 'l1' of package stamp-tf must not fail, but raised SystemExit: 0"
    with pytest.raises(PluginError, match=message), PluginCode(GROUP, "l1").running():
        raise SystemExit(0)


def test_a_breach_says_the_rule_and_what_came() -> None:
    error = PluginCode(GROUP, "l1").breach("return a Proposal", in_words(None))
    assert str(error) == (
        "The pruner 'l1' of package stamp-tf must return a Proposal, but returned None; report this to its author."
    )
    assert isinstance(error, StampError)


def test_a_name_that_nobody_declares_has_no_package() -> None:
    assert str(PluginCode(GROUP, "Nobody")) == "The pruner 'Nobody'"
