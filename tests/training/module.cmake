target_sources(test_training PRIVATE training/gradient_check.cpp)
