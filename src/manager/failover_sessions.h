// The sessions of one call: on the model's own backend first, after a failure on PyTorch.
#pragma once

#include <memory>
#include <string>

#include "generation/generator.h"
#include "manager/model_loader.h"

namespace mm_orch::manager {

class FailoverSessions final : public generation::SessionProvider {
 public:
  FailoverSessions(HostedModel& hosted, ModelLoader& loader)
      : hosted_(hosted), loader_(loader), backend_(hosted.backend) {}

  std::unique_ptr<backend::Session> open(const backend::SessionOptions& options) override {
    try {
      return hosted_.model->new_session(options);
    } catch (const MuAIError& error) {
      return recover(error, options);
    }
  }

  std::unique_ptr<backend::Session> recover(const MuAIError& error,
                                            const backend::SessionOptions& options) override {
    const auto model = loader_.take_over(hosted_, error, backend_);
    backend_ = kPyTorch;
    moved_ = true;
    return model->new_session(options);
  }

  std::string backend_name() const override { return backend_; }
  /// True once a failure has moved the call to another backend.
  bool moved() const { return moved_; }

 private:
  HostedModel& hosted_;
  ModelLoader& loader_;
  std::string backend_;
  bool moved_ = false;
};

}  // namespace mm_orch::manager
