target_sources(test_training PRIVATE training/graph/gradient_check.cpp)
target_link_libraries(test_training PRIVATE PkgConfig::LIBZIP)
