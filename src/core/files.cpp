#include "core/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace unlazy {
namespace {

[[noreturn]] void fail_to_write(const std::string& path, int reason) {
  const bool is_full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
  throw Error(internal::concat(path, ": cannot be written: ", std::strerror(reason),
                               is_full ? "; free some space or choose another folder"
                                       : "; check that the folder exists and may be written to"));
}

// A file under a temporary name, removed unless kept.
class Temporary {
 public:
  explicit Temporary(const std::string& path)
      : path_(path), name_(path + ".tmp" + std::to_string(::getpid())) {
    file_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file_ < 0) fail_to_write(path_, errno);
  }
  ~Temporary() {
    if (file_ >= 0) ::close(file_);
    if (!is_kept_) ::unlink(name_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  void write(const void* bytes, size_t count) {
    const char* next = static_cast<const char*>(bytes);
    while (count > 0) {
      const ssize_t written = ::write(file_, next, count);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_to_write(path_, errno);
      next += written;
      count -= static_cast<size_t>(written);
    }
  }
  void keep() {
    if (::fsync(file_) != 0) fail_to_write(path_, errno);
    const int file = std::exchange(file_, -1);
    if (::close(file) != 0) fail_to_write(path_, errno);
    if (::rename(name_.c_str(), path_.c_str()) != 0) fail_to_write(path_, errno);
    is_kept_ = true;
  }

 private:
  std::string path_, name_;
  int file_ = -1;
  bool is_kept_ = false;
};

}  // namespace

void write_file(const std::string& path, const std::function<void(const ByteSink&)>& produce) {
  Temporary file(path);
  produce([&](const void* bytes, size_t count) { file.write(bytes, count); });
  file.keep();
}

void write_file(const std::string& path, std::string_view content) {
  write_file(path, [&](const ByteSink& sink) { sink(content.data(), content.size()); });
}

std::string read_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string content;
  ssize_t count = file < 0 ? -1 : 1;
  for (std::array<char, 1 << 16> buffer; count > 0;) {
    count = ::read(file, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR)
      count = 1;  // again
    else if (count > 0)
      content.append(buffer.data(), static_cast<size_t>(count));
  }
  const int reason = errno;
  if (file >= 0) ::close(file);
  UNLAZY_CHECK(count == 0, path, ": cannot be read: ", std::strerror(reason));
  return content;
}

FolderLock::FolderLock(const std::string& folder) {
  const std::string path = folder + "/.lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) fail_to_write(path, errno);
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    ::close(file_);
    throw Error(folder + ": is in use by another run; choose another --out or wait until it ends");
  }
}

FolderLock::~FolderLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace unlazy
