#include "report/events.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "core/files.h"
#include "support/scratch_folder.h"

namespace unlazy::report {
namespace {

TEST(Events, CrcOfTheStandardCheckWord) { EXPECT_EQ(crc32c("123456789"), 0xE3069283u); }

uint32_t masked(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

// The records of a file, each with its checksums verified.
std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> list;
  for (size_t at = 0; at < file.size();) {
    uint64_t length = 0;
    uint32_t check = 0;
    std::memcpy(&length, file.data() + at, 8);
    std::memcpy(&check, file.data() + at + 8, 4);
    EXPECT_EQ(check, masked(std::string_view(file).substr(at, 8)));
    list.push_back(file.substr(at + 12, length));
    std::memcpy(&check, file.data() + at + 12 + length, 4);
    EXPECT_EQ(check, masked(list.back()));
    at += 16 + length;
  }
  return list;
}

TEST(Events, WritesTheVersionOnceAndScalarsByteForByte) {
  const testing::ScratchFolder scratch;
  const std::string path = scratch / "events.out.tfevents.1";
  EventWriter(path).flush();
  EventWriter writer(path);
  writer.scalar("loss", 300, 0.5, 2.0);
  writer.flush();
  const auto list = records(read_file(path));
  ASSERT_EQ(list.size(), 2u);
  EXPECT_NE(list[0].find("brain.Event:2"), std::string::npos);
  // wall_time 2.0; step 300 = varint AC 02; summary { value { tag "loss" simple_value 0.5 } }
  const std::string expected = std::string("\x09\0\0\0\0\0\0\0\x40", 9) +
                               std::string("\x10\xAC\x02", 3) +
                               std::string("\x2A\x0D\x0A\x0B\x0A\x04loss\x15\0\0\0\x3F", 15);
  EXPECT_EQ(list[1], expected);
}

}  // namespace
}  // namespace unlazy::report
