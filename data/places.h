// Where data sets can be on this machine. One list of places is used to load them and to say which
// ones were found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unlazy::data {

/// The folders that are searched, in order, for the files of `source` when --data-dir is empty:
///   cifar10         $UNLAZY_DATA_DIR/cifar-10-batches-bin, $UNLAZY_DATA_DIR,
///                   data/cifar-10-batches-bin, ~/.cache/unlazy/cifar-10-batches-bin
///   cifar100        the same with cifar-100-binary
///   cifar10-sample  $UNLAZY_DATA_DIR/sample, the installed share/unlazy/data/sample,
///                   data/sample of the source tree
/// Empty for a source that must be named, such as image-folder.
std::vector<std::string> search_places(std::string_view source);

/// The folder that holds `file` of `source`. If `dir` is given, that is `dir` or the folder of the
/// unpacked archive in it; otherwise it is the first of the places that has the file. Throws Error
/// saying where it searched and what to do (`hint`).
std::string find_folder(std::string_view source, const std::string& dir, const std::string& file,
                        const std::string& hint);

/// A data set that can be used by name.
struct FoundSource {
  std::string source;
  std::string dir;
};
/// The data sets found in their usual places, for `unlazy info`. Only looks at names of files.
std::vector<FoundSource> found_sources();

}  // namespace unlazy::data
