# Installs the library, the plug-ins beside it (where the loader looks), the shell command, and for
# C++ users the headers and `find_package(mm_orch)`. The same rules fill a prefix (/usr/local) and a
# wheel (site-packages/mm_orch): every run path between our own files is relative.
if(SKBUILD)
  set(CMAKE_INSTALL_LIBDIR lib)
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(MM_ORCH_INSTALL_LIBDIR ${CMAKE_INSTALL_LIBDIR} CACHE PATH "libmm_orch and its plug-ins")
set(MM_ORCH_INSTALL_BINDIR ${CMAKE_INSTALL_BINDIR} CACHE PATH "mm-orch")
set(MM_ORCH_INSTALL_CMAKEDIR ${MM_ORCH_INSTALL_LIBDIR}/cmake/mm_orch CACHE PATH "mm_orchConfig.cmake")

install(TARGETS mm_orch EXPORT mm_orchTargets COMPONENT runtime
        LIBRARY DESTINATION ${MM_ORCH_INSTALL_LIBDIR})

foreach(plugin torch openvino)
  if(NOT TARGET mm_orch_${plugin})
    continue()
  endif()
  if(NOT SKBUILD)
    # Outside of site-packages the SDK stays where it was found; in a wheel it is a neighbour.
    string(TOUPPER ${plugin} _upper)
    set(_libraries ${MM_ORCH_${_upper}_DIR}/lib)
    if(plugin STREQUAL openvino)
      set(_libraries ${MM_ORCH_OPENVINO_DIR}/libs)
    endif()
    set_property(TARGET mm_orch_${plugin} APPEND PROPERTY INSTALL_RPATH ${_libraries})
  endif()
  install(TARGETS mm_orch_${plugin} COMPONENT runtime
          LIBRARY DESTINATION ${MM_ORCH_INSTALL_LIBDIR})
endforeach()

if(TARGET mm_orch_cli)
  cmake_path(SET _bin NORMALIZE ${CMAKE_INSTALL_PREFIX}/${MM_ORCH_INSTALL_BINDIR})
  cmake_path(SET _lib NORMALIZE ${CMAKE_INSTALL_PREFIX}/${MM_ORCH_INSTALL_LIBDIR})
  cmake_path(RELATIVE_PATH _lib BASE_DIRECTORY ${_bin})
  set_target_properties(mm_orch_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${_lib}")
  install(TARGETS mm_orch_cli COMPONENT runtime RUNTIME DESTINATION ${MM_ORCH_INSTALL_BINDIR})
endif()

install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/mm_orch DESTINATION include COMPONENT development)
install(EXPORT mm_orchTargets NAMESPACE mm_orch:: COMPONENT development
        DESTINATION ${MM_ORCH_INSTALL_CMAKEDIR})
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/mm_orchConfig.cmake.in
  ${CMAKE_BINARY_DIR}/mm_orchConfig.cmake INSTALL_DESTINATION ${MM_ORCH_INSTALL_CMAKEDIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/mm_orchConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/mm_orchConfig.cmake
              ${CMAKE_BINARY_DIR}/mm_orchConfigVersion.cmake
        DESTINATION ${MM_ORCH_INSTALL_CMAKEDIR} COMPONENT development)
