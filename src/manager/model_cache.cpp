#include "manager/model_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <utility>

namespace mm_orch::manager {

struct ModelCache::Pending {
  Placement asked;
  std::promise<void> promise;
  std::shared_future<void> done{promise.get_future()};
};

ModelCache::ModelCache(const CacheLimits& limits, Clock clock)
    : limits_(limits), clock_(std::move(clock)) {}

ModelCache::Lease::~Lease() {
  if (!model_) return;
  model_.reset();
  cache_->trim();
}

std::list<ModelCache::Entry>::iterator ModelCache::position(const std::string& name) {
  return std::find_if(entries_.begin(), entries_.end(),
                      [&](const Entry& entry) { return entry.model->assets.name == name; });
}

void ModelCache::touch(std::list<Entry>::iterator entry) {
  entry->last_use = clock_();
  entries_.splice(entries_.begin(), entries_, entry);
}

// New leases are given out under the lock only, so a count of one means idle until it is released.
ModelCache::Models ModelCache::evict(int64_t places_needed, bool stale_too) {
  Models evicted;
  uint64_t bytes = 0;
  if (limits_.bytes)
    for (const auto& entry : entries_) bytes += entry.model->memory_bytes();
  const auto too_many = [&] {
    return static_cast<int64_t>(entries_.size()) + reserved_ + places_needed > limits_.models;
  };
  const auto too_large = [&] { return limits_.bytes && bytes > *limits_.bytes; };
  if (!too_many() && !too_large()) return evicted;
  for (auto entry = entries_.end(); entry != entries_.begin();) {
    --entry;
    const bool goes =
        too_many() || (too_large() && entry != entries_.begin()) || (stale_too && is_stale(*entry));
    if (!goes || entry->pinned || entry->model.use_count() > 1) continue;
    if (limits_.bytes) bytes -= entry->model->memory_bytes();
    evicted.push_back(std::move(entry->model));
    entry = entries_.erase(entry);
  }
  return evicted;
}

bool ModelCache::is_stale(const Entry& entry) const {
  return clock_() - entry.last_use > std::chrono::duration<double>(limits_.residency_s);
}

ModelCache::Lease ModelCache::find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto entry = position(name);
  if (entry == entries_.end()) return {this, nullptr};
  touch(entry);
  return {this, entries_.front().model};
}

void ModelCache::make_room() {
  Models evicted;
  const std::lock_guard lock(mutex_);
  evicted = evict(1, true);
  ++reserved_;
}

void ModelCache::trim() {
  Models evicted;
  const std::lock_guard lock(mutex_);
  evicted = evict(0, false);
}

void ModelCache::load_once(const std::string& name, const Placement& asked, const Load& load) {
  for (;;) {
    std::shared_ptr<Pending> pending;
    bool mine = false;
    {
      const std::lock_guard lock(mutex_);
      const auto entry = position(name);
      if (entry != entries_.end() && entry->model->asked == asked) return touch(entry);
      auto& slot = pending_[name];
      mine = slot == nullptr;
      if (mine) slot = std::make_shared<Pending>(Pending{.asked = asked});
      pending = slot;
    }
    if (mine) return run_load(name, load, *pending);
    // Another placement's failure is not ours: then our own load comes next.
    if (pending->asked == asked)
      pending->done.get();
    else
      pending->done.wait();
  }
}

void ModelCache::run_load(const std::string& name, const Load& load, Pending& pending) {
  bool reserved = false;
  const MakeRoom make_room_once = [&] {
    if (!limits_.bytes && !std::exchange(reserved, true)) make_room();
  };
  std::shared_ptr<HostedModel> model;
  std::exception_ptr error;
  try {
    model = load(make_room_once);
    make_room_once();
    check_size(*model);
  } catch (...) {
    model.reset();
    error = std::current_exception();
  }
  Models evicted;
  const auto own = [&] {
    const std::lock_guard lock(mutex_);
    if (reserved) --reserved_;
    if (model) {
      bool pinned = false;
      if (const auto old = position(name); old != entries_.end()) {
        pinned = old->pinned;
        evicted.push_back(std::move(old->model));
        entries_.erase(old);
      }
      entries_.push_front({std::move(model), clock_(), pinned});
      if (limits_.bytes) std::ranges::move(evict(0, true), std::back_inserter(evicted));
    }
    auto slot = pending_.extract(name);
    return slot.mapped();
  }();
  if (error) {
    pending.promise.set_exception(error);
    std::rethrow_exception(error);
  }
  pending.promise.set_value();
}

void ModelCache::check_size(const HostedModel& model) const {
  if (!limits_.bytes || model.memory_bytes() <= *limits_.bytes) return;
  const auto& name = model.assets.name;
  throw OutOfMemoryError(
      fmt::format(
          "Model '{}' takes {} bytes in memory, max_cached_bytes allows {}; what was loaded "
          "before stays. Raise max_cached_bytes or export the model with INT8",
          name, model.memory_bytes(), *limits_.bytes),
      ErrorContext{.model = name, .backend = model.backend});
}

bool ModelCache::remove(const std::string& name) {
  Models removed;
  const std::lock_guard lock(mutex_);
  const auto entry = position(name);
  if (entry == entries_.end()) return false;
  removed.push_back(std::move(entry->model));
  entries_.erase(entry);
  return true;
}

bool ModelCache::pin(const std::string& name, bool pinned) {
  const std::lock_guard lock(mutex_);
  const auto entry = position(name);
  if (entry == entries_.end()) return false;
  entry->pinned = pinned;
  return true;
}

int64_t ModelCache::remove_stale() {
  Models evicted;
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&](Entry& entry) {
    if (entry.pinned || entry.model.use_count() > 1 || !is_stale(entry)) return false;
    evicted.push_back(std::move(entry.model));
    return true;
  });
  return static_cast<int64_t>(evicted.size());
}

CacheInformation ModelCache::info() const {
  const std::lock_guard lock(mutex_);
  CacheInformation info{.max_cached_models = limits_.models,
                        .max_cached_bytes = limits_.bytes,
                        .residency_s = limits_.residency_s};
  for (const auto& entry : entries_) {
    CachedModel model{.name = entry.model->assets.name,
                      .backend = entry.model->backend,
                      .memory_bytes = entry.model->memory_bytes(),
                      .idle_s = std::chrono::duration<double>(clock_() - entry.last_use).count(),
                      .in_use = entry.model.use_count() > 1,
                      .pinned = entry.pinned};
    info.memory_bytes += model.memory_bytes;
    info.models.push_back(std::move(model));
  }
  return info;
}

void ModelCache::clear() {
  std::list<Entry> removed;
  const std::lock_guard lock(mutex_);
  removed.swap(entries_);
}

bool ModelCache::contains(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.model->assets.name == name; });
}

std::vector<std::string> ModelCache::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& entry : entries_) names.push_back(entry.model->assets.name);
  return names;
}

}  // namespace mm_orch::manager
