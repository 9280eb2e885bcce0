#include "core/files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"

namespace unlazy {
namespace {

namespace fs = std::filesystem;
constexpr const char* kTemporary = ".tmp";

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
      : path_(path), name_(path + kTemporary + std::to_string(::getpid())) {
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
    const auto folder = fs::path(path_).parent_path();
    sync_folder(folder.empty() ? "." : folder.string());
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

void sync_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_to_write(path, errno);
  const int result = ::fsync(file), reason = errno;
  ::close(file);
  // Some file systems cannot flush a folder and say so; then there is nothing to be done.
  if (result != 0 && reason != EINVAL && reason != ENOTSUP) fail_to_write(path, reason);
}

void sync_folder(const std::string& path) { sync_file(path); }

void make_folder(const std::string& path) {
  if (path.empty() || fs::is_directory(path)) return;
  const auto above = fs::path(path).parent_path().string();
  make_folder(above);
  std::error_code error;
  const bool is_taken = fs::exists(path);
  if (!is_taken) fs::create_directory(path, error);
  UNLAZY_CHECK(!error && fs::is_directory(path), path,
               ": cannot be made: ", error ? error.message() : "a file of that name is there",
               "; choose another folder");
  sync_folder(above.empty() ? "." : above);
}

void check_writable(const std::string& path) {
  // The nearest folder that is there: a file can be made in it or not.
  auto folder = fs::absolute(path).lexically_normal();
  struct stat found {};
  while (::stat(folder.c_str(), &found) != 0) {
    const int reason = errno;
    const bool is_missing = reason == ENOENT && ::lstat(folder.c_str(), &found) != 0;
    UNLAZY_CHECK(is_missing || reason == ENOTDIR, path, ": cannot be made: ", std::strerror(reason),
                 "; choose another folder");
    folder = folder.parent_path();
  }
  UNLAZY_CHECK(S_ISDIR(found.st_mode), path, ": cannot be made: ", folder.string(),
               " is a file; choose another folder");
  // A file without a name leaves nothing behind, whatever happens. Some file systems have none.
  int file = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT)) {
    const auto name = (folder / (".probe" + (kTemporary + std::to_string(::getpid())))).string();
    file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0) ::unlink(name.c_str());
  }
  if (file < 0) fail_to_write(path, errno);
  ::close(file);
}

bool is_left_over(const std::string& path) {
  const auto place = path.rfind(kTemporary);
  if (place == std::string::npos) return false;
  const char* first = path.c_str() + place + std::strlen(kTemporary);
  const char* last = path.c_str() + path.size();
  pid_t process = 0;
  const auto [end, error] = std::from_chars(first, last, process);
  if (error != std::errc{} || end != last || process <= 0) return false;
  return ::kill(process, 0) != 0 && errno == ESRCH;
}

FolderLock::FolderLock(const std::string& folder) {
  const std::string path = folder + "/.lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) fail_to_write(path, errno);
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  ::close(file_);
  UNLAZY_CHECK(reason != EWOULDBLOCK, folder,
               ": is in use by another run; choose another --out or wait until it ends");
  throw Error(internal::concat(path, ": cannot be locked: ", std::strerror(reason),
                               "; choose a folder on a file system with locks"));
}

FolderLock::~FolderLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace unlazy
