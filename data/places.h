// Where data sets lie on this machine: one list of places, used to load them and to say which ones
// were found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unlazy::data {

/// The folders in which the files of `source` are looked for when --data-dir is empty, in order:
///   cifar10         $UNLAZY_DATA_DIR/cifar-10-batches-bin, $UNLAZY_DATA_DIR,
///   data/cifar-10-batches-bin,
///                   ~/.cache/unlazy/cifar-10-batches-bin
///   cifar100        the same with cifar-100-binary
///   cifar10-sample  $UNLAZY_DATA_DIR/sample, the installed share/unlazy/data/sample, the source
///   tree's data/sample
/// Empty for a source that must be named, such as image-folder.
std::vector<std::string> search_places(std::string_view source);

/// The folder that holds `file` of `source`: `dir` (or the unpacked archive's folder in it) when
/// given, else the first of the places. Throws Error saying where it was looked for and what to do
/// (`hint`).
std::string find_folder(std::string_view source, const std::string& dir, const std::string& file,
                        const std::string& hint);

/// A data set that can be used by name.
struct FoundSource {
  std::string source;
  std::string dir;
};
/// The data sets found in their own places; for `unlazy info`. Looks at names only, reads nothing.
std::vector<FoundSource> found_sources();

}  // namespace unlazy::data
