target_sources(test_graph PRIVATE ${CMAKE_CURRENT_LIST_DIR}/random_program.cpp
                                  ${CMAKE_CURRENT_LIST_DIR}/program_testing.cpp)
