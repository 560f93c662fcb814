"""The network that a run was cut from."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stamp_tf.errors import StampError
from stamp_tf.pruned_runs.masks import RunMasks
from stamp_tf.references.find import find_reference
from stamp_tf.references.fingerprint import fingerprint
from stamp_tf.references.own_file import is_own
from stamp_tf.references.pixels.choice import PIXELS, STANDARDIZED
from stamp_tf.references.reference import Reference


def reference_of_run(run: RunMasks, *, option: str) -> Reference:
    """Load what a run was cut from, from where the run found it.

    Args:
        run: Its masks.
        option: What needs the reference, for messages.

    Raises:
        StampError: If it is not there any more.
    """
    source, network = run.config.get("from"), run.config.get("backbone")
    pixels, shape = None, None
    if source is not None and is_own(source) and isinstance(network, Mapping):
        # As it was settled then; a scale of another name is one that the file itself knows.
        named = network.get("options", {}).get("pixels")
        pixels = named if named in (*PIXELS, STANDARDIZED) else None
        height, width, depth = network["input_shape"]
        shape = (height, width, depth)
    try:
        return find_reference(source, backbone=run.backbone["name"], pixels=pixels, image_shape=shape)
    except StampError as error:
        raise StampError(
            f"{option} needs the reference of {run.run.path}, but it cannot be loaded ({str(error).rstrip('.')}); "
            f"name it with `reference`, or leave {option} out."
        ) from error


def check_cut_from(run: RunMasks, reference: Reference, *, option: str) -> None:
    """Refuse a reference whose channels a run's masks do not number.

    Args:
        run: Its masks.
        reference: What it is to be cut from.
        option: What needs the reference, for messages.

    Raises:
        StampError: If it is another one.
    """
    backbone = reference.backbone.with_num_classes(run.backbone["num_classes"]).to_config()
    # JSON knows no tuples.
    is_alike = json.loads(json.dumps(backbone)) == run.backbone
    digits = fingerprint(reference)
    if not is_alike or run.reference not in (None, digits):
        raise StampError(
            f"{option} needs the reference that {run.run.path} was cut from ({run.reference or backbone['name']}), "
            f"but found another one ({digits}); name the right one with `reference`, or leave {option} out."
        )
