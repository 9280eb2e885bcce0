# -DUNLAZY_SANITIZE=address,undefined (or thread) instruments all of the project's targets.
if(UNLAZY_SANITIZE)
  add_compile_options(-fsanitize=${UNLAZY_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${UNLAZY_SANITIZE})
endif()
