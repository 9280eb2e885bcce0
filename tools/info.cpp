// unlazy info: versions of this build, the machine, and what `auto` chooses on it.
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <fstream>
#include <iostream>
#include <string_view>

#include "command.h"
#include "core/device.h"
#include "core/format.h"
#include "core/version.h"
#include "cuda/parts.h"
#include "data/places.h"

namespace unlazy::tools {
namespace {

void print_row(std::string_view name, const std::string& text) {
  std::cout << name << std::string(13 - name.size(), ' ') << text << "\n";
}

// A field of /proc/meminfo in bytes, 0 where there is none.
double memory(const std::string& field) {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(field + ":", 0) == 0) return 1024 * std::stod(line.substr(field.size() + 1));
  }
  return 0;
}

std::string cuda_state() {
#ifdef UNLAZY_HAS_CUDA
  const std::string build = "built in";
#else
  const std::string build = "not built in";
#endif
  const auto devices = cuda_devices();
  return build + (devices.empty() ? ", no device" : ": " + join(devices, "; "));
}

std::string libraries() {
  std::vector<std::string> names;
  if (at::hasOpenMP()) names.push_back("OpenMP");
  if (at::hasMKL()) names.push_back("MKL");
  if (at::hasMKLDNN()) names.push_back("oneDNN");
  return names.empty() ? "" : " with " + join(names);
}

class Info : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::string description() const override {
    return "Prints versions, the machine, what --device auto and --precision auto choose here, and "
           "the data sets\n"
           "found in their usual places.";
  }
  int run(const std::vector<std::string>& words) override {
    refuse_words("info", words);
    const Compute compute = resolve(choice_);
    print_row("unlazy", version() + " (" + build_type() + ", " + compiler() + ")");
    print_row("LibTorch", libtorch_version() + libraries());
    print_row("CPU", cpu_name() + ": " + join(cpu_features()));
    print_row("threads", std::to_string(at::get_num_threads()));
    print_row("memory",
              bytes_text(memory("MemTotal")) + ", " + bytes_text(memory("MemAvailable")) + " free");
    print_row("CUDA", cuda_state());
    const auto parts =
        cuda::part_lines({cuda::kParts.begin(), cuda::kParts.end()}, cuda::architectures());
    for (size_t i = 0; i < parts.size(); ++i) print_row(i == 0 ? "CUDA parts" : "", parts[i]);
    print_row("device", compute.device.str());
    print_row("precision", precision_name(compute.dtype));
    const auto sources = data::found_sources();
    for (const auto& found : sources) print_row("data", found.source + " in " + found.dir);
    if (sources.empty()) print_row("data", "none found");
    return 0;
  }

 private:
  ComputeOptions choice_;
  Options options_{"info", {describe(choice_)}};
};

}  // namespace

std::unique_ptr<Command> make_info() { return std::make_unique<Info>(); }

}  // namespace unlazy::tools
