#include "call.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "mm_orch/errors.h"

namespace mm_orch::python {
namespace {

thread_local Call* current_call = nullptr;
std::atomic<int> running_calls = 0;
std::atomic<bool> exiting = false;

bool is_main_thread() {
  const nb::object main = nb::module_::import_("threading").attr("main_thread")();
  return nb::cast<unsigned long>(main.attr("ident")) == PyThread_get_thread_ident();
}

}  // namespace

Call::Call() : outer_(current_call), on_main_thread_(is_main_thread()) {
  if (exiting) throw CancelledError("the interpreter is exiting");
  current_call = this;
  ++running_calls;
}

Call::~Call() {
  --running_calls;
  current_call = outer_;
}

void Call::shut_down() {
  exiting = true;
  const nb::gil_scoped_release release;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (running_calls > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Call* Call::current() { return current_call; }

void Call::keep(nb::python_error&& error) {
  if (!pending_) pending_.emplace(std::move(error));
}

bool Call::interrupted() {
  if (pending_ || exiting) return true;
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
