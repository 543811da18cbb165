# The runtime's calls of CUDA, compiled once more against what stands in for its headers and its
# library: the program's own take the place of those that liblamina has where there is a toolkit.
file(GLOB LAMINA_CUDA_RUNTIME CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/runtime/cuda/*.cpp)
target_sources(test_cuda PRIVATE cuda/cuda_double.cpp cuda/double_state.cpp ${LAMINA_CUDA_RUNTIME})
target_include_directories(test_cuda BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/cuda/double)
