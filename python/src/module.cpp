#include "bindings.h"

NB_MODULE(_core, module) {
  module.doc() = "The C++ library behind mm_orch.";
  // A manager that lives until the interpreter exits is no leak worth a message to the user.
  nanobind::set_leak_warnings(false);
  module.attr("__version__") = MM_ORCH_VERSION;
  mm_orch::python::bind_errors(module);
  mm_orch::python::bind_generation(module);
  mm_orch::python::bind_hooks(module);
  mm_orch::python::bind_manager(module);
}
