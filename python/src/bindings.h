// The parts of the extension module; module.cpp puts them together.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "call.h"
#include "mm_orch/errors.h"
#include "mm_orch/generation_config.h"

namespace mm_orch::python {

void bind_errors(nb::module_& module);
void bind_generation(nb::module_& module);
void bind_manager(nb::module_& module);
void bind_hooks(nb::module_& module);

/// Reads the keyword arguments of `generate`. Callbacks stay borrowed: `options` must outlive the
/// generation. `indexed`: the stream is called with (index, piece) instead of (piece).
/// @throws nb::type_error  an option has the wrong type; option and allowed type are named.
GenerationConfig generation_config(const nb::dict& options, bool indexed, Call& call);

/// The UTF-8 of a str.
/// @throws InvalidInputError  it holds a lone surrogate; `what` names the argument.
std::string utf8(const nb::str& text, const char* what);

/// If Python raised a MuAIError, throws its C++ twin; does nothing otherwise.
void throw_if_typed(const nb::python_error& error);

}  // namespace mm_orch::python
