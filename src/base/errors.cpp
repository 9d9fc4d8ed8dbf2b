#include "mm_orch/errors.h"

#include <cctype>

namespace mm_orch {

MuAIError::~MuAIError() = default;

std::string_view error_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kConfiguration:
      return "ConfigurationError";
    case ErrorCode::kInvalidInput:
      return "InvalidInputError";
    case ErrorCode::kModelNotFound:
      return "ModelNotFoundError";
    case ErrorCode::kOutOfMemory:
      return "OutOfMemoryError";
    case ErrorCode::kCancelled:
      return "CancelledError";
    case ErrorCode::kBackend:
      return "BackendError";
    case ErrorCode::kBackendInitialization:
      return "BackendInitializationError";
    case ErrorCode::kDevice:
      return "DeviceError";
    case ErrorCode::kModelLoad:
      return "ModelLoadError";
    case ErrorCode::kFileValidation:
      return "FileValidationError";
    case ErrorCode::kUnsupportedModel:
      return "UnsupportedModelError";
    case ErrorCode::kInference:
      return "InferenceError";
    case ErrorCode::kNumericFault:
      return "NumericFaultError";
    case ErrorCode::kFidelity:
      return "FidelityError";
    case ErrorCode::kOverloaded:
      return "OverloadedError";
  }
  return "MuAIError";
}

std::string error_docs(ErrorCode code) {
  std::string docs = "docs/troubleshooting.md#";
  for (const char letter : error_name(code))
    docs += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return docs;
}

void throw_error(ErrorCode code, const std::string& message, ErrorContext context) {
  switch (code) {
    case ErrorCode::kConfiguration:
      throw ConfigurationError(message, std::move(context));
    case ErrorCode::kInvalidInput:
      throw InvalidInputError(message, std::move(context));
    case ErrorCode::kModelNotFound:
      throw ModelNotFoundError(message, std::move(context));
    case ErrorCode::kOutOfMemory:
      throw OutOfMemoryError(message, std::move(context));
    case ErrorCode::kCancelled:
      throw CancelledError(message, std::move(context));
    case ErrorCode::kBackend:
      throw BackendError(message, std::move(context));
    case ErrorCode::kBackendInitialization:
      throw BackendInitializationError(message, std::move(context));
    case ErrorCode::kDevice:
      throw DeviceError(message, std::move(context));
    case ErrorCode::kModelLoad:
      throw ModelLoadError(message, std::move(context));
    case ErrorCode::kFileValidation:
      throw FileValidationError(message, std::move(context));
    case ErrorCode::kUnsupportedModel:
      throw UnsupportedModelError(message, std::move(context));
    case ErrorCode::kInference:
      throw InferenceError(message, std::move(context));
    case ErrorCode::kNumericFault:
      throw NumericFaultError(message, std::move(context));
    case ErrorCode::kFidelity:
      throw FidelityError(message, std::move(context));
    case ErrorCode::kOverloaded:
      throw OverloadedError(message, std::move(context));
  }
  throw MuAIError(code, message, std::move(context));
}

}  // namespace mm_orch
