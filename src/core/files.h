// Files appear whole or not at all. They are written under a temporary name in the same folder,
// flushed to the disk and renamed. Then the folder is flushed too, so that the name survives a
// power failure.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace unlazy {

/// Receives the bytes of a file, piece by piece.
using ByteSink = std::function<void(const void* bytes, size_t count)>;

/// Writes `path` by calling `produce` with a sink. The file appears under its name only when all
/// bytes are on the disk. Throws Error naming the path, the system's reason and what to do (for a
/// full disk: free some space). In that case the temporary file is removed and an older file of
/// that name is not changed.
void write_file(const std::string& path, const std::function<void(const ByteSink&)>& produce);
void write_file(const std::string& path, std::string_view content);

/// The whole content. Throws Error when the file cannot be read.
std::string read_file(const std::string& path);

/// Flushes to the disk: the content of a file, or the names in a folder. Throws Error naming the
/// path and the system's reason.
void sync_file(const std::string& path);
void sync_folder(const std::string& path);

/// Makes a folder and its parents, and flushes all their names. Throws Error saying what to do.
void make_folder(const std::string& path);

/// Throws Error saying what to do when no file could be written into the folder `path`, whether it
/// exists or must still be made. For work that writes only at its end. Leaves nothing behind.
void check_writable(const std::string& path);

/// Is `path` a temporary file of write_file(), NAME.tmpPID, whose process PID has ended?
bool is_left_over(const std::string& path);

/// Locks a folder for this process (flock on FOLDER/.lock) until destroyed. Throws Error when
/// another process holds the lock, or saying why the folder cannot be locked.
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
