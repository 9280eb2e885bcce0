#include "cuda/parts.h"

#include <sstream>

#include "core/names.h"

namespace unlazy::cuda {
namespace {

std::string state_text(const Part& part) {
  if (!part.ran_on.empty()) return "run on an " + std::string(part.ran_on);
  return "not yet run on a GPU; " + std::string(part.checked);
}

}  // namespace

std::string architectures() {
#ifdef UNLAZY_HAS_CUDA
  return UNLAZY_CUDA_ARCHITECTURES;
#else
  return {};
#endif
}

// "90-real" is machine code, "90-virtual" is PTX, "90" both. Words such as "native" stay as they
// are.
std::string architectures_text(const std::string& architectures) {
  std::vector<std::string> machine, ptx;
  std::istringstream in(architectures);
  for (std::string entry; std::getline(in, entry, ',');) {
    const auto number = entry.substr(0, entry.find('-'));
    const bool is_number = !number.empty() && number.front() >= '0' && number.front() <= '9';
    if (!is_number) {
      machine.push_back(entry);
      continue;
    }
    if (!entry.ends_with("-virtual")) machine.push_back("sm_" + number);
    if (!entry.ends_with("-real")) ptx.push_back("PTX of compute_" + number + " for later ones");
  }
  machine.insert(machine.end(), ptx.begin(), ptx.end());
  return join(machine);
}

std::vector<std::string> part_lines(const std::vector<Part>& parts,
                                    const std::string& architectures) {
  if (architectures.empty()) {
    return {
        "not built; with nvcc in the PATH and a LibTorch with CUDA: cmake -DUNLAZY_CUDA=ON ..."};
  }
  std::vector<std::string> lines = {"for " + architectures_text(architectures)};
  for (const auto& part : parts) lines.push_back(std::string(part.name) + ": " + state_text(part));
  return lines;
}

std::string untried_note(const std::vector<Part>& used) {
  std::vector<std::string> names;
  for (const auto& part : used) {
    if (part.ran_on.empty()) names.emplace_back(part.name);
  }
  return names.empty() ? ""
                       : "these CUDA parts have not run on a GPU in their present form (see "
                         "`unlazy info`): " +
                             join(names);
}

}  // namespace unlazy::cuda
