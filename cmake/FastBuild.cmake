# What makes a clean build take minutes: LibTorch's headers cost 10 to 25 s of every unit that sees them, most of it in templates
# that each unit instantiates again.
#   UNLAZY_PCH    one precompiled header of the third-party headers that most units need, shared by all targets
#   UNLAZY_UNITY  units of eight files of one folder, so that eight files instantiate the templates once
# Both hide a missing #include, so tools/check_includes.py compiles each file alone without them (.ci/run does). In a unity
# build the files of a folder share their unnamed namespaces: helpers of one folder need different names.
option(UNLAZY_PCH "Precompile the headers of LibTorch and of the standard library" ON)
option(UNLAZY_UNITY "Compile the files of a folder eight at a time" ON)

set(UNLAZY_FILES_A_UNIT 8)

# Call it when all sources of `target` are known. A precompiled header serves a target that is compiled as the library is:
# optimised, -fPIC (executables too), and without definitions of the library that it lacks.
function(unlazy_build_fast target)
  if(UNLAZY_PCH)
    if(target STREQUAL "unlazy")
      target_precompile_headers(unlazy PRIVATE
        <ATen/TensorOperators.h> <ATen/core/Tensor.h> <ATen/core/grad_mode.h> <nlohmann/json.hpp> <torch/csrc/autograd/autograd.h>
        <torch/nn/module.h> <torch/nn/pimpl.h>
        <algorithm> <array> <chrono> <cmath> <cstdint> <filesystem> <fstream> <functional> <iostream> <map> <memory> <numeric>
        <optional> <set> <sstream> <string> <string_view> <utility> <variant> <vector>)
    else()
      target_precompile_headers(${target} REUSE_FROM unlazy)
      get_target_property(type ${target} TYPE)
      if(type STREQUAL "EXECUTABLE")
        target_compile_options(${target} PRIVATE -fPIC)
      endif()
    endif()
  endif()
  if(UNLAZY_UNITY)
    get_target_property(sources ${target} SOURCES)
    foreach(source IN LISTS sources)
      if(NOT source MATCHES "\\.cpp$")
        continue()
      endif()
      get_filename_component(folder "${source}" DIRECTORY)
      file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}" "${folder}")
      string(MAKE_C_IDENTIFIER "${folder}" room)
      if(NOT DEFINED count_${room})
        set(count_${room} 0)
      endif()
      math(EXPR unit "${count_${room}} / ${UNLAZY_FILES_A_UNIT}")
      math(EXPR count_${room} "${count_${room}} + 1")
      set_source_files_properties("${source}" PROPERTIES UNITY_GROUP "${room}_${unit}")
    endforeach()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  endif()
endfunction()
