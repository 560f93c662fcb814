"""Several budgets or methods of `stamp-tf prune` at once: a network each, and all of them in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stamp_cli.options_file import command_again
from stamp_cli.pruning_task import Task
from stamp_cli.terminal import make_console, say
from stamp_cli.values import typed, typed_texts
from stamp_tf.options.methods import RandomOptions, StampOptions
from stamp_tf.options.option import options_of
from stamp_tf.options.plan import Plan
from stamp_tf.options.prune import PruneConfig

if TYPE_CHECKING:
    from stamp_tf.storage.run_directory import RunDirectory

# Options of methods that have a flag of their own.
_FLAGS = [
    name for kind in (StampOptions, RandomOptions) for name, said in options_of(kind).items() if said.flag
]


def make_all(task: Task, plan: Plan, directory: RunDirectory) -> None:
    """Make the networks of a plan and print what they are worth.

    Args:
        task: What is pruned for what.
        plan: The options.
        directory: Where the folders of the networks lie; the command holds it.
    """
    from stamp_cli.report_tables import sweep_table
    from stamp_tf.storage.claims import recording
    from stamp_tf.sweeping.run_sweep import Writing, run_sweep

    texts = typed_texts(click.get_current_context())

    def own(config: PruneConfig) -> dict[str, Any]:
        """Return what stands for lists, and which options of methods are those of this one."""
        own = {name: texts[name][values.index(getattr(config, name))] for name, values in plan.lists.items()}
        given = click.get_current_context().params["options"]
        options = tuple((name, value) for name, value in given if name in config.options)
        return {**own, "options": options, **{name: None for name in _FLAGS if name not in config.options}}

    writing = Writing(
        record=task.record_of,
        outcome=task.outcome,
        resume=task.run.resume,
        overwrite=task.run.overwrite,
        command=typed(),
        command_of=lambda config, run: command_again(**own(config), run_dir=run.path),
        options=lambda config: task.options_of(config, **own(config)),
        watch=task.watch,
    )
    lists = {name: texts[name] for name in plan.lists}
    before = _written(directory)
    with recording(directory, task.options_of(plan.config, **lists)):
        sweep = run_sweep(directory, plan, writing, settle=lambda: task.settle(plan.config))
    if before is not None and before == _written(directory):
        say(f"{directory.path} is finished; nothing was changed.")
        say("")
    make_console().print(sweep_table(sweep))
    say("")
    say(f"Report       {directory.report_html}")
    say(f"Networks     {directory.path / plan.names[0]} and {len(plan.names) - 1} more beside it")


def _written(directory: RunDirectory) -> int | None:
    """Return when the report of a sweep was written, in ns; None where there is none."""
    path = directory.report_json
    return path.stat().st_mtime_ns if path.exists() else None
