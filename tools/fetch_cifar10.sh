#!/bin/sh
# Gets CIFAR-10 in its binary format (163 MB) into data/cifar-10-batches-bin, where `--data cifar10` finds it.
#   tools/fetch_cifar10.sh [FOLDER]      FOLDER: where to put cifar-10-batches-bin (default: data, beside this script's folder)
#   CIFAR10_URL=...                      another address of the same archive, such as file:///mnt/cifar-10-binary.tar.gz
# An interrupted download is continued; size and MD5 are those that the data set's page gives. A second run does nothing.
# Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
set -eu

url=${CIFAR10_URL:-https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz}
size=${CIFAR10_SIZE:-170052171}
md5=${CIFAR10_MD5:-c32a1d4ab5d03f1284b67883e8d87530}
folder=${1:-$(cd "$(dirname "$0")/.." && pwd)/data}
archive=$folder/cifar-10-binary.tar.gz
batches="data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch"

fail() {
  echo "fetch_cifar10: $*" >&2
  exit 1
}

size_of() {
  wc -c < "$1" | tr -d ' '
}

is_complete() {
  for batch in $batches; do
    [ -f "$1/$batch.bin" ] && [ "$(size_of "$1/$batch.bin")" = 30730000 ] || return 1
  done
  [ -f "$1/batches.meta.txt" ]
}

download() {
  if command -v curl > /dev/null; then
    curl --fail --location --show-error --continue-at - --output "$archive.part" "$url" && return 0
  elif command -v wget > /dev/null; then
    wget --continue --output-document="$archive.part" "$url" && return 0
  else
    fail "needs curl or wget; install one of them, or put the archive at $archive"
  fi
  fail "cannot get $url; without internet, copy the archive to $archive and run this again, or use --data cifar10-sample"
}

check() {
  found=$(size_of "$1")
  [ "$found" = "$size" ] || fail "$1 has $found bytes, expected $size; remove it and run this again"
  found=$(md5sum "$1" | cut -d ' ' -f 1)
  [ "$found" = "$md5" ] || fail "$1 has MD5 $found, expected $md5; remove it and run this again"
}

if is_complete "$folder/cifar-10-batches-bin"; then
  echo "fetch_cifar10: $folder/cifar-10-batches-bin is complete"
  exit 0
fi
mkdir -p "$folder"
is_downloaded=no
if [ ! -f "$archive" ]; then
  # What is whole already needs no server; curl would ask for bytes past the end.
  [ -f "$archive.part" ] && [ "$(size_of "$archive.part")" = "$size" ] || download
  check "$archive.part"
  mv "$archive.part" "$archive"
  is_downloaded=yes
else
  check "$archive"
fi

# Unpacked under another name first, so that an interruption leaves no half data set.
unpacked=$folder/.cifar-10-unpacking
rm -rf "$unpacked"
mkdir "$unpacked"
tar -xzf "$archive" -C "$unpacked"
is_complete "$unpacked/cifar-10-batches-bin" || fail "$archive does not hold the six batches that it should"
rm -rf "$folder/cifar-10-batches-bin"
mv "$unpacked/cifar-10-batches-bin" "$folder/cifar-10-batches-bin"
rmdir "$unpacked"
[ $is_downloaded = no ] || rm "$archive"
echo "fetch_cifar10: $folder/cifar-10-batches-bin is ready; use it with --data cifar10"
