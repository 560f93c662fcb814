# Sourced on the device, from the checkout: `source benchmarks/gpu/enter.sh DIR`, one of the folders of prepare.sh, or
# nothing. Everything is kept in /tmp/stamp; once both folders were there, the images are unpacked. What the machine
# has itself (NumPy, JAX) stays in front.
export KERAS_BACKEND=jax XLA_PYTHON_CLIENT_MEM_FRACTION=0.9 JAX_COMPILATION_CACHE_DIR=/tmp/stamp/jax-cache
mkdir -p /tmp/stamp/site /tmp/stamp/packed
if [ -n "${1:-}" ]; then
  for wheel in "$1"/wheels/*.whl; do python3 -m zipfile -e "$wheel" /tmp/stamp/site; done
  [ ! -d "$1/site" ] || cp -r "$1/site/." /tmp/stamp/site/
  cp "$1"/*.zip "$1"/unpack_data.py /tmp/stamp/packed/ 2>/dev/null || true
fi
own=$(python3 -c 'import numpy, os; print(os.path.dirname(os.path.dirname(numpy.__file__)))')
export PYTHONPATH=$PWD/benchmarks/gpu:$own:/tmp/stamp/site
if [ -f /tmp/stamp/packed/unpack_data.py ] && ls /tmp/stamp/packed/*.part1of2.zip >/dev/null 2>&1; then
  for part in /tmp/stamp/packed/*.part1of2.zip; do
    name=$(basename "${part%.part1of2.zip}")
    [ -f "/tmp/stamp/data/$name.npz" ] ||
      python3 /tmp/stamp/packed/unpack_data.py --src /tmp/stamp/packed --only "$name" --out /tmp/stamp/data
  done
fi
python3 -c 'import jax; print(jax.__version__, jax.devices())'
