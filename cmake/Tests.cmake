# One test program, one ctest entry a test file. tests/optim/sgd_test.cpp holds the suites whose names it writes in TEST(Suite, ..);
# the entry is called optim/sgd. A file called *_slow_test.cpp has the label slow, *_cuda_test.cpp the label cuda, others unit.
find_package(GTest REQUIRED)
file(GLOB_RECURSE UNLAZY_TEST_SOURCES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*.cpp")
list(FILTER UNLAZY_TEST_SOURCES EXCLUDE REGEX "/tests/install/")
add_executable(unlazy_tests ${UNLAZY_TEST_SOURCES})
target_include_directories(unlazy_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(unlazy_tests PRIVATE unlazy_tools unlazy_warnings GTest::gtest GTest::gtest_main OpenCVParts::OpenCVParts)
target_compile_definitions(unlazy_tests PRIVATE
  UNLAZY_SOURCE_DIR="${PROJECT_SOURCE_DIR}" UNLAZY_BINARY_DIR="${PROJECT_BINARY_DIR}" UNLAZY_PROGRAM="$<TARGET_FILE:unlazy_cli>"
  UNLAZY_VERSION="${PROJECT_VERSION}")
# Assertions run once: optimising them costs more time than it saves.
target_compile_options(unlazy_tests PRIVATE $<$<CONFIG:Release>:-O1>)
unlazy_build_fast(unlazy_tests)
# These define CUDA's words as macros, which other files of a unit must not see.
file(GLOB emulated "${PROJECT_SOURCE_DIR}/tests/cuda/*.cpp")
set_source_files_properties(${emulated} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
add_dependencies(unlazy_tests unlazy_cli)

# The examples, programs that know the library only; tests/linearise/example_test.cpp and its like run them.
file(GLOB UNLAZY_EXAMPLES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/examples/*.cpp")
foreach(source IN LISTS UNLAZY_EXAMPLES)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples")
  target_link_libraries(${name} PRIVATE unlazy::unlazy unlazy_warnings)
  unlazy_build_fast(${name})
  add_dependencies(unlazy_tests ${name})
endforeach()

set(all_suites "")
foreach(source IN LISTS UNLAZY_TEST_SOURCES)
  if(NOT source MATCHES "_test\\.cpp$")
    continue()
  endif()
  file(RELATIVE_PATH name "${PROJECT_SOURCE_DIR}/tests" "${source}")
  string(REGEX REPLACE "_test\\.cpp$" "" name "${name}")
  # The suites are read here, so a change of a test file is one of this list.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  file(STRINGS "${source}" tests REGEX "^(TEST|TEST_F|TEST_P|TYPED_TEST)\\(")
  set(suites "")
  foreach(test IN LISTS tests)
    if(test MATCHES "^(TEST|TEST_F|TEST_P|TYPED_TEST)\\(([A-Za-z0-9]+)")
      list(APPEND suites "${CMAKE_MATCH_2}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES suites)
  set(filter "")
  foreach(suite IN LISTS suites)
    if(suite IN_LIST all_suites)
      message(FATAL_ERROR "tests/${name}_test.cpp: the suite ${suite} stands in another file too; give it another name")
    endif()
    list(APPEND filter "${suite}.*" "*/${suite}.*" "${suite}/*")
  endforeach()
  if(NOT suites)
    message(FATAL_ERROR "tests/${name}_test.cpp holds no TEST(Suite, Name)")
  endif()
  list(APPEND all_suites ${suites})
  list(JOIN filter ":" filter)
  add_test(NAME ${name} COMMAND unlazy_tests "--gtest_filter=${filter}" --gtest_brief=1)
  set(label unit)
  if(name MATCHES "_(slow|cuda)$")
    set(label ${CMAKE_MATCH_1})
  endif()
  # Long tests start first, so that none runs alone at the end: slow ones, then those of whole runs.
  set(cost 0)
  file(STRINGS "${source}" runs REGEX "run_program|small_run" LIMIT_COUNT 1)
  if(label STREQUAL slow)
    set(cost 2)
  elseif(runs)
    set(cost 1)
  endif()
  # Tests run side by side (ctest -j), so each takes one thread. With the spin count set, the program need not start itself
  # again, which takes 0.3 s a call; tests/program_test.cpp has the case without it.
  set_tests_properties(${name} PROPERTIES LABELS ${label} COST ${cost} TIMEOUT 600 ENVIRONMENT "OMP_NUM_THREADS=1;GOMP_SPINCOUNT=5000")
endforeach()

# The installed package, used by another project.
add_test(NAME install COMMAND ${CMAKE_COMMAND} "-DBUILD=${PROJECT_BINARY_DIR}" "-DSCRATCH=${PROJECT_BINARY_DIR}/install-test"
  "-DGENERATOR=${CMAKE_GENERATOR}" "-DCOMPILER=${CMAKE_CXX_COMPILER}" -P "${PROJECT_SOURCE_DIR}/tests/install/run.cmake")
set_tests_properties(install PROPERTIES LABELS slow COST 2 TIMEOUT 600)
