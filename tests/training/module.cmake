target_sources(test_training PRIVATE training/graph/gradient_check.cpp)
