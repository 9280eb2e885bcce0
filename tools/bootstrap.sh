#!/usr/bin/env bash
# From a bare Debian 12 to a running unlazy:
#   tools/bootstrap.sh demo     set up, build, train ResNet-18 with and without label noise, print the result
#   tools/bootstrap.sh test     set up, build, run all tests
#   tools/bootstrap.sh setup    set up and build only
#   tools/bootstrap.sh format   check the formatting of the sources
# Does only what is missing, so a second call is quick and needs no network. Packages are installed as root or with sudo;
# everything else stays in this folder: LibTorch in .libtorch (1.2 GB; 4.6 GB with an NVIDIA driver), the build in build/.
# A LibTorch of your own is taken from LIBTORCH_ROOT, or found in the folders of CMAKE_PREFIX_PATH; UNLAZY_CMAKE_FLAGS holds
# further flags for cmake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TORCH=2.11.0
# What libtorch_cpu of the CUDA wheel links to; all of CUDA comes only where there is a driver, with a compiler for the
# project's own kernels where there is none.
TORCH_CPU_PARTS=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
NVCC_PARTS=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-cccl==13.0.85)
LIBRARIES=(libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev nlohmann-json3-dev libcxxopts-dev libgtest-dev
  fonts-dejavu-core)
# program:package
PROGRAMS=(g++:g++ cmake:cmake ninja:ninja-build python3:python3 gnuplot:gnuplot-nox)

die() {
  echo "bootstrap: $*" >&2
  exit 1
}

# stage NAME COMMAND...: runs the command and says how long it took.
stage() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  "$@"
  echo "== $name: $((SECONDS - start)) s"
}

missing_packages() {
  local entry
  for entry in "${PROGRAMS[@]}"; do
    command -v "${entry%%:*}" >/dev/null || echo "${entry##*:}"
  done
  python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
  for entry in "${LIBRARIES[@]}"; do
    dpkg -s "$entry" 2>/dev/null | grep -q '^Status: install ok installed' || echo "$entry"
  done
}

install_packages() {
  local missing
  if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    echo "This is not a Debian system. Install what these Debian packages hold, then build as README.md says:" >&2
    echo "  ${PROGRAMS[*]##*:} python3-pip ${LIBRARIES[*]}" >&2
    exit 1
  fi
  mapfile -t missing < <(missing_packages)
  if [ "${#missing[@]}" -eq 0 ]; then
    echo "all there"
  else
    apt_install "${missing[@]}"
  fi
}

# For the tests of the page of `unlazy report`, which are skipped without a browser.
install_browser() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
      echo "$name is there"
      return
    fi
  done
  (apt_install chromium) || echo "bootstrap: no Chromium; the tests that need a browser will be skipped"
}

apt_install() {
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "needs root to install $*; install them, or run me as root"
    root=(sudo)
  fi
  echo "installing $*"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

is_libtorch() { [ -e "$1/lib/libtorch_cpu.so" ] && [ -e "$1/include/ATen/ATen.h" ]; }

# The LibTorch that the environment names, if any.
own_libtorch() {
  local folder prefix
  if [ -n "${LIBTORCH_ROOT:-}" ]; then
    is_libtorch "$LIBTORCH_ROOT" || die "LIBTORCH_ROOT=$LIBTORCH_ROOT holds no LibTorch (lib/libtorch_cpu.so and its headers)"
    echo "$LIBTORCH_ROOT"
    return
  fi
  IFS=: read -ra prefix <<<"${CMAKE_PREFIX_PATH:-}"
  for folder in "${prefix[@]}"; do
    for folder in "$folder" "$folder/libtorch" "$folder/torch"; do
      if is_libtorch "$folder"; then
        echo "$folder"
        return
      fi
    done
  done
}

has_nvidia_driver() { [ -e /proc/driver/nvidia/version ] || { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }; }

# Into a folder of another name first: an interrupted download leaves no half LibTorch behind.
download_libtorch() {
  local wanted=("torch==$TORCH") flags=()
  if has_nvidia_driver; then
    echo "an NVIDIA driver is here: LibTorch with CUDA"
    command -v nvcc >/dev/null || wanted+=("${NVCC_PARTS[@]}")
  else
    wanted+=("${TORCH_CPU_PARTS[@]}")
    flags=(--no-deps)
  fi
  if [ "$(cat .libtorch/complete 2>/dev/null)" = "${wanted[*]}" ]; then
    echo "LibTorch $TORCH is there"
    return
  fi
  rm -rf .libtorch-new
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile "${flags[@]}" \
    --target .libtorch-new "${wanted[@]}"
  # The name that a linker looks for.
  ln -sf libcudart.so.13 .libtorch-new/nvidia/cu13/lib/libcudart.so
  echo "${wanted[*]}" >.libtorch-new/complete
  rm -rf .libtorch
  mv .libtorch-new .libtorch
}

get_libtorch() {
  libtorch=$(own_libtorch)
  if [ -n "$libtorch" ]; then
    echo "using $libtorch"
  else
    download_libtorch
    libtorch=$PWD/.libtorch/torch
  fi
}

configure() {
  local flags=(-DLIBTORCH_ROOT="$libtorch" ${UNLAZY_CMAKE_FLAGS:-})
  if command -v ccache >/dev/null; then
    flags+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  local nvcc
  for nvcc in "$libtorch/../nvidia/cu13/bin/nvcc" /usr/local/cuda/bin/nvcc; do
    if [ -z "${CUDACXX:-}" ] && ! command -v nvcc >/dev/null && [ -x "$nvcc" ]; then
      export CUDACXX=$nvcc
    fi
  done
  cmake --preset release "${flags[@]}" >build-configure.log 2>&1 || { cat build-configure.log; die "cmake failed"; }
  mv build-configure.log build/configure.log
  grep -E '^-- (CUDA:|Found LibTorch)' build/configure.log || true
}

# A unit that includes LibTorch's modules takes 1.5 GB to compile.
jobs() {
  local gigabytes
  gigabytes=$(awk '/MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo)
  echo $((gigabytes < 1 ? 1 : gigabytes < $(nproc) ? gigabytes : $(nproc)))
}

setup() {
  stage packages install_packages
  stage LibTorch get_libtorch
  stage configure configure
  # On a terminal ninja shows one line of progress; in a log only errors are of use.
  local quiet=()
  [ -t 1 ] || quiet=(-- --quiet)
  stage build cmake --build build --parallel "$(jobs)" "${quiet[@]}"
}

run_demo() {
  local rate out
  for rate in 0 0.1; do
    out=runs/demo/noise-rate-$rate
    build/unlazy train --config tools/presets/demo.json --noise flip --noise-rate "$rate" --out "$out" --resume
  done
  build/unlazy report runs/demo/noise-rate-0 runs/demo/noise-rate-0.1
  echo "The runs lie in runs/demo: config.json, metrics.csv, TensorBoard events, checkpoints."
}

check_format() {
  command -v clang-format >/dev/null || apt_install clang-format
  find src models data tools tests \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) -print0 |
    xargs -0 clang-format --dry-run -Werror
}

case "${1:-}" in
  demo)
    setup
    stage demo run_demo
    ;;
  test)
    setup
    stage browser install_browser
    echo "bootstrap: ready to test after $SECONDS s"
    exec ctest --test-dir build --output-on-failure --parallel "$(nproc)"
    ;;
  setup) setup ;;
  format) stage format check_format ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "tools/bootstrap.sh"
    exit 2
    ;;
esac
echo "bootstrap: ${1} done in $SECONDS s"
