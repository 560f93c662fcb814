"""What cannot be seen is written as an escape; every script stays readable."""

import os

import pytest

from stamp_tf.printable import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\rc\td\x00\x7f", r"a\nb\rc\td\x00\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("safe\u202egnp.exe", r"safe\u202egnp.exe"),
        ("\u2066a\u2069\u200e\u200b\ufeff", r"\u2066a\u2069\u200e\u200b\ufeff"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text, expected):
    assert printable(text) == expected


@pytest.mark.parametrize(
    "text",
    ["cat", "[red]cat[/]", "Katze süß", "日本語", "\u0645\u06cc\u200c\u062e", "\U0001f469\u200d\U0001f4bb"],
)
def test_names_in_any_script_stay(text):
    assert printable(text) == text


def test_what_is_allowed_stays():
    assert printable("a\nb\x1b", allowed="\n") == "a\nb\\x1b"
