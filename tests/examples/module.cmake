target_compile_definitions(test_examples PRIVATE "LAMINA_DIGITS=\"$<TARGET_FILE:example_digits>\""
  "LAMINA_OWN_LAYER=\"$<TARGET_FILE:example_own_layer>\"")
add_dependencies(test_examples example_digits example_own_layer)
