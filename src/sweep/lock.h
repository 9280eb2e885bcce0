// One lock a point, in files that also work on NFS, so that several processes and machines can
// share a sweep.
//
// The lock of a point is the file NAME.lock.N with the highest N. Making N + 1 with O_EXCL is how a
// lock is taken; the system lets one process do it. Nobody ever renames a file or takes one that is
// there, so two that take over a stale lock cannot remove each other's. Only for a done point the
// last file is removed; numbers then start again at 1. The file holds its owner: host, process, the
// process of its run, and a count that grows every few seconds.
//
// A lock is free when there is no file, or when its owner has released it. An owner on this machine
// is judged by its process and that of its run: both must be dead. A lock that names this process
// though it holds none such (it could not write down the release) counts as one of a dead process.
// One on another machine is taken for dead when the content has not changed for the timeout while
// this process watched. No clocks of two machines are compared.
//
// An owner that was taken for dead (a suspended machine) finds N + 1 at its next beat, and must
// then stop its run at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "sweep/machine.h"

namespace unlazy::sweep {

/// What a lock says.
struct LockOwner {
  std::string host, machine;
  Process process, child;
  int64_t beat = 0;
};

class LockFolder;

/// A lock that this process holds. It is released when the object goes.
class PointLock {
 public:
  ~PointLock();
  PointLock(const PointLock&) = delete;
  PointLock& operator=(const PointLock&) = delete;

  /// Says that the owner lives. Returns false when the lock was taken over, or may have been: when
  /// nothing could be written for most of the timeout.
  bool beat();
  /// Writes down which process runs the point. Throws Error when that cannot be written.
  void set_child(const Process& child);
  /// Removes all trace of the lock: for a point that is done. Who waits for it must look whether it
  /// is done once it has the lock.
  void remove();

 private:
  friend class LockFolder;
  PointLock(LockFolder& folder, std::string name, int64_t number, int file);
  enum class Hold { kOurs, kLost, kUnknown };
  bool write();
  Hold hold() const;
  void close();

  LockFolder& folder_;
  std::string name_;
  int64_t number_;
  int file_;
  LockOwner owner_;
  double last_beat_;
};

/// The locks in a folder as one process sees them.
class LockFolder {
 public:
  /// `timeout`: seconds of silence after which an owner counts as dead.
  LockFolder(std::string folder, double timeout);

  /// Reads the folder. What owner() says is of the last reading.
  void scan();
  /// Who holds the lock; nothing when it is free. An owner that cannot be read has no host.
  std::optional<LockOwner> owner(const std::string& name) const;
  /// Takes the lock if it is free. Reads the folder again.
  std::unique_ptr<PointLock> try_lock(const std::string& name);

  const std::string& folder() const { return folder_; }
  double timeout() const { return timeout_; }

 private:
  friend class PointLock;
  struct Seen {
    int64_t number = 0;
    std::string content;
    double since = 0;  // seconds_since_boot() when this content was first seen
  };
  std::string path(const std::string& name, int64_t number) const;
  std::map<std::string, int64_t> numbers() const;
  bool is_free(const std::string& name, const Seen& seen) const;

  std::string folder_;
  double timeout_;
  std::map<std::string, Seen> seen_;
};

}  // namespace unlazy::sweep
