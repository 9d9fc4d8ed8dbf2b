# Finds the wheels of torch and openvino. Sets MM_ORCH_TORCH_DIR and MM_ORCH_OPENVINO_DIR (the wheels'
# folders), empty where a wheel is missing.
set(_site_packages ${MM_ORCH_SITE_PACKAGES})
if(NOT _site_packages AND EXISTS ${CMAKE_SOURCE_DIR}/.venv/bin/python)
  set(_python ${CMAKE_SOURCE_DIR}/.venv/bin/python)
elseif(NOT _site_packages)
  find_package(Python3 COMPONENTS Interpreter)
  set(_python ${Python3_EXECUTABLE})
endif()
if(NOT _site_packages AND _python)
  execute_process(COMMAND ${_python} -c "import sysconfig; print(sysconfig.get_paths()['purelib'])"
                  OUTPUT_VARIABLE _site_packages OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
foreach(_wheel torch openvino)
  string(TOUPPER ${_wheel} _upper)
  set(MM_ORCH_${_upper}_DIR "")
  foreach(_folder ${_site_packages})
    if(NOT MM_ORCH_${_upper}_DIR AND EXISTS ${_folder}/${_wheel}/__init__.py)
      set(MM_ORCH_${_upper}_DIR ${_folder}/${_wheel})
    endif()
  endforeach()
  if(MM_ORCH_BUILD_${_upper} AND NOT MM_ORCH_${_upper}_DIR)
    message(WARNING "The ${_wheel} wheel is in none of: ${_site_packages}. Its plug-in is left out, and "
                    "that backend will not be available. To have it: pip install ${_wheel}, or name "
                    "the site-packages that hold it with -DMM_ORCH_SITE_PACKAGES=...")
  endif()
endforeach()
