#include "call.h"

namespace mm_orch::python {
namespace {

thread_local Call* current_call = nullptr;

bool is_main_thread() {
  const nb::object main = nb::module_::import_("threading").attr("main_thread")();
  return nb::cast<unsigned long>(main.attr("ident")) == PyThread_get_thread_ident();
}

}  // namespace

Call::Call() : outer_(current_call), on_main_thread_(is_main_thread()) { current_call = this; }

Call::~Call() { current_call = outer_; }

Call* Call::current() { return current_call; }

void Call::keep(nb::python_error&& error) {
  if (!pending_) pending_.emplace(std::move(error));
}

bool Call::interrupted() {
  if (pending_) return true;
  if (!on_main_thread_) return false;  // Python handles signals on the main thread only
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() == 0) return false;
  keep(nb::python_error());
  return true;
}

void Call::raise_pending() {
  if (!pending_) return;
  nb::python_error error = std::move(*pending_);
  pending_.reset();
  throw error;
}

}  // namespace mm_orch::python
