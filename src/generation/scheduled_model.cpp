#include "generation/scheduled_model.h"

#include "backend/paged_session.h"

namespace mm_orch::generation {

std::shared_ptr<backend::LoadedModel> ScheduledModel::schedule(
    std::shared_ptr<backend::LoadedModel> model, const config::SchedulerConfig& options) {
  if (!model->paged()) return model;
  return std::shared_ptr<LoadedModel>(new ScheduledModel(std::move(model), options));
}

std::unique_ptr<backend::Session> ScheduledModel::new_session(
    const backend::SessionOptions& options) {
  return std::make_unique<backend::PagedSession>(*model_->paged(), shared_from_this(), options,
                                                 scheduler_.join(options.cancelled));
}

}  // namespace mm_orch::generation
