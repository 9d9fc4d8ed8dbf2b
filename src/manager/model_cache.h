// The loaded models, least recently used first to go. A model in use (a Lease is held)
// or pinned never goes. Loads of one name happen once: who comes second waits for the first.
//
// Thread-safe. No lock is held while a model is loaded or destroyed. While every model
// is in use or pinned the cache may hold more than its limits; what is too much goes when a
// lease ends. The model used last stays, whatever its size has become.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "manager/hosted_model.h"
#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

struct CacheLimits {
  int64_t models = 3;
  double residency_s =
      30;  // a model idle for longer goes when room is needed, even if fewer would do
  /// Of the models' weights together, as measured once they are loaded. With this limit room is
  /// made after a load, so that one that fails costs no other model.
  std::optional<uint64_t> bytes = {};
};

class MM_ORCH_EXPORT ModelCache {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  explicit ModelCache(const CacheLimits& limits, Clock clock = std::chrono::steady_clock::now);

  /// Keeps a model from eviction while it lives.
  class Lease {
   public:
    Lease(ModelCache* cache, std::shared_ptr<HostedModel> model)
        : cache_(cache), model_(std::move(model)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    HostedModel* operator->() const { return model_.get(); }
    HostedModel& operator*() const { return *model_; }
    explicit operator bool() const { return model_ != nullptr; }

   private:
    ModelCache* cache_;
    std::shared_ptr<HostedModel> model_;
  };

  /// Empty if the model is not loaded.
  Lease find(const std::string& name);

  /// Called by a load once it knows that the model exists, before the memory is taken.
  using MakeRoom = std::function<void()>;
  using Load = std::function<std::shared_ptr<HostedModel>(const MakeRoom& make_room)>;
  /// Does nothing if the model is there with this placement; else loads it and replaces what was
  /// there. What `load` throws reaches every caller that waited for it.
  /// @throws OutOfMemoryError  the model alone is larger than the limit; what was there stays.
  void load_once(const std::string& name, const Placement& asked, const Load& load);

  bool remove(const std::string& name);
  /// False if the model is not loaded. Pinning ends with the model's removal.
  bool pin(const std::string& name, bool pinned);
  /// Evicts what is idle for longer than the residency; returns how many went.
  int64_t remove_stale();
  CacheInformation info() const;
  void clear();
  bool contains(const std::string& name) const;
  std::vector<std::string> names() const;  // most recently used first

 private:
  struct Entry {
    std::shared_ptr<HostedModel> model;
    std::chrono::steady_clock::time_point last_use;
    bool pinned = false;
  };
  struct Pending;
  using Models = std::vector<std::shared_ptr<HostedModel>>;

  // These need mutex_ held. Evicted models are handed out, to be destroyed after unlocking.
  std::list<Entry>::iterator position(const std::string& name);
  void touch(std::list<Entry>::iterator entry);
  bool is_stale(const Entry& entry) const;
  Models evict(int64_t places_needed, bool stale_too);

  void make_room();
  void trim();
  void run_load(const std::string& name, const Load& load, Pending& pending);
  void check_size(const HostedModel& model) const;

  const CacheLimits limits_;
  const Clock clock_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::map<std::string, std::shared_ptr<Pending>> pending_;
  int64_t reserved_ = 0;  // places taken by loads under way
};

}  // namespace mm_orch::manager
