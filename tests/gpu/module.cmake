# What the fake device is asked for elsewhere, asked of a real one: `ctest -L gpu`.
target_sources(test_gpu PRIVATE ops/contract.cpp ops/contract_rows.cpp ops/convolution_rows.cpp
  ops/normalization_rows.cpp ops/pointwise_rows.cpp ops/movement_rows.cpp ops/gradient_rows.cpp)
# And suites that hold on any GPU: here it is the machine's own.
target_sources(test_gpu PRIVATE layers/device_layers_test.cpp layers/operations/device_operations_test.cpp
  checkpoint/device/device_round_trip_test.cpp checkpoint/device/device_snapshot_test.cpp models/device/device_saves_test.cpp training/device/device_resume_test.cpp
  training/device/device_states_test.cpp)
target_compile_definitions(test_gpu PRIVATE LAMINA_REAL_GPU)
target_include_directories(test_gpu PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/ops)
set_tests_properties(gpu PROPERTIES LABELS gpu SKIP_REGULAR_EXPRESSION "no GPU here:")
add_test(NAME gpu_checks COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/gpu/checks_test.sh
  ${PROJECT_SOURCE_DIR}/scripts/run_gpu_checks.sh)
