# Every header compiles alone, and twice in one file: public ones with nothing but the public headers in
# reach, the others with what the library's own sources see. Compiled by ctest, not by a plain build.
if(LAMINA_SANITIZE)
  return()
endif()

function(lamina_header_check target root)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${root} ${ARGN})
  if(NOT LAMINA_HAVE_CUDNN)
    list(FILTER headers EXCLUDE REGEX "cuda/libraries/frontend\\.h$")
  endif()
  set(sources)
  foreach(header ${headers})
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
if(LAMINA_HAVE_CUDNN)
  target_include_directories(internal_headers_alone SYSTEM PRIVATE
    ${CUDNN_FRONTEND_INCLUDE_DIR} ${CUDNN_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
endif()
