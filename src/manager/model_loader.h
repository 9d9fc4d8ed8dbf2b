// From a placement to a model in memory. Holds the fallback policy of the
// load: what OpenVINO cannot serve, PyTorch serves, and the event is recorded. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/config.h"
#include "manager/fallback.h"
#include "manager/hosted_model.h"
#include "manager/model_cache.h"

namespace mm_orch::manager {

class ModelLoader {
 public:
  explicit ModelLoader(FallbackLog& fallbacks) : fallbacks_(fallbacks) {}

  std::shared_ptr<HostedModel> load(const Placement& asked, const ModelCache::MakeRoom& make_room);
  /// The same on the backend that is asked for alone: what it cannot serve is the error.
  std::shared_ptr<HostedModel> load_exactly(const Placement& asked,
                                            const ModelCache::MakeRoom& make_room);

  /// The PyTorch model of the same weights; loaded at the first call, then kept.
  std::shared_ptr<backend::LoadedModel> stand_in(HostedModel& hosted);

  /// The PyTorch model that goes on for `hosted` after `error`; the event is recorded.
  /// @throws  the error itself, if fallback is off or it already runs on PyTorch; with the reason
  ///          added, if PyTorch cannot take over.
  std::shared_ptr<backend::LoadedModel> take_over(HostedModel& hosted, const MuAIError& error,
                                                  const std::string& failed_backend);

 private:
  std::shared_ptr<HostedModel> load_pytorch(const Placement& asked,
                                            const ModelCache::MakeRoom& make_room);
  std::shared_ptr<HostedModel> load_openvino(const Placement& asked,
                                             const ModelCache::MakeRoom& make_room);
  std::shared_ptr<HostedModel> fall_back(const Placement& asked,
                                         const ModelCache::MakeRoom& make_room,
                                         const MuAIError& error);
  std::shared_ptr<backend::LoadedModel> load_on_pytorch(const weights::ModelSource& source,
                                                        const Placement& placement);
  std::shared_ptr<backend::LoadedModel> compile(backend::Artifact& artifact,
                                                const HostedModel& hosted, Placement placement);

  FallbackLog& fallbacks_;
};

}  // namespace mm_orch::manager
