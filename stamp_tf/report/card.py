"""The model card of a run, as Hugging Face reads it: metadata for programs, then what a person has to know."""

from __future__ import annotations

import re
from typing import Any

import yaml

from stamp_tf.ends import End
from stamp_tf.report.report import Report
from stamp_tf.report.snippets import snippet
from stamp_tf.report.template import render
from stamp_tf.storage.card import MARK

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def render_card(report: Report) -> str:
    """Return the model card: a block of YAML, which Hugging Face's hub reads, and Markdown.

    The licence is left to whoever publishes the network.

    Args:
        report: The figures.
    """
    codes = [
        (file.path, snippet(report.calling, format_name=file.format, path=file.path))
        for file in report.files
        if report.calling
    ]
    return render(
        "card.md",
        report=report,
        metadata=yaml.safe_dump(_metadata(report), allow_unicode=True, sort_keys=False),
        plain=_plain,
        last=report.history[-1],
        per_class=bool(report.calling) and End.from_config(report.calling.get("end")).is_per_class,
        snippets=[(path, code) for path, code in codes if code],
        commands=[entry.command for entry in report.history if entry.command],
        mark=MARK,
    )


def _metadata(report: Report) -> dict[str, Any]:
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"name": report.dataset, "type": report.dataset},
        "metrics": [{"type": "accuracy", "name": "Test accuracy", "value": float(report.test_accuracy)}],
    }
    return {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "keras", "pruning", "stamp-tf"],
        "model-index": [{"name": f"{report.backbone} for {report.dataset}", "results": [result]}],
    }


def _plain(text: object) -> str:
    """Return text that Markdown takes for nothing else."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))
