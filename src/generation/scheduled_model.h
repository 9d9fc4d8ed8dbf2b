// A loaded model whose sessions share their steps.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "generation/scheduler.h"

namespace mm_orch::generation {

class MM_ORCH_EXPORT ScheduledModel : public backend::LoadedModel {
 public:
  /// `model` itself, if it has no paged cache.
  static std::shared_ptr<backend::LoadedModel> schedule(std::shared_ptr<backend::LoadedModel> model,
                                                        const config::SchedulerConfig& options);

  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override;
  backend::PagedRunner* paged() override { return model_->paged(); }
  std::string device() const override { return model_->device(); }
  std::string precision() const override { return model_->precision(); }
  uint64_t memory_bytes() const override { return model_->memory_bytes(); }

  SchedulingStats stats() const { return scheduler_.stats(); }

 private:
  ScheduledModel(std::shared_ptr<backend::LoadedModel> model,
                 const config::SchedulerConfig& options)
      : model_(std::move(model)), scheduler_(*model_->paged(), options) {}

  std::shared_ptr<backend::LoadedModel> model_;
  Scheduler scheduler_;
};

}  // namespace mm_orch::generation
