// The sessions, or the encoding, of one call: on the model's own backend first, after a
// failure on PyTorch; on PyTorch at once while the circuit breaker is open.
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
  ~FailoverSessions() override;

  std::unique_ptr<backend::Session> open(const backend::SessionOptions& options) override;
  std::unique_ptr<backend::Session> recover(const MuAIError& error,
                                            const backend::SessionOptions& options) override;
  std::string backend_name() const override { return backend_; }
  /// LoadedModel::encode. NaN or Inf in the output is a failure, too.
  backend::EncoderOutput encode(const backend::EncoderInput& input);

  /// The call ended well; tells the circuit breaker.
  void finished();
  /// True once a failure has moved the call to another backend.
  bool moved() const { return moved_; }

 private:
  std::shared_ptr<backend::LoadedModel> first_model();
  std::shared_ptr<backend::LoadedModel> next_model(const MuAIError& error);

  HostedModel& hosted_;
  ModelLoader& loader_;
  std::string backend_;
  bool moved_ = false;
  bool breaker_waits_ = false;  // for how the call ends
};

}  // namespace mm_orch::manager
