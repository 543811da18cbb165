target_sources(test_ops PRIVATE ops/contract.cpp ops/contract_rows.cpp ops/convolution_rows.cpp
  ops/normalization_rows.cpp ops/pointwise_rows.cpp ops/movement_rows.cpp)
