#include "report/events.h"

#include <algorithm>
#include <array>
#include <bit>

#include "core/error.h"

namespace unlazy::report {
namespace {

std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    table[i] = crc;
  }
  return table;
}

template <class Integer>
std::string little_endian(Integer value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(Integer); ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

std::string masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return little_endian<uint32_t>(((crc >> 15) | (crc << 17)) + 0xA282EAD8u);
}

// Protobuf's wire format: a key (field number and type), then the value.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string field_varint(int field, uint64_t value) {
  return varint(uint64_t(field) << 3) + varint(value);
}
std::string field_double(int field, double value) {
  return varint(uint64_t(field) << 3 | 1) + little_endian(std::bit_cast<uint64_t>(value));
}
std::string field_float(int field, float value) {
  return varint(uint64_t(field) << 3 | 5) + little_endian(std::bit_cast<uint32_t>(value));
}
std::string field_bytes(int field, std::string_view value) {
  return varint(uint64_t(field) << 3 | 2) + varint(value.size()) + std::string(value);
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const auto table = make_crc_table();
  uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  return ~crc;
}

uint64_t whole_events(const std::string& path, uint64_t limit) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in.good()) return 0;
  limit = std::min(limit, static_cast<uint64_t>(in.tellg()));
  constexpr uint64_t kAround = 8 + 4 + 4;  // length and two checksums
  uint64_t end = 0;
  while (end + kAround <= limit) {
    std::string length(8, '\0');
    in.seekg(static_cast<std::streamoff>(end));
    in.read(length.data(), 8);
    uint64_t size = 0;
    for (size_t i = 8; i-- > 0;) size = size << 8 | static_cast<uint8_t>(length[i]);
    if (size > limit - end - kAround) break;
    end += kAround + size;
  }
  return end;
}

EventWriter::EventWriter(const std::string& path)
    : path_(path), out_(path, std::ios::binary | std::ios::app) {
  UNLAZY_CHECK(out_.good(), path, ": cannot be opened for writing; check that the folder exists");
  if (out_.tellp() == 0) record(field_double(1, 0) + field_bytes(3, "brain.Event:2"));
}

void EventWriter::scalar(std::string_view tag, int64_t step, double value, double wall_time) {
  const auto point = field_bytes(1, tag) + field_float(2, static_cast<float>(value));
  record(field_double(1, wall_time) + field_varint(2, static_cast<uint64_t>(step)) +
         field_bytes(5, field_bytes(1, point)));
}

void EventWriter::flush() {
  out_.flush();
  UNLAZY_CHECK(out_.good(), path_, ": cannot be written; is the disk full?");
}

void EventWriter::record(std::string_view data) {
  const auto length = little_endian<uint64_t>(data.size());
  out_ << length << masked_crc(length) << data << masked_crc(data);
}

}  // namespace unlazy::report
