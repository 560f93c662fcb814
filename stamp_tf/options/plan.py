"""Options of several runs of pruning: lists of limits and methods, each combination a run."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS
from stamp_tf.options.fields import overridden
from stamp_tf.options.option import options_of
from stamp_tf.options.prune import PruneConfig

_KINDS = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be pruned: one run, or several that differ in their limits and methods.

    Args:
        configs: The options of each run.
        lists: Field -> its values, of the fields that were given as lists; empty for one run.
    """

    configs: tuple[PruneConfig, ...]
    lists: Mapping[str, tuple[Any, ...]]

    @property
    def config(self) -> PruneConfig:
        """The options of the first run; but for the lists they are those of all."""
        return self.configs[0]

    @property
    def names(self) -> tuple[str, ...]:
        """What tells each run from the others, such as `flops-0.5` or `l1-flops-0.5`."""
        named = ("-".join(self._named(name, config) for name in self.lists) for config in self.configs)
        return tuple(re.sub(r"[^\w.+-]+", "-", name) for name in named)

    def replaced(self, **fields: Any) -> Plan:
        """Return the same with other values of fields that are no lists."""
        return dataclasses.replace(
            self, configs=tuple(dataclasses.replace(config, **fields) for config in self.configs)
        )

    @staticmethod
    def _named(name: str, config: PruneConfig) -> str:
        value = getattr(config, name)
        if name not in _KINDS:
            return str(value)
        return f"{name.rpartition('_')[2]}-{_KINDS[name].as_typed(value)}"


def plan_of(config: PruneConfig | None, overrides: Mapping[str, Any]) -> Plan:
    """Return the runs that are asked for: one, or each combination of the values of lists.

    Args:
        config: Options; None takes the defaults.
        overrides: Fields of `PruneConfig`. Limits and the method may be lists, of which every value makes a run.

    Raises:
        StampError: If there is no such field, a value does not fit, or a list is empty or holds a value twice.
    """
    # The method first, so that runs of one stand together.
    swept = sorted(
        (name for name, said in options_of(PruneConfig).items() if said.is_swept),
        key=lambda name: name in _KINDS,
    )
    lists = {name: tuple(overrides[name]) for name in swept if isinstance(overrides.get(name), list | tuple)}
    for name, values in lists.items():
        if not values:
            raise StampError(f"`{name}` must hold at least one value, but the list is empty; add one.")
        if None in values:
            raise StampError(f"`{name}` must hold values, but one of the list is None; leave it out.")
    plan = Plan(
        configs=tuple(
            overridden(config, {**overrides, **dict(zip(lists, values, strict=True))}, kind=PruneConfig)
            for values in itertools.product(*lists.values())
        ),
        lists=lists,
    )
    if len(set(plan.names)) < len(plan.names):
        twice = next(name for name in plan.names if plan.names.count(name) > 1)
        raise StampError(f"Every run must be another one, but {twice} comes twice; leave one out.")
    return plan
