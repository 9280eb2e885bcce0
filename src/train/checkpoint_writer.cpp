#include "train/checkpoint_writer.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/DeviceType.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <exception>
#include <utility>

namespace unlazy::train {

CheckpointWriter::CheckpointWriter(const RunDir& run, Experiment& experiment, Recorder& recorder,
                                   std::vector<int64_t> spared,
                                   std::function<void(const std::string&)> note)
    : run_(run),
      experiment_(experiment),
      recorder_(recorder),
      spared_(std::move(spared)),
      note_(std::move(note)) {}

CheckpointWriter::~CheckpointWriter() {
  try {
    finish();
  } catch (const std::exception&) {  // only after an error that has ended the run
  }
}

void CheckpointWriter::start(int64_t step) {
  finish();
  take_snapshot(run_, experiment_, recorder_, step, snapshot_);
  if (experiment_.compute().device.is_cpu())
    write();
  else
    copy_to_host();
}

void CheckpointWriter::poll() {
  if (copied_ && copied_->query()) write();
  if (writing_.valid() && writing_.wait_for(std::chrono::seconds(0)) == std::future_status::ready)
    end();
}

void CheckpointWriter::finish() {
  if (copied_) {
    copied_->synchronize();
    write();
  }
  if (writing_.valid()) end();
}

void CheckpointWriter::copy_to_host() {
  const at::NoGradGuard no_grad;
  const auto device = experiment_.compute().device;
  const c10::impl::VirtualGuardImpl streams(device.type());
  if (!stream_) stream_ = streams.getStreamFromGlobalPool(device);
  c10::Event taken(device.type());
  taken.record(streams.getStream(device));
  taken.block(*stream_);
  const c10::StreamGuard guard(*stream_);
  for (auto* file : {&snapshot_.model, &snapshot_.state}) {
    for (auto& [name, tensor] : file->tensors) {
      on_device_.push_back(tensor);
      tensor =
          tensor.to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/true);  // to pinned memory
    }
  }
  copied_.emplace(device.type());
  copied_->record(*stream_);
}

// The host's copy is complete.
void CheckpointWriter::write() {
  copied_.reset();
  on_device_.clear();
  writing_ = std::async(std::launch::async, [this] {
    // Tensors on the host that are contiguous are written as they are: no operator runs here.
    const at::NoGradGuard no_grad;
    write_checkpoint(run_, recorder_, snapshot_);
    return prune_checkpoints(run_, experiment_.options().run.keep_checkpoints, spared_);
  });
}

void CheckpointWriter::end() {
  const std::string problem = writing_.get();
  if (problem.empty() || !note_) return;
  std::exchange(note_, nullptr)(problem);
}

}  // namespace unlazy::train
