target_sources(test_ops PRIVATE ops/contract.cpp ops/contract_rows.cpp ops/convolution_rows.cpp
  ops/normalization_rows.cpp ops/pointwise_rows.cpp ops/movement_rows.cpp
  ops/gradient_rows.cpp ops/run_in_blocks.cpp)
# Finds what stands in for CUDA's headers.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/run_in_blocks.cpp PROPERTIES
  INCLUDE_DIRECTORIES ${CMAKE_CURRENT_LIST_DIR}/blocks COMPILE_OPTIONS -Wno-unknown-pragmas)
# GCC 12 takes the vectors inside designated initialisers for uninitialised once it has inlined enough.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/definitions_test.cpp PROPERTIES
  COMPILE_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
