target_compile_definitions(test_examples PRIVATE "LAMINA_DIGITS=\"$<TARGET_FILE:example_digits>\"")
add_dependencies(test_examples example_digits)
