// Scalars for TensorBoard: its event file format, written without its libraries.
//   record  u64 length, u32 masked crc32c of the length, data, u32 masked crc32c of the data, all
//           little-endian
//   data    an Event message in protobuf's wire format: wall_time (1), step (2), file_version (3),
//           summary (5)
// Source: tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace unlazy::report {

/// CRC-32C (Castagnoli) of `bytes`.
uint32_t crc32c(std::string_view bytes);

/// The number of bytes of the whole records at the start of the event file `path` that end at or
/// before `limit`; 0 for a missing file.
uint64_t whole_events(const std::string& path, uint64_t limit);

class EventWriter {
 public:
  /// Appends to `path`; a new file begins with the version event. Throws Error when it cannot be
  /// opened.
  explicit EventWriter(const std::string& path);
  /// Adds one point of the curve `tag`. `wall_time`: seconds since 1970.
  void scalar(std::string_view tag, int64_t step, double value, double wall_time);
  /// Flushes what was added to the disk. Throws Error when it cannot.
  void flush();

 private:
  void record(std::string_view data);
  std::string path_;
  std::ofstream out_;
};

}  // namespace unlazy::report
