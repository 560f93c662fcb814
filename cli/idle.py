"""Which options do nothing beside which others, command by command."""

from stamp_cli.command import Idle, Reason, Values, without
from stamp_tf.limits.kinds import TIMED, any_of
from stamp_tf.references.pretrained.names import is_name

# Sets that lie on this machine, and how: neither fetched nor kept by TensorFlow Datasets.
_LOCAL = ("digits", "folder", "npz", "rendered")
_WITHOUT_FILES = ("digits", "npz", "rendered")


def _kind(values: Values) -> str:
    return str(values["dataset"] or "").partition(":")[0]


def _not_fetched(values: Values) -> Reason | None:
    needs, kind = "a set of TensorFlow Datasets or of a plug-in", _kind(values)
    return (needs, f"--dataset is {values['dataset']}", "name another") if kind in _LOCAL else None


def _no_weights(values: Values) -> Reason | None:
    if is_name(str(values["model"])):
        return None
    reason = _not_fetched(values)
    return reason and (f"{reason[0]}, or a pretrained --model", *reason[1:])


def _not_in_files(values: Values) -> Reason | None:
    needs, kind = "images in files of their own, as in folder:PATH", _kind(values)
    return (needs, f"--dataset is {values['dataset']}", "name another") if kind in _WITHOUT_FILES else None


def _no_steps(values: Values) -> Reason | None:
    is_idle = values["epochs"] == 0 and not values["epochs_prune"]
    return ("steps of training", "--finetune-epochs is 0", "raise it") if is_idle else None


def _nothing_held_out(values: Values) -> Reason | None:
    if values["val_split"] is None:
        return "--val-split", "it is not given", "add --val-split"
    return (
        None if values["val_split"] else ("--val-split", "it is 0 and holds out no image", "raise it to 20%")
    )


def _no_finetuning(values: Values) -> Reason | None:
    return ("fine-tuning", "--finetune-epochs is 0", "raise it") if values["epochs"] == 0 else None


def _no_budget_epochs(values: Values) -> Reason | None:
    return ("epochs at budgets", "--budget-epochs is 0", "raise it") if values["budget_epochs"] == 0 else None


def _no_plain_epochs(values: Values) -> Reason | None:
    return (
        ("epochs of the full network alone", "--epochs is 0", "raise it") if values["epochs"] == 0 else None
    )


def _no_budgets(values: Values) -> Reason | None:
    return ("--sparsity budgets", "--sparsity is kl", "change it") if values["sparsity"] == "kl" else None


def _no_prior(values: Values) -> Reason | None:
    return (
        ("--sparsity kl", "--sparsity is budgets", "change it") if values["sparsity"] == "budgets" else None
    )


def _nothing_timed(values: Values) -> Reason | None:
    is_timed = any(values[kind.name] for kind in TIMED)
    return None if is_timed else (any_of(TIMED), "it is not given", f"add {any_of(TIMED)}")


def _has_its_size(values: Values) -> Reason | None:
    is_open = values["backbone"] or is_name(str(values["network_path"]))
    return None if is_open else ("--backbone or a pretrained network", "neither is given", "add one")


def _not_pretrained(values: Values) -> Reason | None:
    found = f"NETWORK is {values['network']}"
    return None if is_name(str(values["network"])) else ("a pretrained network", found, "name one")


_PLACES = (Idle(("data_dir",), _not_fetched), Idle(("skip_corrupt",), _not_in_files))
DATASET = (Idle(("download",), _not_fetched), *_PLACES)
VALIDATION = (Idle(("keep_epoch", "patience"), _nothing_held_out),)
DISTILL = (Idle(("distill_temperature",), without("--distill", "distill")),)
FINETUNE = (*DATASET, *DISTILL, *VALIDATION, Idle(("reference",), without("--distill", "distill")))
PRETRAIN = (
    *DATASET,
    Idle(("budgets", "budget_learning_rate"), _no_budget_epochs),
    Idle(("learning_rate",), _no_plain_epochs),
)
META_TRAIN = (
    *DATASET,
    Idle(("budgets",), _no_budgets),
    Idle(("kl_scale",), _no_prior),
)
EXPORT = (Idle(("compress_epochs",), without("--compress", "compress")),)
PRUNE = (
    Idle(("download",), _no_weights),
    *_PLACES,
    Idle(("latency_batch",), _nothing_timed),
    Idle(
        (
            "batch_size",
            "done_at_loss",
            "learning_rate",
            "schedule",
            "clip_norm",
            "mixed_precision",
            "distill",
            "batch_norm",
            "baseline",
            "class_weights",
            "augment",
            "keep_epoch",
            "patience",
        ),
        _no_finetuning,
    ),
    Idle(("val_split",), lambda values: _no_finetuning(values) if values["val_split"] else None),
    *DISTILL,
    *VALIDATION,
    *EXPORT,
    Idle(("flip", "tensorboard"), _no_steps),
    Idle(("pixels",), without("--model", "model")),
    Idle(("resume", "overwrite"), without("--run-dir", "run_dir")),
)
COMPARE = (
    Idle(("reference",), without("--swap", "swap")),
    Idle(("overwrite",), without("--output", "output")),
)
SHRINK = (Idle(("download", "image_shape"), _not_pretrained),)
INSPECT = (
    Idle(("classes", "width"), without("--backbone", "backbone")),
    Idle(("image_shape",), _has_its_size),
    Idle(("overwrite",), without("--html", "html")),
    Idle(("dataset",), without("NETWORK", "network_path")),
    Idle(("data_dir", "download", "skip_corrupt", "pixels", "seed"), without("--dataset", "dataset")),
    *_PLACES,
)
