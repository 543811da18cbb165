# The README shows it. Twice: the second run goes on where the first one ended.
add_test(NAME example_saving_while_training_none COMMAND ${CMAKE_COMMAND} -E rm -rf run
  WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
foreach(run first second)
  add_test(NAME example_saving_while_training_${run} COMMAND example_saving_while_training
    WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
endforeach()
set_tests_properties(example_saving_while_training_first PROPERTIES
  DEPENDS example_saving_while_training_none)
set_tests_properties(example_saving_while_training_second PROPERTIES
  DEPENDS example_saving_while_training_first PASS_REGULAR_EXPRESSION "of [345] checkpoints")
