add_test(NAME scripts_setup COMMAND ${CMAKE_CURRENT_LIST_DIR}/setup_test.sh ${PROJECT_SOURCE_DIR}/scripts)
