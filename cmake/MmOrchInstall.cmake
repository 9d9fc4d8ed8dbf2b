# What `cmake --install` and the Python wheel (whose prefix is the package's folder) carry:
# lib/ with the library and its plug-ins, bin/mm-orch, the public headers, and the CMake package.
include(CMakePackageConfigHelpers)

install(TARGETS mm_orch EXPORT mm_orch_targets LIBRARY DESTINATION lib)
install(DIRECTORY include/mm_orch DESTINATION include)
foreach(_plugin mm_orch_torch mm_orch_openvino)
  if(TARGET ${_plugin})
    install(TARGETS ${_plugin} LIBRARY DESTINATION lib)
  endif()
endforeach()
if(TARGET mm_orch_cli)
  set_target_properties(mm_orch_cli PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
  install(TARGETS mm_orch_cli RUNTIME DESTINATION bin)
endif()

install(EXPORT mm_orch_targets FILE mm_orchTargets.cmake NAMESPACE mm_orch::
        DESTINATION lib/cmake/mm_orch)
file(WRITE ${CMAKE_BINARY_DIR}/mm_orchConfig.cmake
     "include(\${CMAKE_CURRENT_LIST_DIR}/mm_orchTargets.cmake)\n")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/mm_orchConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/mm_orchConfig.cmake ${CMAKE_BINARY_DIR}/mm_orchConfigVersion.cmake
        DESTINATION lib/cmake/mm_orch)
