// How near an exported model is to its source: the report of the check that ends an
// export. It lies beside the model as <stem>.fidelity.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mm_orch/export.h"

namespace mm_orch {

enum class FidelityStatus {
  kPassed,
  kFailed,    // the model is kept but not used
  kAccepted,  // failed, and used all the same, because the export was forced
  kUnchecked  // used
};
MM_ORCH_EXPORT std::string fidelity_status_name(FidelityStatus status);  // "passed"

/// Of the exported model against the source on PyTorch in FP32, over the positions of fixed
/// prompts.
struct FidelityFigures {
  int64_t tokens = 0;
  double max_logit_error = 0;  // absolute
  double mean_logit_error = 0;
  double max_relative_error = 0;  // relative to the range of the position's logits
  double mean_relative_error = 0;
  double mean_kl = 0;  // of the next token's distributions, KL(source || exported), nats
  double max_kl = 0;
  double top1_agreement = 0;                // in [0, 1]
  std::optional<int64_t> first_divergence;  // the first position in a prompt whose
                                            // likeliest tokens differ
};

/// The same of a model with an encoder alone, over the vectors of the prompts' tokens.
struct VectorFigures {
  int64_t tokens = 0;
  double min_cosine = 1;          // of the angle between both models' vectors of a token
  double max_relative_error = 0;  // relative to the range of the token's vector
};

/// What is allowed.
struct FidelityBounds {
  double mean_kl = 0;                        // at most
  std::optional<double> max_relative_error;  // at most; none: not limited
  double min_cosine = 1;                     // at least
};

struct FidelityReport {
  FidelityStatus status = FidelityStatus::kUnchecked;
  std::string reason;       // why it failed or was not checked
  std::string precision;    // "FP32"
  std::string fingerprint;  // of the source
  FidelityBounds bounds;
  std::optional<FidelityFigures> figures;  // none where nothing could be compared
  std::optional<VectorFigures> vectors;    // instead, of a model with an encoder alone
  double seconds = 0;                      // that the check took
};

/// One line: "passed: mean KL 0.0027 (allowed 0.02), ...".
MM_ORCH_EXPORT std::string fidelity_summary(const FidelityReport& report);
/// The content of the file.
MM_ORCH_EXPORT std::string fidelity_json(const FidelityReport& report);

}  // namespace mm_orch
