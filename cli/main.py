"""The command `stamp-tf`: a group that imports a command when it is called."""

from importlib import import_module
from typing import Any

import click

from stamp_cli.errors import edge, no_foreign_exit
from stamp_cli.leaving import leave
from stamp_cli.terminal import bear_any_name
from stamp_cli.verbosity import verbose_option
from stamp_registry import did_you_mean
from stamp_tf import __version__

# name -> (where the click command lives, one line for `stamp-tf --help`). The line is repeated here, so that
# help need not import every command.
COMMANDS = {
    "pretrain": ("stamp_cli.pretrain:command", "Train a reference network that stays prunable."),
    "meta-train": ("stamp_cli.meta_train:command", "Meta-train a reference network and a mask generator."),
    "prune": (
        "stamp_cli.prune:command",
        "Prune a reference network, or your own model, for a data set and fine-tune it.",
    ),
    "shrink": ("stamp_cli.shrink:command", "Make any network smaller, without labels and training."),
    "finetune": ("stamp_cli.finetune:command", "Train a pruned network further."),
    "evaluate": ("stamp_cli.evaluate:command", "Measure a network's accuracy on a data set."),
    "predict": ("stamp_cli.predict:command", "Say which classes pictures are of."),
    "export": ("stamp_cli.export:command", "Write a network in a format for serving or training."),
    "inspect": ("stamp_cli.inspect:command", "Show channel groups, sizes and costs of a network."),
    "compare": (
        "stamp_cli.compare:command",
        "Show which channels runs share and what swapping masks costs.",
    ),
    "benchmark": ("stamp_cli.benchmark:command", "Run a table or figure of the papers again."),
    "plugins": ("stamp_cli.plugins:command", "List every installed plug-in and whether it works."),
}


class LazyGroup(click.Group):
    """A group whose commands are import paths until someone calls them.

    Args:
        targets: Command name -> (`"module:attribute"`, one line of help).
    """

    def __init__(self, *args: Any, targets: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.targets = targets

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.targets:
            return None
        module, _, attribute = self.targets[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not any(parameter.name == "verbose" for parameter in command.params):
            verbose_option(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.targets and not name.startswith("-"):
            raise click.UsageError(f"There is no command {name!r}.{did_you_mean(name, self.targets)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with no_foreign_exit():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.targets.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        # Here and not in a wrapper, so that click's test runner meets the same edge as the shell does.
        with edge():
            outcome = super().main(*args, **{**kwargs, "standalone_mode": False})
        raise SystemExit(outcome if isinstance(outcome, int) else 0)


@click.command(
    cls=LazyGroup,
    targets=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="stamp-tf")
def stamp_tf() -> None:
    """Meta-train a reference network once, then prune it for any data set."""


def main() -> None:
    """Run the command line; never returns."""
    bear_any_name()
    try:
        stamp_tf.main(prog_name="stamp-tf")
    except SystemExit as ended:
        leave(ended)
