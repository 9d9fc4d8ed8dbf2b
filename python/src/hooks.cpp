// The log and the downloader. Both call Python from whatever thread the library is on. The Python
// functions are kept until the process ends: a thread may still hold one while Python exits.
#include "bindings.h"
#include "mm_orch/downloader.h"
#include "mm_orch/log.h"

namespace mm_orch::python {
namespace {

void forward_to_python(nb::handle function, LogLevel level, std::string_view message) {
  const nb::gil_scoped_acquire gil;
  try {
    PyObject* text =
        PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "replace");
    function(static_cast<int>(level), nb::steal(text));
  } catch (nb::python_error& error) {
    if (Call* call = Call::current()) {
      call->keep(std::move(error));  // Ctrl-C while a handler wrote, for instance
    } else {
      error.discard_as_unraisable("mm_orch log");
    }
  }
}

std::filesystem::path download_in_python(nb::handle function, const std::string& repository) {
  const nb::gil_scoped_acquire gil;
  try {
    const nb::object folder = function(nb::str(repository.data(), repository.size()));
    return std::filesystem::path(nb::cast<nb::str>(folder).c_str());
  } catch (nb::python_error& error) {
    throw_if_typed(error);
    if (Call* call = Call::current()) call->keep(std::move(error));
    throw CancelledError("the download of '" + repository + "' was interrupted",
                         {.model = repository});
  }
}

}  // namespace

void bind_hooks(nb::module_& module) {
  module.def(
      "set_log_sink",
      [](nb::object function) {
        set_log_sink([kept = function.release()](LogLevel level, std::string_view message) {
          forward_to_python(kept, level, message);
        });
      },
      nb::arg("function"), "Sends each log record to function(level, message).");
  module.def(
      "set_downloader",
      [](nb::object function) {
        weights::set_downloader([kept = function.release()](const std::string& repository) {
          return download_in_python(kept, repository);
        });
      },
      nb::arg("function"), "Downloads with function(repository) -> folder.");
  module.def(
      "shut_down",
      [] {
        Call::shut_down();
        set_log_sink({});
        weights::set_downloader({});
      },
      "Ends the running calls and stops calling Python; before the interpreter exits.");
}

}  // namespace mm_orch::python
