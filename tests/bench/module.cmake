# The arithmetic and the report of bench/gpu, and one passage through all of it without a GPU.
target_sources(test_bench PRIVATE ${PROJECT_SOURCE_DIR}/bench/gpu/floors.cpp
  ${PROJECT_SOURCE_DIR}/bench/gpu/report.cpp)
if(LAMINA_BUILD_BENCH)
  add_test(NAME bench_gpu_small COMMAND bench_gpu --device cpu --small
    --directory ${CMAKE_CURRENT_BINARY_DIR} --memory ${CMAKE_CURRENT_BINARY_DIR})
  # Threads that wait for one another take a minute where other tests run beside them.
  set_tests_properties(bench_gpu_small PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
endif()
