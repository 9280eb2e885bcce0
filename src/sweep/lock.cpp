#include "sweep/lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/files.h"

namespace unlazy::sweep {
namespace {

constexpr const char* kEnding = ".lock.";
constexpr const char* kReleased = "released";
constexpr size_t kSize = 512;  // of a lock file: a shorter content leaves nothing of a longer one

std::string padded(std::string text) {
  text.resize(std::max(text.size() + 1, kSize), '\n');
  return text;
}

bool write_whole(int file, const std::string& text) {
  return ::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
         ::fdatasync(file) == 0;
}

// The content, and why there is none. Opened anew each time: NFS then asks the server.
struct Reading {
  std::string text;
  int error = 0;
};
Reading read_lock(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {{}, errno};
  std::string text(4 * kSize, '\0');
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  const int error = size < 0 ? errno : 0;
  ::close(file);
  text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return {text, error};
}

std::string text_of(const LockOwner& owner) {
  const nlohmann::ordered_json json = {{"host", owner.host},
                                       {"machine", owner.machine},
                                       {"process", {owner.process.pid, owner.process.start}},
                                       {"run", {owner.child.pid, owner.child.start}},
                                       {"beat", owner.beat}};
  return padded(json.dump());
}

// An owner without a host where the text is not one: it is being written.
LockOwner owner_in(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    const auto process = [&](const char* name) {
      const auto& pair = json.at(name);
      return Process{pair.at(0).get<int64_t>(), pair.at(1).get<int64_t>()};
    };
    return {json.at("host"), json.at("machine"), process("process"), process("run"),
            json.at("beat")};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

// "seed=0.lock.12": the name and 12; nothing for other files.
std::optional<std::pair<std::string, int64_t>> lock_named(const std::string& file) {
  const auto place = file.rfind(kEnding);
  if (place == std::string::npos) return {};
  const char* first = file.c_str() + place + std::strlen(kEnding);
  const char* last = file.c_str() + file.size();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(first, last, number);
  if (error != std::errc{} || end != last || number <= 0) return {};
  return std::pair{file.substr(0, place), number};
}

// The lock files that this process holds, by device and inode: a folder may have two paths.
struct HeldFiles {
  std::mutex mutex;
  std::set<std::pair<dev_t, ino_t>> files;
};
HeldFiles& held_files() {
  static HeldFiles held;
  return held;
}

void note_held(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return;
  const std::lock_guard guard(held_files().mutex);
  held_files().files.emplace(status.st_dev, status.st_ino);
}

void forget_held(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return;
  const std::lock_guard guard(held_files().mutex);
  held_files().files.erase({status.st_dev, status.st_ino});
}

// True also where the system does not say.
bool may_be_held(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return true;
  const std::lock_guard guard(held_files().mutex);
  return held_files().files.contains({status.st_dev, status.st_ino});
}

}  // namespace

PointLock::PointLock(LockFolder& folder, std::string name, int64_t number, int file)
    : folder_(folder),
      name_(std::move(name)),
      number_(number),
      file_(file),
      owner_{host_name(), this_machine(), process_of(::getpid()), {}, 0},
      last_beat_(seconds_since_boot()) {
  note_held(file_);
}

PointLock::~PointLock() {
  if (file_ < 0) return;
  if (hold() == Hold::kOurs) write_whole(file_, padded(kReleased));
  close();
}

void PointLock::close() {
  forget_held(file_);
  ::close(std::exchange(file_, -1));
}

bool PointLock::write() {
  ++owner_.beat;
  return write_whole(file_, text_of(owner_));
}

// Is it still the highest number, with this process in it?
PointLock::Hold PointLock::hold() const {
  try {
    const auto numbers = folder_.numbers();
    const auto found = numbers.find(name_);
    if (found == numbers.end() || found->second != number_) return Hold::kLost;
  } catch (const Error&) {
    return Hold::kUnknown;
  }
  const auto reading = read_lock(folder_.path(name_, number_));
  if (reading.error == ENOENT || reading.error == ESTALE) return Hold::kLost;
  if (reading.error != 0) return Hold::kUnknown;
  const auto there = owner_in(reading.text);
  return there.process == owner_.process && there.machine == owner_.machine ? Hold::kOurs
                                                                            : Hold::kLost;
}

bool PointLock::beat() {
  const double now = seconds_since_boot();
  if (now - last_beat_ < folder_.timeout() / 6) return true;  // nobody waits for more
  const auto hold = this->hold();
  if (hold == Hold::kLost) return false;
  if (hold == Hold::kOurs && write()) last_beat_ = now;
  return now - last_beat_ < folder_.timeout() / 2;
}

void PointLock::set_child(const Process& child) {
  owner_.child = child;
  UNLAZY_CHECK(write(), folder_.path(name_, number_), ": cannot be written: ", std::strerror(errno),
               "; is the disk full?");
}

void PointLock::remove() {
  if (file_ < 0) return;
  if (hold() == Hold::kOurs) ::unlink(folder_.path(name_, number_).c_str());
  close();
}

LockFolder::LockFolder(std::string folder, double timeout)
    : folder_(std::move(folder)), timeout_(timeout) {}

std::string LockFolder::path(const std::string& name, int64_t number) const {
  return folder_ + "/" + name + kEnding + std::to_string(number);
}

// The highest number of each lock. Opening the folder makes NFS ask the server.
std::map<std::string, int64_t> LockFolder::numbers() const {
  std::map<std::string, int64_t> numbers;
  DIR* folder = ::opendir(folder_.c_str());
  UNLAZY_CHECK(folder != nullptr, folder_, ": cannot be read: ", std::strerror(errno));
  while (const dirent* entry = ::readdir(folder)) {
    if (const auto lock = lock_named(entry->d_name)) {
      auto& number = numbers[lock->first];
      number = std::max(number, lock->second);
    }
  }
  ::closedir(folder);
  return numbers;
}

void LockFolder::scan() {
  const auto now = seconds_since_boot();
  const auto there = numbers();
  std::erase_if(seen_, [&](const auto& entry) { return !there.contains(entry.first); });
  for (const auto& [name, number] : there) {
    auto& seen = seen_[name];
    if (seen.number == number && seen.content.starts_with(kReleased)) continue;
    const auto reading = read_lock(path(name, number));
    if (reading.error != 0) continue;  // removed meanwhile: the next reading tells
    if (seen.number != number || seen.content != reading.text) seen = {number, reading.text, now};
  }
}

bool LockFolder::is_free(const std::string& name, const Seen& seen) const {
  if (seen.content.starts_with(kReleased)) return true;
  const auto owner = owner_in(seen.content);
  const bool is_here = !owner.machine.empty() && owner.machine == this_machine();
  if (is_here) {
    const bool is_ours =
        owner.process == process_of(::getpid()) && !may_be_held(path(name, seen.number));
    return (is_ours || !is_alive(owner.process)) && !is_alive(owner.child);
  }
  return seconds_since_boot() - seen.since > timeout_;
}

std::optional<LockOwner> LockFolder::owner(const std::string& name) const {
  const auto found = seen_.find(name);
  if (found == seen_.end() || is_free(name, found->second)) return {};
  return owner_in(found->second.content);
}

std::unique_ptr<PointLock> LockFolder::try_lock(const std::string& name) {
  scan();
  const auto found = seen_.find(name);
  const Seen before = found == seen_.end() ? Seen{} : found->second;
  if (before.number > 0 && !is_free(name, before)) return nullptr;
  const int64_t number = before.number + 1;
  const auto file_path = path(name, number);
  const int file = ::open(file_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  UNLAZY_CHECK(file >= 0 || errno == EEXIST, file_path, ": cannot be made: ", std::strerror(errno));
  if (file < 0) return nullptr;
  std::unique_ptr<PointLock> lock(new PointLock(*this, name, number, file));
  const bool is_written = lock->write();
  const int reason = errno;
  // Was it taken further since the reading, so that this number is an old one? Did its owner live?
  const auto now = before.number > 0 ? read_lock(path(name, before.number)) : Reading{};
  const bool is_changed = before.number > 0 && now.error == 0 && now.text != before.content;
  if (!is_written || is_changed || lock->hold() != PointLock::Hold::kOurs) {
    ::unlink(file_path.c_str());
    lock->close();
    UNLAZY_CHECK(is_written, file_path, ": cannot be written: ", std::strerror(reason),
                 "; is the disk full?");
    return nullptr;
  }
  if (before.number > 0) ::unlink(path(name, before.number).c_str());
  return lock;
}

}  // namespace unlazy::sweep
