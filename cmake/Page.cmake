# The page of `unlazy report`: the files of src/report/page become three strings of the library, so that the program carries them.
# Made when cmake runs, and again when one of the files changes.
set(UNLAZY_PAGE_FOLDER "${PROJECT_SOURCE_DIR}/src/report/page")
set(UNLAZY_PAGE_SOURCE "${PROJECT_BINARY_DIR}/generated/page_parts.cpp")

# Appends a function NAME that returns the files one after another.
function(unlazy_page_part name)
  set(text "")
  foreach(file IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${UNLAZY_PAGE_FOLDER}/${file}")
    file(READ "${UNLAZY_PAGE_FOLDER}/${file}" part)
    string(APPEND text "${part}")
  endforeach()
  # A file that holds the end of the literal would be cut there.
  string(FIND "${text}" ")page\"" end)
  if(NOT end EQUAL -1)
    message(FATAL_ERROR "src/report/page: a file holds )page\", which ends the string that it becomes")
  endif()
  file(APPEND "${UNLAZY_PAGE_SOURCE}.new" "std::string_view ${name}() { return R\"page(${text})page\"; }\n")
endfunction()

file(WRITE "${UNLAZY_PAGE_SOURCE}.new"
  "// Made by cmake/Page.cmake from src/report/page.\n#include \"report/page.h\"\n\nnamespace unlazy::report {\n")
unlazy_page_part(page_frame page.html)
unlazy_page_part(page_style page.css)
unlazy_page_part(page_script numbers.js chart.js tables.js sections.js page.js)
file(APPEND "${UNLAZY_PAGE_SOURCE}.new" "}  // namespace unlazy::report\n")
file(COPY_FILE "${UNLAZY_PAGE_SOURCE}.new" "${UNLAZY_PAGE_SOURCE}" ONLY_IF_DIFFERENT)
file(REMOVE "${UNLAZY_PAGE_SOURCE}.new")
