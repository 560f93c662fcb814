"""Meta-train a reference network once, then prune it for any data set.

The names below are imported when they are first used, so that `import stamp_tf` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "load_dataset": "stamp_tf.data.load",
    "load_network": "stamp_tf.references.load_network",
    "pretrain": "stamp_tf.training.pretrain",
    "meta_train": "stamp_tf.meta.meta_train",
    "prune": "stamp_tf.pruning.prune",
    "sweep": "stamp_tf.sweeping.sweep",
    "shrink": "stamp_tf.shrinking",
    "finetune": "stamp_tf.training.finetune",
    "measure_latency": "stamp_tf.measure.speed",
    "evaluate": "stamp_tf.pruned_runs.evaluate",
    "predict": "stamp_tf.serving.predict",
    "inspect": "stamp_tf.inspection.inspect",
    "compare": "stamp_tf.comparison.compare",
    # Not `export`: that is the sub-package, and importing it would hide a function of the same name.
    "export_run": "stamp_tf.pruned_runs.write",
    "trace_channels": "stamp_tf.channels.trace",
    "remove_channels": "stamp_tf.channels.remove",
    "DataSet": "stamp_tf.data.dataset",
    "PretrainConfig": "stamp_tf.options.pretrain",
    "MetaTrainConfig": "stamp_tf.options.meta_train",
    "PruneConfig": "stamp_tf.options.prune",
    "FinetuneConfig": "stamp_tf.options.finetune",
    "ShrinkConfig": "stamp_tf.options.shrink",
    "StampError": "stamp_tf.errors",
}

__all__ = [
    "DataSet",
    "FinetuneConfig",
    "MetaTrainConfig",
    "PretrainConfig",
    "PruneConfig",
    "ShrinkConfig",
    "StampError",
    "__version__",
    "compare",
    "evaluate",
    "export_run",
    "finetune",
    "inspect",
    "load_dataset",
    "load_network",
    "measure_latency",
    "meta_train",
    "predict",
    "pretrain",
    "prune",
    "remove_channels",
    "shrink",
    "sweep",
    "trace_channels",
]


def __getattr__(name: str) -> Any:
    """Import a public function when it is first used (PEP 562)."""
    if name not in _LAZY:
        from stamp_registry import did_you_mean

        raise AttributeError(f"module 'stamp_tf' has no attribute {name!r}.{did_you_mean(name, __all__)}")
    try:
        value = getattr(import_module(_LAZY[name]), name)
    except ImportError as error:
        from stamp_tf.without_tensorflow import is_missing_tensorflow, missing_tensorflow

        if not is_missing_tensorflow(error):
            raise
        raise missing_tensorflow(f"stamp_tf.{name}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
