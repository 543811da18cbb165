add_library(lamina_flags INTERFACE)
target_compile_options(lamina_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wnon-virtual-dtor -Werror=switch -Werror=return-type>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${LAMINA_WERROR}>>:-Werror>)
if(LAMINA_SANITIZE)
  target_compile_options(lamina_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${LAMINA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all>)
  target_link_options(lamina_flags INTERFACE -fsanitize=${LAMINA_SANITIZE})
endif()
if(LAMINA_BUILD_FUZZ)
  target_compile_options(lamina_flags INTERFACE
    -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lamina_flags INTERFACE -fsanitize=address,undefined)
endif()
