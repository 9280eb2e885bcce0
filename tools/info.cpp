#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <iostream>

#include "command.h"
#include "core/device.h"
#include "core/version.h"

namespace unlazy::tools {
namespace {

class Info : public Command {
 public:
  Options& options() override { return options_; }
  int run(const std::vector<std::string>& words) override {
    refuse_words("info", words);
    std::cout << "unlazy      " << version() << " (" << build_type() << ", " << compiler() << ")\n"
              << "LibTorch    " << libtorch_version() << "\n"
              << "CPU         " << cpu_name() << ", " << at::get_num_threads() << " threads, "
              << join(cpu_features()) << "\n"
              << "CUDA        "
              << (at::hasCUDA() ? std::to_string(at::getNumGPUs()) + " devices" : "none") << "\n";
    return 0;
  }

 private:
  Options options_{"info", {}};
};

}  // namespace

std::unique_ptr<Command> make_info() { return std::make_unique<Info>(); }

}  // namespace unlazy::tools
