// One call from Python into the library. The GIL is released while the library works;
// what Python raises meanwhile (in a callback, or by Ctrl-C) never travels through the
// library: it is kept here, stops the work, and is raised when the library has returned.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <type_traits>

#include "mm_orch/generation_config.h"

namespace mm_orch::python {

namespace nb = nanobind;

class Call {
 public:
  /// @throws CancelledError  the interpreter is exiting.
  Call();
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// Before the interpreter exits: stops the calls of daemon threads and waits for them (10 s at
  /// most), refuses new ones. A thread that asks for the GIL later would abort the process.
  static void shut_down();

  /// The innermost call of this thread; null outside of one.
  static Call* current();

  /// Runs `work` without the GIL, then raises what Python raised meanwhile.
  template <class Work>
  std::invoke_result_t<Work> run(Work&& work) {
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
        const nb::gil_scoped_release release;
        work();
      } else {
        auto result = [&] {
          const nb::gil_scoped_release release;
          return work();
        }();
        raise_pending();
        return result;
      }
    } catch (...) {
      raise_pending();
      throw;
    }
    raise_pending();
  }

  /// Keeps an exception to raise later; the first one wins. Needs the GIL.
  void keep(nb::python_error&& error);

  /// True if the work should stop: an exception is kept, a signal handler raised one, or the
  /// interpreter is exiting.
  /// Takes the GIL by itself.
  bool interrupted();

 private:
  void raise_pending();

  Call* outer_;
  bool on_main_thread_;
  std::optional<nb::python_error> pending_;
};

/// Asked once per token: the caller's own token, then Python's signals.
class InterruptToken : public CancelToken {
 public:
  InterruptToken(Call& call, std::shared_ptr<const CancelToken> inner)
      : call_(call), inner_(std::move(inner)) {}
  bool cancelled() const override {
    return CancelToken::cancelled() || (inner_ && inner_->cancelled()) || call_.interrupted();
  }

 private:
  Call& call_;
  std::shared_ptr<const CancelToken> inner_;
};

}  // namespace mm_orch::python
