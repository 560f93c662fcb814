"""An option of a pruner is one field: what else knows it follows."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from stamp_tf.errors import StampError
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import option
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning import choose
from stamp_tf.pruning.choose import choose_pruner
from stamp_tf.pruning.pruner import Pruner


@dataclass(frozen=True, kw_only=True)
class StepOptions(PrunerOptions):
    """Options of steps."""

    steps: int = option(4, least=1, help="How many.")
    order: Literal["up", "down"] = option("up", help="Where to.")


class Stepping(Pruner):
    """Has nothing but options."""

    needs_budget = False
    options = StepOptions

    def propose(self, problem: Any) -> Any: ...


def chosen(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Pruner:
    monkeypatch.setattr(choose.stamp_registry, "load", lambda group, name: Stepping)
    return choose_pruner(PruneConfig(method="l1", options=options))


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"steps": 0}, "--method-option steps must be at least 1, but is 0; 4 is the default"),
        ({"steps": "many"}, "--method-option steps must be a whole number, but is 'many'"),
        (
            {"order": "left"},
            "--method-option order must be 'up' or 'down', but is 'left' .*'up' is the default",
        ),
        ({"step": 1}, "takes steps, order, but got step; .* Did you mean 'steps'"),
    ],
)
def test_name_type_range_and_default_come_from_the_field(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], refusal: str
) -> None:
    with pytest.raises(StampError, match=refusal):
        chosen(monkeypatch, **options)


def test_what_the_field_allows_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(chosen(monkeypatch, steps=1, order="down"), Stepping)
