target_sources(test_training PRIVATE training/graph/gradient_check.cpp training/graph/gradient_rows_attention.cpp
  training/graph/gradient_rows_convolutions.cpp training/graph/gradient_rows_images.cpp
  training/graph/gradient_rows_recurrence.cpp training/graph/gradient_rows_volumes.cpp)
target_link_libraries(test_training PRIVATE PkgConfig::LIBZIP)
