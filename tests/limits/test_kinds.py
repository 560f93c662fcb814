"""Each kind of limit: what is typed, what it means, how it is said; and the options that are made of all."""

import dataclasses
import math
import subprocess
import sys

import pytest

from stamp_tf.channels import Budget
from stamp_tf.errors import StampError
from stamp_tf.limits.kind import LimitKind
from stamp_tf.limits.kinds import KINDS, any_of, limits_in_words
from stamp_tf.options.forms import BUDGET_RANGE, PART
from stamp_tf.options.limits import LimitFields
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.config import budget_of

EXAMPLES = {
    "keep_params": ("0.25", 0.25, "0.25", 0.25),
    "max_flops": ("1", 1.0, "1", 1.0),
    "max_memory": ("3kB", 3000.0, "3.00 kB", "3.00 kB"),
    "max_latency": ("10 ms", 0.01, "10.0 ms", "10.0 ms"),
}
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@each_kind
def test_what_is_typed_is_read_and_said_again(kind: LimitKind) -> None:
    typed, value, in_words, in_report = EXAMPLES[kind.name]
    assert kind.parse(typed) == pytest.approx(value)
    assert kind.in_words(value) == in_words
    assert kind.in_report(value) == in_report
    assert kind.parse(kind.as_typed(value)) == pytest.approx(value)


@pytest.mark.parametrize("text", ["0.125", ".125", "12.5%", " 12.5 % "])
def test_a_fraction_may_be_typed_in_per_cent(text: str) -> None:
    assert [kind.parse(text) for kind in KINDS if kind.name in ("keep_params", "max_flops")] == [0.125, 0.125]
    assert PART.read(text) == 0.125
    assert BUDGET_RANGE.read(f"{text}:100%") == (0.125, 1.0)


@each_kind
@pytest.mark.parametrize("text", ["", "much", "0", "-1", "nan", "1e999"])
def test_what_is_no_limit_is_refused_with_what_would_be_one(kind: LimitKind, text: str) -> None:
    with pytest.raises(ValueError, match=rf"^'{text}' must be .*\.$"):
        kind.parse(text)


@each_kind
@pytest.mark.parametrize("value", [0, -0.1, math.nan, math.inf])
def test_a_number_out_of_range_is_refused_with_the_rule(kind: LimitKind, value: float) -> None:
    with pytest.raises(
        StampError, match=f"--{kind.name.replace('_', '-')} must be {kind.rule}, but got {value:g}"
    ):
        Budget(**{kind.name: value})


def test_a_kind_that_is_not_there_is_refused() -> None:
    with pytest.raises(
        StampError, match=r"A budget must be made of keep_params, .* but got max_flop; .*'max_flops'"
    ):
        Budget(max_flop=0.5)


def test_a_budget_lists_its_limits_in_one_order() -> None:
    budget = Budget(max_latency=0.1, max_flops=0.5, keep_params=None)
    assert [limit.kind.name for limit in budget.limits] == ["max_flops", "max_latency"]
    assert [kind.name for kind, _ in budget.counted] == ["max_flops"]
    assert [kind.name for kind, _ in budget.timed] == ["max_latency"]
    assert budget == Budget(max_flops=0.5, max_latency=0.1) != Budget(max_flops=0.5)
    assert budget.of_training == (math.inf, 0.5)


def test_options_hold_a_field_for_each_kind() -> None:
    assert [field.name for field in dataclasses.fields(LimitFields)] == [kind.name for kind in KINDS]
    config = PruneConfig(max_flops=0.5, max_memory=1000)
    assert budget_of(config) == Budget(max_flops=0.5, max_memory=1000)
    assert budget_of(dataclasses.replace(config, max_flops=None)) == Budget(max_memory=1000)


def test_limits_are_said_by_what_they_limit() -> None:
    config = {"method": "l1", "max_flops": 0.25, "max_memory": None, "max_latency": 0.012}
    assert limits_in_words(config) == {"FLOPs": "0.25", "latency": "12.0 ms"}


def test_options_are_listed_in_a_sentence() -> None:
    assert any_of(KINDS[:1]) == "`keep_params`"
    assert any_of(KINDS[:3]) == "`keep_params`, `max_flops` or `max_memory`"


def test_declarations_are_light() -> None:
    code = "import sys, stamp_tf.limits.kinds; print(sorted({'keras', 'numpy', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
