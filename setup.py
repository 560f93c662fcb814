"""The package stamp-tf: what it holds, what it needs, what it plugs in."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "stamp_tf/__init__.py").read_text(), re.M).group(1)

# Built-ins enter by the same door as third-party packages.
PLUGINS = {
    "stamp_tf.backbones": [
        "vgg19 = stamp_tf.backbones.vgg:vgg19",
        "resnet18 = stamp_tf.backbones.resnet:resnet18",
    ],
    "stamp_tf.set_encoders": [
        "set-transformer = stamp_tf.set_encoders.set_transformer:SetTransformer",
        "deep-sets = stamp_tf.set_encoders.deep_sets:DeepSets",
        "neural-statistician = stamp_tf.set_encoders.neural_statistician:NeuralStatistician",
    ],
    "stamp_tf.mask_generators": [
        "beta-bernoulli = stamp_tf.layers.beta_bernoulli:BetaBernoulli",
        "score = stamp_tf.layers.score_generator:ScoreGenerator",
    ],
    "stamp_tf.pruners": [
        "stamp = stamp_tf.pruning.stamp:Stamp",
        "random = stamp_tf.baselines.random:RandomChannels",
        "l1 = stamp_tf.baselines.l1:L1Norm",
        "l2 = stamp_tf.baselines.l2:L2Norm",
        "batch-norm = stamp_tf.baselines.batch_norm:BatchNormScale",
        "taylor = stamp_tf.baselines.taylor:Taylor",
        "auto = stamp_tf.baselines.auto:Auto",
        "remaining-error = stamp_tf.baselines.remaining_error:RemainingError",
        "snip-channels = stamp_tf.baselines.snip_channels:SnipChannels",
        "ifp = stamp_tf.baselines.ifp:Ifp",
        "mvp = stamp_tf.baselines.mvp:Mvp",
        "snip = stamp_tf.baselines.snip:Snip",
        "snip-pretrained = stamp_tf.baselines.snip:SnipPretrained",
        "edge-popup = stamp_tf.baselines.edge_popup:EdgePopup",
        "bbdropout = stamp_tf.baselines.bbdropout:BBDropout",
        "metapruning = stamp_tf.baselines.metapruning:MetaPruning",
        "iht-reptile = stamp_tf.baselines.iht_reptile:IhtReptile",
        "full = stamp_tf.baselines.full:Full",
        "uniform-l1 = stamp_tf.baselines.aliases:UniformL1",
        "stamp-structure = stamp_tf.baselines.aliases:StampStructure",
    ],
    "stamp_tf.datasets": [
        "classes = stamp_tf.data.some_classes:classes",
        "digits = stamp_tf.data.digits:digits",
        "folder = stamp_tf.data.folder:folder",
        "npz = stamp_tf.data.npz:npz",
        "rendered = stamp_tf.data.rendered:rendered",
        "tfds = stamp_tf.data.tfds:tfds",
    ],
    # Layers of keras.applications that Keras does not export.
    "stamp_tf.channel_rules": [
        "keras.src.applications.convnext.LayerScale = stamp_tf.channels.rules.vectors:layer_scale",
        "keras.src.applications.convnext.StochasticDepth = stamp_tf.channels.rules.shapes:keep",
        "keras.src.applications.inception_resnet_v2.CustomScaleLayer = stamp_tf.channels.rules.shapes:merge",
    ],
    "stamp_tf.exporters": [
        "saved-model = stamp_tf.export.saved_model:export_saved_model",
        "keras = stamp_tf.export.keras_file:export_keras",
        "litert = stamp_tf.export.litert:export_litert",
        "litert-dynamic = stamp_tf.export.litert_dynamic:export_litert_dynamic",
        "litert-int8 = stamp_tf.export.litert_int8:export_litert_int8",
        "onnx = stamp_tf.export.onnx_file:export_onnx",
        "openvino = stamp_tf.export.openvino_folder:export_openvino",
        "demo = stamp_tf.export.demo:export_demo",
    ],
    # One a format, by the name of its exporter.
    "stamp_tf.readers": [
        "saved-model = stamp_tf.serving.saved_model:read_saved_model",
        "litert = stamp_tf.serving.litert_file:read_litert",
        "litert-dynamic = stamp_tf.serving.litert_file:read_litert",
        "litert-int8 = stamp_tf.serving.litert_file:read_litert",
        "onnx = stamp_tf.serving.onnx_file:read_onnx",
        "openvino = stamp_tf.serving.openvino_folder:read_openvino",
        "demo = stamp_tf.serving.demo_page:read_demo",
        "keras = stamp_tf.serving.keras_file:read_keras",
    ],
}

# What writes and reads the files that leave a run; TensorFlow itself writes those of LiteRT.
FORMATS = {
    "litert": ["ai-edge-litert>=2.1"],
    "onnx": ["onnx>=1.19", "tf2onnx>=1.17", "onnxruntime>=1.23"],
    "openvino": ["openvino>=2025.4"],
}

setup(
    name="stamp-tf",
    version=VERSION,
    description="Meta-train a reference network once, then prune it for any data set in seconds.",
    license="Apache-2.0",
    python_requires=">=3.11",
    # The two folders get longer import names, so that nothing generic lands in site-packages.
    packages=[*find_packages(include=["stamp_tf", "stamp_tf.*"]), "stamp_cli", "stamp_registry"],
    package_dir={"stamp_cli": "cli", "stamp_registry": "registry"},
    package_data={
        "stamp_tf": [
            *(f"references/bundled/*.{suffix}" for suffix in ("npz", "json", "md")),
            "report/templates/*.html",
            "report/templates/*.md",
            "export/onnxruntime_web/*",
            "benchmarking/suites/*.toml",
        ]
    },
    install_requires=[
        "tensorflow>=2.21,<3",
        "keras>=3.15,<4",
        "tensorflow-datasets>=4.9.10",
        "importlib_resources>=6",  # tensorflow-datasets imports it without declaring it
        "numpy>=1.26",
        "click>=8.2",
        "rich>=13.9",
        "jinja2>=3.1",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        "pillow>=11",
        "PyYAML>=6",  # files of options
        "h5py>=3.11",  # whole models in the format of Keras 2
        "msgspec>=0.19",  # one parser with a schema for every JSON file of a run
    ],
    extras_require={
        **FORMATS,
        # It refuses models of Keras 3 and asks for an older absl-py: best in an environment of its own.
        "tfmot": ["tensorflow-model-optimization>=0.8.1,<0.9", "tf_keras>=2.21,<3"],
        "tensorboard": ["tensorboard>=2.20"],
        "benchmarks": ["matplotlib>=3.9"],
        "hub": ["keras-hub>=0.32"],  # pretrained image classifiers, `--model hub:PRESET`
        "fonts": ["matplotlib>=3.9"],  # it brings fonts along, for the data set that is drawn
        # JAX, because the core runs on it too and has to give the same numbers.
        "test": [
            "pytest>=8.3",
            "pytest-xdist>=3.6",
            "setuptools>=77",
            "wheel>=0.45",
            "jax>=0.10,<1",
            "matplotlib>=3.9",
            "keras-hub>=0.32",  # architectures that the tracer has to know its way through
            *(requirement for requirements in FORMATS.values() for requirement in requirements),
        ],
        "dev": ["ruff>=0.12", "mypy>=1.15", "pre-commit>=4", "tox>=4.25"],
    },
    entry_points={"console_scripts": ["stamp-tf = stamp_cli.main:main"], **PLUGINS},
)
