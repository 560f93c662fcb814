#!/usr/bin/env bash
# Puts what a machine with JAX and Python 3.12, but without Keras and network, needs into two folders of at most
# 64 MiB: wheels, the package as it is built, and the packed images. DATA holds NAME.part1of2.zip, NAME.part2of2.zip
# and unpack_data.py, which makes NAME.npz of them.
# Usage: prepare.sh OUT DATA [NAME]
set -euo pipefail
out=$(mkdir -p "$1/1" "$1/2" && cd "$1" && pwd)
data=$(cd "$2" && pwd)
name=${3:-cifar100}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wheels() {
  pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp --abi cp312 --abi abi3 \
    --abi none --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 --platform any -d "$1" "${@:2}"
}
wheels "$out/1/wheels" keras==3.15.1 optree namex absl-py rich h5py ml-dtypes packaging typing-extensions \
  markdown-it-py mdurl pygments click msgspec
wheels "$out/2/wheels" pillow pillow-jxl-plugin
python setup.py -q build --build-base "$out/build" build_py -d "$out/1/site" 2>/dev/null
python setup.py -q egg_info -e "$out/1/site" 2>/dev/null
rm -rf "$out/build" "$out/1/site/stamp_tf/references/bundled/"*.npz
cp "$data/$name.part1of2.zip" "$out/1/"
cp "$data/$name.part2of2.zip" "$data/unpack_data.py" "$out/2/"
du -sm "$out/1" "$out/2"
