# The tests against real Keras: a C++ program that Python drives. They run in the environment that
# scripts/setup.sh makes (LAMINA_VENV, else build/venv), or with the interpreter LAMINA_PYTHON; where
# the packages are missing they fail.
set(LAMINA_PYTHON "" CACHE FILEPATH "Python with Keras, for the tests against it")

set(folder ${CMAKE_CURRENT_SOURCE_DIR}/interop)
add_executable(lamina_interop
  ${folder}/callbacks.cpp ${folder}/driver.cpp ${folder}/fit.cpp ${folder}/own_layers.cpp ${folder}/session.cpp
  ${folder}/tensor_file.cpp ${folder}/training.cpp
  ${folder}/trees.cpp ${folder}/zoo.cpp)
target_include_directories(lamina_interop PRIVATE ${PROJECT_SOURCE_DIR}/csrc ${PROJECT_SOURCE_DIR})
target_link_libraries(lamina_interop PRIVATE lamina lamina_flags nlohmann_json::nlohmann_json)

# Each file is a test. What one needs beside the rest:
set(fit_environment "LAMINA_FINE_TUNE=$<TARGET_FILE:example_fine_tune>")
set(fit_efficientnet_environment LAMINA_OPTIMIZE_XLA=1)

file(GLOB files RELATIVE ${folder} CONFIGURE_DEPENDS ${folder}/test_*.py)
foreach(file ${files})
  string(REGEX REPLACE "^test_(.*)\\.py$" "\\1" name ${file})
  add_test(NAME interop_${name} COMMAND ${folder}/run.sh interop_${name} ${file})
  set_tests_properties(interop_${name} PROPERTIES LABELS interop TIMEOUT 900
    ENVIRONMENT "LAMINA_INTEROP=$<TARGET_FILE:lamina_interop>;LAMINA_PYTHON=${LAMINA_PYTHON};${${name}_environment}")
endforeach()

# The longest start first, so that none is left over at the end: some seconds that they take, as ctest has what it
# measured itself of the others.
set_tests_properties(interop_fit_efficientnet PROPERTIES COST 600 TIMEOUT 1800)
set_tests_properties(interop_random_models interop_layers interop_applications PROPERTIES COST 150)
set_tests_properties(interop_to_json interop_training_parts interop_regularizers PROPERTIES COST 75)
