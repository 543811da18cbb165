# Arrays that others write.
target_sources(test_cli PRIVATE ${PROJECT_SOURCE_DIR}/tests/h5/hdf5_image.cpp)
target_link_libraries(test_cli PRIVATE lamina_cli_parts PkgConfig::HDF5)
target_compile_definitions(test_cli PRIVATE "LAMINA_BINARY=\"$<TARGET_FILE:lamina_cli>\"")
add_dependencies(test_cli lamina_cli)
