# -DUNLAZY_SANITIZE=address,undefined (or thread) instruments all of the project's targets.
if(UNLAZY_SANITIZE)
  # g++ 12 takes the instrumented std::regex for uninitialised.
  add_compile_options(-fsanitize=${UNLAZY_SANITIZE} -fno-omit-frame-pointer -g -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=${UNLAZY_SANITIZE})
endif()
