# Warnings for the project's own code; LibTorch's headers are SYSTEM.
add_library(unlazy_warnings INTERFACE)
target_compile_options(unlazy_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${UNLAZY_WERROR}>>:-Werror>)
