"""Options of a run, as a command would hand them over."""

CONFIG = {
    "command": "pretrain",
    "dataset": "digits",
    "width": 0.25,
    "budgets": (0.06, 1.0),
    "options": {"a": 1},
}
