# Finds LibTorch without needing a CUDA toolkit, which find_package(Torch) of a CUDA build does.
#
# Looked for, in this order: -DLIBTORCH_ROOT, each entry of -DCMAKE_PREFIX_PATH (the folder itself, its libtorch/ and its
# torch/), the environment's LIBTORCH_ROOT and CMAKE_PREFIX_PATH, and .libtorch/torch in the source folder, where
# tools/bootstrap.sh puts it. A root is an unpacked libtorch archive or the torch/ folder of the Python wheel.
# What was found is kept in the cache; another -DLIBTORCH_ROOT is looked at anew.
#
# Defines LibTorch::LibTorch (torch_cpu and c10), LibTorch::Cuda (torch_cuda and c10_cuda, when they are there),
# LibTorch_VERSION, LIBTORCH_ROOT.

if(LibTorch_INCLUDE_DIR AND LIBTORCH_ROOT)
  get_filename_component(_asked "${LIBTORCH_ROOT}/include" ABSOLUTE)
  if(NOT LibTorch_INCLUDE_DIR STREQUAL _asked)
    foreach(_found INCLUDE_DIR CPU_LIBRARY C10_LIBRARY CUDA_LIBRARY C10_CUDA_LIBRARY)
      unset(LibTorch_${_found} CACHE)
    endforeach()
  endif()
endif()
set(_candidates "${LIBTORCH_ROOT}")
string(REPLACE ":" ";" _environment "$ENV{LIBTORCH_ROOT}:$ENV{CMAKE_PREFIX_PATH}")
foreach(_prefix IN LISTS CMAKE_PREFIX_PATH _environment)
  if(_prefix)
    list(APPEND _candidates "${_prefix}" "${_prefix}/libtorch" "${_prefix}/torch" "${_prefix}/../..")
  endif()
endforeach()
list(APPEND _candidates "${PROJECT_SOURCE_DIR}/.libtorch/torch")
find_path(LibTorch_INCLUDE_DIR NAMES ATen/ATen.h PATHS ${_candidates} PATH_SUFFIXES include NO_DEFAULT_PATH)
if(LibTorch_INCLUDE_DIR)
  get_filename_component(LIBTORCH_ROOT "${LibTorch_INCLUDE_DIR}/.." ABSOLUTE)
  set(LIBTORCH_ROOT "${LIBTORCH_ROOT}" CACHE PATH "Root of LibTorch (holds include and lib)" FORCE)
  set(_version_file "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
  if(NOT EXISTS "${_version_file}")
    set(_version_file "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include/torch/version.h")
  endif()
  file(STRINGS "${_version_file}" _version REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
  string(REGEX MATCHALL "[0-9]+" _version "${_version}")
  list(JOIN _version "." LibTorch_VERSION)
endif()
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS "${LIBTORCH_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 PATHS "${LIBTORCH_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_CUDA_LIBRARY torch_cuda PATHS "${LIBTORCH_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda PATHS "${LIBTORCH_ROOT}/lib" NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run tools/bootstrap.sh, or give your own LibTorch with -DCMAKE_PREFIX_PATH=/path/to/libtorch")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
    "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  # no-as-needed: operators register themselves when the library is loaded.
  # allow-shlib-undefined: the CPU part of a CUDA wheel names libraries that a CPU run never loads.
  target_link_options(LibTorch::LibTorch INTERFACE "LINKER:--no-as-needed" "LINKER:--allow-shlib-undefined" "LINKER:-rpath,${LIBTORCH_ROOT}/lib")
  target_link_libraries(LibTorch::LibTorch INTERFACE "${LibTorch_CPU_LIBRARY}" "${LibTorch_C10_LIBRARY}")
  if(LibTorch_CUDA_LIBRARY AND LibTorch_C10_CUDA_LIBRARY)
    add_library(LibTorch::Cuda INTERFACE IMPORTED)
    target_link_libraries(LibTorch::Cuda INTERFACE LibTorch::LibTorch "${LibTorch_CUDA_LIBRARY}" "${LibTorch_C10_CUDA_LIBRARY}")
  endif()
endif()
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_CUDA_LIBRARY LibTorch_C10_CUDA_LIBRARY)
