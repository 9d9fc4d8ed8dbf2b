# Compiler options that every target of ours takes: target_link_libraries(x PRIVATE mm_orch_options).
add_library(mm_orch_options INTERFACE)
target_compile_options(mm_orch_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
                       -Wno-missing-field-initializers  # designated initialisers leave out on purpose
                       $<$<BOOL:${MM_ORCH_WERROR}>:-Werror>)
if(MM_ORCH_SANITIZE)
  target_compile_options(mm_orch_options INTERFACE -fsanitize=${MM_ORCH_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all
                         # GCC takes its own instrumentation of std::regex for a use of raw memory.
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(mm_orch_options INTERFACE -fsanitize=${MM_ORCH_SANITIZE})
endif()
