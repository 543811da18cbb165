target_link_libraries(test_cli PRIVATE lamina_cli_parts)
target_compile_definitions(test_cli PRIVATE "LAMINA_BINARY=\"$<TARGET_FILE:lamina_cli>\"")
add_dependencies(test_cli lamina_cli)
