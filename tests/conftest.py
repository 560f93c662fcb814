"""A strict runner: seeded, two logical devices, no silent AutoGraph fall-back; and made-up plug-ins."""

import contextlib
import gc
import importlib
import importlib.util
import io
import logging
import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from stamp_cli.flags import in_flags, speak_for
from stamp_tf.notation import in_python, speaking

PluginMaker = Callable[..., Path]


def pytest_configure() -> None:
    # Collection imports Keras, which reads its backend once. The suite is about the TensorFlow backend.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collection_finish() -> None:
    # Devices can be divided only before TensorFlow first uses them; by now collection has imported it if any
    # selected test needs it.
    if "tensorflow" in sys.modules:
        divide_cpu()
    # What was imported stays; searching it again and again for garbage is a tenth of the suite's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def divide_cpu() -> None:
    """Make one CPU look like two devices, for tests about replicas."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    if tf.config.get_logical_device_configuration(cpu) is None:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture
def two_cpus() -> tuple[str, str]:
    """Names of two devices, as `tf.distribute.MirroredStrategy` takes them."""
    divide_cpu()
    return "CPU:0", "CPU:1"


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Start every test from the same random state; Keras is seeded only where it is loaded."""
    random.seed(0)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
    elif "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)


@pytest.fixture(scope="session")
def set_precision() -> Callable[[str], None]:
    """Set the type of numbers and the policy of layers, which Keras makes from it only the first time."""

    def set_both(floatx: str) -> None:
        import keras

        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(floatx)

    return set_both


@pytest.fixture
def float64(set_precision: Callable[[str], None]) -> Iterator[None]:
    """Compute in double precision, where rounding hides nothing."""
    set_precision("float64")
    yield
    set_precision("float32")


@pytest.fixture(autouse=True)
def no_autograph_fall_back() -> Iterator[None]:
    """Fail a test in which TensorFlow gave up converting a function and went on without."""
    messages: list[str] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "AutoGraph could not transform" in record.getMessage():
                messages.append(record.getMessage())

    recorder = Recorder()
    logger = logging.getLogger("tensorflow")
    logger.addHandler(recorder)
    yield
    logger.removeHandler(recorder)
    assert not messages, messages[0]


@pytest.fixture(autouse=True)
def messages_as_typed() -> Iterator[None]:
    """Let messages name options, as the command line does."""
    speak_for(None)
    with speaking(in_flags):
        yield


@pytest.fixture
def messages_in_python(messages_as_typed) -> Iterator[None]:
    """Let messages name arguments, as they do when the library is called from Python."""
    with speaking(in_python):
        yield


@pytest.fixture(scope="session")
def eager_steps() -> Callable[[], AbstractContextManager[None]]:
    """Run steps operation by operation: `with eager_steps(): ...`; compiling one takes longer than a few of them.

    The same operations are run. That they can be compiled and traced once is for tests of the steps themselves.
    """

    @contextmanager
    def eagerly() -> Iterator[None]:
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)

    return eagerly


@pytest.fixture
def run_page() -> Callable[[Path], tuple[dict[str, Any], int]]:
    """Run a page's Python in the order given; returns its names, and how many blocks printed what the page shows.

    A block is fenced; the indented lines right behind it, but for commands, are what it prints.
    """
    pattern = re.compile(r"^```python\n(.*?)^```\n(?:\n((?:    [^\n]*\n)+))?", re.DOTALL | re.MULTILINE)

    def run(page: Path) -> tuple[dict[str, Any], int]:
        names: dict[str, Any] = {"__name__": page.stem}
        shown = 0
        for number, (source, output) in enumerate(pattern.findall(page.read_text())):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(source, f"{page.name}, block {number}", "exec"), names)
            if output and not output.startswith("    stamp-tf"):
                assert printed.getvalue() == "".join(line[4:] + "\n" for line in output.splitlines())
                shown += 1
        return names, shown

    return run


@pytest.fixture
def profiled_flops() -> Callable[..., int]:
    """TensorFlow's own count of a network's multiply-adds, see `independent_flops.py`."""
    # Test files lie on no path to import from.
    path = Path(__file__).with_name("independent_flops.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.profiled_flops


@pytest.fixture
def make_report() -> Callable[..., Any]:
    """Return a maker of reports of a toy run on `digits`, whose other figures are keywords."""
    from stamp_tf.report.report import Report

    usual = {"method": "stamp", "backbone": "toy", "dataset": "digits", "seed": 0, "test_accuracy": 0.5}
    usual |= {"params": 1, "full_params": 4, "flops": 1, "full_flops": 10, "seconds": 3.0}
    return lambda **figures: Report(**usual | figures)


@pytest.fixture
def make_step() -> Callable[..., Any]:
    """Return a maker of steps of a toy run's history, whose figures are keywords."""
    from stamp_tf.report.history import HistoryEntry

    usual = {"step": "prune", "command": "", "dataset": "digits", "path": None, "digest": None}
    usual |= {
        "train_images": 9,
        "test_images": 9,
        "test_accuracy": 0.5,
        "epochs": 1,
        "time": "",
        "seconds": 1.0,
    }
    return lambda **figures: HistoryEntry(**usual | figures)


@pytest.fixture
def residual_network() -> Any:
    """A convolution, a normalisation with moved statistics, a residual sum and three classes."""
    import keras

    image = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv1")(image)
    x = keras.layers.BatchNormalization(moving_mean_initializer="ones", name="bn1")(x)
    x = keras.layers.Activation("relu", name="relu1")(x)
    x = keras.layers.Add(name="add")([x, keras.layers.Conv2D(4, 3, padding="same", name="conv2")(x)])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(image, keras.layers.Dense(3, name="head")(x), name="toy")


def write_package(site: Path, name: str, *, entry_points: dict[str, list[str]], source: str) -> Path:
    """Write a distribution of one module, called like it with underscores, into a folder for the import path."""
    module = name.replace("-", "_")
    metadata = site / f"{module}-1.2.3.dist-info"
    metadata.mkdir(parents=True)
    metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
    sections = ["\n".join([f"[{group}]", *lines, ""]) for group, lines in entry_points.items()]
    metadata.joinpath("entry_points.txt").write_text("\n".join(sections))
    site.joinpath(f"{module}.py").write_text(source)
    return site


@pytest.fixture(scope="session")
def toy_package(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a package of toy backbones, which they are and are called, and of anything more.

    For example `toy_package("toynets", {"toy": "strided"})`, the folder of which is then put `on_path`.
    """

    def write(
        name: str, backbones: dict[str, str], *, more: dict[str, list[str]] | None = None, source: str = ""
    ) -> Path:
        module = name.replace("-", "_")
        lines = [f"{called} = {module}:{function}" for called, function in backbones.items()]
        return write_package(
            tmp_path_factory.mktemp("site"),
            name,
            entry_points={"stamp_tf.backbones": lines, **(more or {})},
            source=Path(__file__).with_name("toy_backbones.py").read_text() + source,
        )

    return write


@pytest.fixture(scope="session")
def on_path() -> Callable[[Path], AbstractContextManager[None]]:
    """Put a folder in front of the import path: `with on_path(site): ...`."""

    @contextmanager
    def in_front(site: Path) -> Iterator[None]:
        sys.path.insert(0, str(site))
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(str(site))

    return in_front


@pytest.fixture(scope="module")
def backbones(
    toy_package: Callable[..., Path], on_path: Callable[[Path], AbstractContextManager[None]]
) -> Iterator[None]:
    """Register `tiny`, `unnamed` and `dropping` for the tests of a file."""
    site = toy_package("toy-backbones", {name: name for name in ("tiny", "unnamed", "dropping")})
    with on_path(site):
        yield
    sys.modules.pop("toy_backbones", None)


@pytest.fixture
def make_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginMaker]:
    """Install a package made of one module and some entry points, for the length of a test.

    The maker takes the distribution's name, a dict of group -> lines such as `"name = module:attribute"`, and
    the source of the module, which is called like the distribution with underscores.
    """
    modules = []

    def make(name: str, entry_points: dict[str, list[str]], source: str = "") -> Path:
        site = write_package(tmp_path / "site" / name, name, entry_points=entry_points, source=source)
        modules.append(name.replace("-", "_"))
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        return site

    yield make
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights, which Keras and we look into."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    (tmp_path / "home/models").mkdir(parents=True)
    return tmp_path / "home/models"


def tiny_application(*, weights=None, input_shape=None, is_flat: bool = False) -> Any:
    """A MobileNetV2, as far as its name goes."""
    import keras
    from keras import layers

    if weights == "imagenet":
        raise OSError("URL fetch failure: no such host")
    if input_shape is not None and input_shape[0] < 8:
        raise ValueError("Input size must be at least 8x8.")
    image = keras.Input(input_shape or (24, 24, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="stem")(image)
    x = layers.Conv2D(8, 3, activation="relu", name="body")(x)
    x = layers.Flatten()(x) if is_flat else layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(1000, activation="softmax", name="predictions")(x), name="tiny")


@pytest.fixture
def publish(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Let MobileNetV2 be a toy, and put weights of it into the cache."""
    import keras

    from stamp_tf.references.pretrained.weight_files import weight_file

    def published(*, is_flat: bool = False) -> Any:
        def application(**options) -> Any:
            return tiny_application(is_flat=is_flat, **options)

        application.__module__ = keras.applications.MobileNetV2.__module__
        monkeypatch.setattr(keras.applications, "MobileNetV2", application)
        keras.utils.set_random_seed(1)
        model = application()
        model.save(weight_file("MobileNetV2"))
        return model

    return published
