# What ptxas made of the kernels, where there is a toolkit.
if(LAMINA_HAVE_CUDA)
  target_sources(test_architecture PRIVATE architecture/device_code.cpp architecture/device_code_check.cpp)
  target_compile_definitions(test_architecture PRIVATE LAMINA_LIBRARY="$<TARGET_FILE:lamina>")
endif()

# Every header compiles alone: public ones with nothing but the public headers in reach, and twice in one
# file; the others with what the library's own sources see. Compiled by ctest, not by a plain build.
if(LAMINA_SANITIZE)
  return()
endif()

# True for a header that its own source includes before all else: a build has then seen it alone.
function(lamina_is_seen_alone out header)
  set(${out} FALSE PARENT_SCOPE)
  string(REGEX REPLACE "\\.h$" ".cpp" source ${header})
  if(NOT EXISTS ${source})
    return()
  endif()
  file(STRINGS ${source} first LIMIT_COUNT 1 REGEX "^#include")
  cmake_path(GET header FILENAME name)
  if(first MATCHES "^#include \"([^\"]*/)?${name}\"")
    set(${out} TRUE PARENT_SCOPE)
  endif()
endfunction()

function(lamina_header_check target root)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${root} ${ARGN})
  # Of cuDNN's front end, which takes half a minute and is not everywhere.
  list(FILTER headers EXCLUDE REGEX "cuda/libraries/frontend\\.h$")
  set(sources)
  foreach(header ${headers})
    lamina_is_seen_alone(seen ${root}/${header})
    if(seen)
      continue()
    endif()
    string(MAKE_C_IDENTIFIER ${header} name)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/${target}/${name}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "#include <${header}>\n#include <${header}>  // NOLINT\n")
    list(APPEND sources ${source})
  endforeach()
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${sources})
  target_link_libraries(${target} PRIVATE lamina_flags)
  target_compile_features(${target} PRIVATE cxx_std_20)
  add_test(NAME ${target} COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target ${target})
  # Two builds of one tree at a time would step on each other.
  set_tests_properties(${target} PROPERTIES RESOURCE_LOCK build_tree)
endfunction()

lamina_header_check(public_headers_alone ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/include/*.h)
target_include_directories(public_headers_alone PRIVATE ${PROJECT_SOURCE_DIR}/include)

lamina_header_check(internal_headers_alone ${PROJECT_SOURCE_DIR}
  ${PROJECT_SOURCE_DIR}/csrc/*.h ${PROJECT_SOURCE_DIR}/kernels/*.h)
target_include_directories(internal_headers_alone PRIVATE
  ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/csrc ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(internal_headers_alone PRIVATE lamina_dependencies)
