// Errors cross in both directions with their type and context. The Python classes are
// those of mm_orch/exceptions.py, found by the name that C++ gives them.
#include <nanobind/stl/string.h>

#include "bindings.h"

namespace mm_orch::python {
namespace {

nb::object exception_class(const char* name) {
  return nb::module_::import_("mm_orch.exceptions").attr(name);
}

// A message may quote bytes of a file that are no UTF-8.
nb::object readable(const std::string& text) {
  return nb::steal(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

void set_python_error(const MuAIError& error) {
  const nb::object type = exception_class(std::string(error_name(error.code())).c_str());
  const ErrorContext& context = error.context();
  const nb::object instance =
      type(readable(error.what()), nb::arg("model") = readable(context.model),
           nb::arg("backend") = readable(context.backend),
           nb::arg("device") = readable(context.device), nb::arg("path") = readable(context.path));
  PyErr_SetObject(type.ptr(), instance.ptr());
}

}  // namespace

std::string utf8(const nb::str& text, const char* what) {
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data != nullptr) return std::string(data, static_cast<size_t>(size));
  PyErr_Clear();
  throw InvalidInputError(std::string(what) +
                          " holds a lone surrogate, which no UTF-8 text can; replace it first, "
                          "for instance with text.encode('utf-8', 'replace').decode()");
}

void throw_if_typed(const nb::python_error& error) {
  if (!error.matches(exception_class("MuAIError"))) return;
  const nb::handle value = error.value();
  const auto text = [&](const char* attribute) {
    return nb::cast<std::string>(value.attr(attribute));
  };
  throw_error(static_cast<ErrorCode>(nb::cast<int>(value.attr("code"))),
              nb::cast<std::string>(nb::str(value)),
              {text("model"), text("backend"), text("device"), text("path")});
}

void bind_errors(nb::module_& module) {
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const MuAIError& error) {
      set_python_error(error);
    }
  });
  module.def(
      "_throw_error",
      [](int code, const std::string& message, const std::string& model, const std::string& backend,
         const std::string& device, const std::string& path) {
        throw_error(static_cast<ErrorCode>(code), message, {model, backend, device, path});
      },
      nb::arg("code"), nb::arg("message"), nb::arg("model") = "", nb::arg("backend") = "",
      nb::arg("device") = "", nb::arg("path") = "", "Throws an error in C++; for the tests.");
}

}  // namespace mm_orch::python
