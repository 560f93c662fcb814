"""What `--from` names, read and checked before anything heavy is loaded."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError
from stamp_tf.options.network import NetworkOptions
from stamp_tf.references.pretrained.names import check_name, is_name

if TYPE_CHECKING:
    from stamp_tf.data import DataSet
    from stamp_tf.references.reference import Reference

_DEFAULT_BACKBONE = "vgg19"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A reference network on disk, as its description has it.

    Args:
        path: Run directory or file; None stands for the bundled one.
        backbone: Registered name.
        image_shape: Height, width and depth of an image.
        options: The backbone's further arguments, such as `width`.
        dataset: What the reference was trained on, if it says so.
    """

    path: Path | None
    backbone: str
    image_shape: tuple[int, int, int]
    options: dict[str, Any] = field(default_factory=dict)
    dataset: str | None = None

    def to_config(self) -> dict[str, Any]:
        """Return JSON content for a run's config.json."""
        from stamp_tf.data.origin import absolute_path

        network = {"name": self.backbone, "input_shape": list(self.image_shape), "options": self.options}
        # In full, because the run may be asked for its reference from another folder.
        # A name of a pretrained network is none of a place.
        place = self.path if self.path is None or is_name(self.path) else absolute_path(self.path)
        return {"from": place and str(place), "backbone": network}


def find_source(network: NetworkOptions) -> Source:
    """Read the description of a reference and compare it with the network that was asked for.

    Args:
        network: What was asked for.

    Raises:
        StampError: If there is no reference, the file is damaged or not ours, or it is of another network.
    """
    from stamp_tf.references.bundled import bundled_file
    from stamp_tf.storage.checkpoints import load_metadata
    from stamp_tf.storage.run_directory import reference_file

    bundled, path = network.backbone or _DEFAULT_BACKBONE, network.reference
    with bundled_file(bundled) if path is None else nullcontext(reference_file(path)) as file:
        metadata = load_metadata(file)
        try:
            backbone, description = metadata["backbone"], metadata.get("description", {})
            found = Source(
                path=path,
                backbone=backbone["name"],
                image_shape=tuple(backbone["input_shape"]),
                options=dict(backbone["options"]),
                dataset=description.get("meta_dataset", description.get("dataset")),
            )
        except (KeyError, TypeError, AttributeError):
            raise StampError(
                f"--from must name a reference network, but {file} holds something else; "
                "name the run directory of pretrain or meta-train."
            ) from None
    _compare(found, network)
    return found


def read_model(path: Path, network: NetworkOptions, *, download: bool = False) -> "tuple[Source, Reference]":
    """Read somebody's own model, or a pretrained one, as a reference.

    Args:
        path: Where it lies, or its name.
        network: What was asked for; that it names no other network is checked.
        download: Whether weights of a pretrained one may be fetched.

    Raises:
        StampError: If it is no functional model from images to classes, or another option names a network, too.
    """
    others = {"--from": network.reference, "--backbone": network.backbone, "--width": network.width}
    sized = {} if is_name(path) else {"--image-size": network.image_shape}
    for option, value in (others | sized).items():
        if value is not None:
            raise StampError(f"--model and {option} must not be given together; leave {option} out.")
    from stamp_tf.storage.archives import check_is_file

    with _naming_the_option(path):
        if is_name(path):
            check_name(path, image_shape=network.image_shape, download=download)
        else:
            check_is_file(path)
        load_tensorflow()
        from stamp_tf.references.own_file import own_reference

        reference = own_reference(
            path, pixels=network.pixels, image_shape=network.image_shape, download=download
        )
    backbone = reference.backbone
    found = Source(path=path, backbone=backbone.name, image_shape=backbone.input_shape, options={})
    return _with_pixels(found, reference), reference


@contextmanager
def _naming_the_option(path: Path) -> Iterator[None]:
    """Let what is said of a network begin with the option that named it, where it names none."""
    try:
        yield
    except StampError as error:
        words = str(error)
        if "--" in words.partition(";")[0]:
            raise
        colon = "" if words.startswith(str(path)) else ":"
        raise StampError(f"--model{colon} {words}") from error


def settle_model(
    found: Source, reference: "Reference", dataset: "DataSet", *, seed: int = 0
) -> "tuple[Source, Reference]":
    """Try the scale of pixels of somebody's own model on the data set, where it is not certain.

    Args:
        found: What `read_model` returned.
        reference: The same.
        dataset: The target.
        seed: Decides which images are tried.
    """
    from stamp_tf.pruning.pixel_trial import settle_pixels

    reference = settle_pixels(reference, dataset, seed=seed)
    return _with_pixels(found, reference), reference


def _with_pixels(found: Source, reference: "Reference") -> Source:
    assert reference.pixels is not None  # a model of somebody's own has a scale
    return replace(found, options={**found.options, "pixels": reference.pixels.scale})


def _compare(found: Source, network: NetworkOptions) -> None:
    """Refuse a reference of another backbone, width or input."""
    origin = "the bundled reference" if found.path is None else str(found.path)
    width = found.options.get("width", 1.0)
    size = "x".join(map(str, found.image_shape))
    for option, wanted, has in (
        ("--backbone", network.backbone, found.backbone),
        ("--width", network.width, width),
        ("--image-size", network.image_shape and "x".join(map(str, network.image_shape)), size),
    ):
        if wanted is not None and wanted != has:
            raise StampError(
                f"{option} must be that of the reference, but is {wanted} and {origin} has {has}; "
                f"leave {option} out, or name another reference with --from."
            )
