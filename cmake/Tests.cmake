# One test program, one ctest entry a test file. tests/optim/sgd_test.cpp holds the suites whose names it writes in TEST(Suite, ..);
# the entry is called optim/sgd. A file called *_slow_test.cpp has the label slow, *_cuda_test.cpp the label cuda, others unit.
find_package(GTest REQUIRED)
file(GLOB_RECURSE UNLAZY_TEST_SOURCES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*.cpp")
list(FILTER UNLAZY_TEST_SOURCES EXCLUDE REGEX "/tests/install/")
add_executable(unlazy_tests ${UNLAZY_TEST_SOURCES})
target_include_directories(unlazy_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/tools")
target_link_libraries(unlazy_tests PRIVATE unlazy::unlazy unlazy_warnings GTest::gtest GTest::gtest_main OpenCVParts::OpenCVParts)
target_compile_definitions(unlazy_tests PRIVATE
  UNLAZY_SOURCE_DIR="${PROJECT_SOURCE_DIR}" UNLAZY_BINARY_DIR="${PROJECT_BINARY_DIR}" UNLAZY_PROGRAM="$<TARGET_FILE:unlazy_cli>"
  UNLAZY_VERSION="${PROJECT_VERSION}")
add_dependencies(unlazy_tests unlazy_cli)

foreach(source IN LISTS UNLAZY_TEST_SOURCES)
  if(NOT source MATCHES "_test\\.cpp$")
    continue()
  endif()
  file(RELATIVE_PATH name "${PROJECT_SOURCE_DIR}/tests" "${source}")
  string(REGEX REPLACE "_test\\.cpp$" "" name "${name}")
  file(STRINGS "${source}" tests REGEX "^(TEST|TEST_F|TEST_P|TYPED_TEST|INSTANTIATE_TEST_SUITE_P)\\(")
  set(filter "")
  foreach(test IN LISTS tests)
    if(test MATCHES "^(TEST|TEST_F|TEST_P|TYPED_TEST)\\(([A-Za-z0-9]+)")
      list(APPEND filter "${CMAKE_MATCH_2}.*" "*/${CMAKE_MATCH_2}.*")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES filter)
  list(JOIN filter ":" filter)
  add_test(NAME ${name} COMMAND unlazy_tests "--gtest_filter=${filter}" --gtest_brief=1)
  set(label unit)
  if(name MATCHES "_(slow|cuda)$")
    set(label ${CMAKE_MATCH_1})
  endif()
  # Tests run side by side (ctest -j), so each takes one thread.
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 600 ENVIRONMENT OMP_NUM_THREADS=1)
endforeach()

# The installed package, used by another project.
add_test(NAME install COMMAND ${CMAKE_COMMAND} "-DBUILD=${PROJECT_BINARY_DIR}" "-DSCRATCH=${PROJECT_BINARY_DIR}/install-test"
  "-DGENERATOR=${CMAKE_GENERATOR}" "-DCOMPILER=${CMAKE_CXX_COMPILER}" -P "${PROJECT_SOURCE_DIR}/tests/install/run.cmake")
set_tests_properties(install PROPERTIES LABELS slow TIMEOUT 600)
