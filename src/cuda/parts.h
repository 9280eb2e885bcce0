// What is compiled for CUDA, for which GPUs, and on which it has run. Needs no CUDA.
// A new part is a constant here, with a place in kParts, and those who use it name it to
// untried_note().
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace unlazy::cuda {

struct Part {
  std::string_view name;
  std::string_view ran_on;  // a GPU that its tests passed on as it is now; empty: none yet
  std::string_view checked = "checked on the CPU by emulation";  // if it has not run on a GPU
};

inline constexpr Part kStepGraphPart = {"whole-step graph", "",
                                        "an earlier form has run on an NVIDIA H200"};
inline constexpr Part kAugmentPart = {"augmentation kernel", "NVIDIA H200"};
inline constexpr Part kAccountPart = {"kernel that counts for the curves", ""};
inline constexpr Part kNormPart = {"fused BatchNorm, residual sum and ReLU", ""};
inline constexpr Part kUpdatePart = {"fused update of sgd and sam", ""};
inline constexpr Part kCheckpointPart = {"checkpoints in the background", "", "tested on the CPU"};
inline constexpr std::array kParts = {kStepGraphPart, kAugmentPart, kAccountPart,
                                      kNormPart,      kUpdatePart,  kCheckpointPart};

/// What the parts were built for, as CMake's list with commas: "80-real,90-real,100"; empty where
/// they are not in this build.
std::string architectures();

/// The same for a reader: "sm_80, sm_90, sm_100, PTX of compute_100 for later ones".
std::string architectures_text(const std::string& architectures);

/// Lines that tell about the parts of a build for `architectures`: for which GPUs, then a line a
/// part with its state. Without any, one line that says how to build them.
std::vector<std::string> part_lines(const std::vector<Part>& parts,
                                    const std::string& architectures);

/// One line that names those of `used` that have never run on a GPU; empty where all have.
std::string untried_note(const std::vector<Part>& used);

}  // namespace unlazy::cuda
