// Files are written whole or not at all: to a temporary name in the same folder, flushed to the
// disk, then renamed, and the folder is flushed too, so that the name survives a loss of power.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace unlazy {

/// Receives the bytes of a file, piece by piece.
using ByteSink = std::function<void(const void* bytes, size_t count)>;

/// Writes `path` by calling `produce` with a sink. The file appears under its name only when all
/// bytes are on the disk. Throws Error naming the path, the system's reason and what to do (a full
/// disk: free space); the temporary is removed and an older file of that name stays as it was.
void write_file(const std::string& path, const std::function<void(const ByteSink&)>& produce);
void write_file(const std::string& path, std::string_view content);

/// The whole content. Throws Error when the file cannot be read.
std::string read_file(const std::string& path);

/// Flushes to the disk: the content of a file, or the names in a folder. Throws Error naming the
/// path and the system's reason.
void sync_file(const std::string& path);
void sync_folder(const std::string& path);

/// Makes a folder and those above it, all names flushed. Throws Error saying what to do.
void make_folder(const std::string& path);

/// Throws Error saying what to do when files could not be written into the folder `path`, be it
/// there or still to be made. For work that writes only at its end. Nothing is left behind.
void check_writable(const std::string& path);

/// Is `path` a temporary of write_file(), NAME.tmpPID, whose process PID lives no more?
bool is_left_over(const std::string& path);

/// Holds a folder for this process (flock on FOLDER/.lock) until destroyed. Throws Error when
/// another process has it, or saying why it cannot be locked.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace unlazy
