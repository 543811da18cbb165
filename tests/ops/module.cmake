# The launches of a GPU, too, compiled for the host by what stands in for CUDA's headers. Hidden: liblamina may have
# the same functions, for a GPU.
file(GLOB launches CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.cu)
set(blocks ${CMAKE_CURRENT_LIST_DIR}/blocks)
target_sources(test_ops PRIVATE ops/contract.cpp ops/contract_rows.cpp ops/convolution_rows.cpp
  ops/normalization_rows.cpp ops/pointwise_rows.cpp ops/movement_rows.cpp
  ops/gradient_rows.cpp ops/run_in_blocks.cpp ops/blocks/block.cpp ops/blocks/fiber.cpp ${launches})
set_source_files_properties(${launches} PROPERTIES LANGUAGE CXX
  INCLUDE_DIRECTORIES ${blocks} COMPILE_OPTIONS "-fvisibility=hidden;-Wno-unknown-pragmas")
set_source_files_properties(${blocks}/emulation_test.cpp PROPERTIES INCLUDE_DIRECTORIES ${blocks})
# GCC 12 takes the vectors inside designated initialisers for uninitialised once it has inlined enough.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/definitions_test.cpp PROPERTIES
  COMPILE_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
