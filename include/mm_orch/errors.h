// The closed error hierarchy of mm_orch. Every error thrown by the library is a
// MuAIError with a stable code, a message that says what was found, what is
// allowed and what to do, and the context it happened in. Types have default
// visibility, so they keep their identity across plug-ins.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "mm_orch/export.h"

namespace mm_orch {

enum class ErrorCode {
  kConfiguration = 1,
  kInvalidInput,
  kModelNotFound,
  kOutOfMemory,
  kCancelled,
  kBackend,
  kBackendInitialization,
  kDevice,
  kModelLoad,
  kFileValidation,
  kUnsupportedModel,
  kInference,
  kNumericFault,
  kFidelity,
  kOverloaded,
};

/// Where an error happened; a member that does not apply is empty.
struct ErrorContext {
  std::string model = {};
  std::string backend = {};
  std::string device = {};
  std::string path = {};
};

class MM_ORCH_EXPORT MuAIError : public std::runtime_error {
 public:
  MuAIError(ErrorCode code, const std::string& message, ErrorContext context = {})
      : std::runtime_error(message), code_(code), context_(std::move(context)) {}
  ~MuAIError() override;

  ErrorCode code() const { return code_; }
  const ErrorContext& context() const { return context_; }

 private:
  ErrorCode code_;
  ErrorContext context_;
};

// One class per code. `Base` is the parent in the hierarchy.
template <ErrorCode kCode, class Base>
class MM_ORCH_EXPORT ErrorOf : public Base {
 public:
  explicit ErrorOf(const std::string& message, ErrorContext context = {})
      : Base(kCode, message, std::move(context)) {}

 protected:
  ErrorOf(ErrorCode code, const std::string& message, ErrorContext context)
      : Base(code, message, std::move(context)) {}
};

/// A configuration file or option is wrong.
using ConfigurationError = ErrorOf<ErrorCode::kConfiguration, MuAIError>;
/// An argument of a call is outside what is allowed.
using InvalidInputError = ErrorOf<ErrorCode::kInvalidInput, MuAIError>;
/// No model under this path or name, here or (when online) on the hub.
using ModelNotFoundError = ErrorOf<ErrorCode::kModelNotFound, MuAIError>;
/// The memory for the request is not there.
using OutOfMemoryError = ErrorOf<ErrorCode::kOutOfMemory, MuAIError>;
/// The caller cancelled the request.
using CancelledError = ErrorOf<ErrorCode::kCancelled, MuAIError>;
/// Too many requests wait already, or this one waited too long.
using OverloadedError = ErrorOf<ErrorCode::kOverloaded, MuAIError>;
/// Anything that a backend reports.
using BackendError = ErrorOf<ErrorCode::kBackend, MuAIError>;
/// The backend or its SDK is missing, or of another version than it was built for.
using BackendInitializationError = ErrorOf<ErrorCode::kBackendInitialization, BackendError>;
/// The device asked for is not there.
using DeviceError = ErrorOf<ErrorCode::kDevice, BackendError>;
/// The model was found but cannot be loaded.
using ModelLoadError = ErrorOf<ErrorCode::kModelLoad, BackendError>;
/// A model file is truncated, damaged or contradicts itself.
using FileValidationError = ErrorOf<ErrorCode::kFileValidation, ModelLoadError>;
/// The architecture, or an option of it, is one we lack.
using UnsupportedModelError = ErrorOf<ErrorCode::kUnsupportedModel, ModelLoadError>;
/// An exported model differs from its source by more than is allowed.
using FidelityError = ErrorOf<ErrorCode::kFidelity, ModelLoadError>;
/// A forward pass failed.
using InferenceError = ErrorOf<ErrorCode::kInference, BackendError>;
/// A forward pass gave NaN or Inf.
using NumericFaultError = ErrorOf<ErrorCode::kNumericFault, InferenceError>;

/// The class name of a code, the same in C++ and Python: "DeviceError".
MM_ORCH_EXPORT std::string_view error_name(ErrorCode code);

/// The section of the documentation: "docs/troubleshooting.md#deviceerror".
MM_ORCH_EXPORT std::string error_docs(ErrorCode code);

/// Throws the class that belongs to `code`; rebuilds a typed error from its parts.
[[noreturn]] MM_ORCH_EXPORT void throw_error(ErrorCode code, const std::string& message,
                                             ErrorContext context = {});

}  // namespace mm_orch
