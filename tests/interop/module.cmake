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

function(lamina_interop_test name file)
  add_test(NAME interop_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/interop/run.sh interop_${name} ${file})
  set_tests_properties(interop_${name} PROPERTIES LABELS interop TIMEOUT 900
    ENVIRONMENT "LAMINA_INTEROP=$<TARGET_FILE:lamina_interop>;LAMINA_PYTHON=${LAMINA_PYTHON};${ARGN}")
endfunction()

lamina_interop_test(applications test_applications.py)
lamina_interop_test(attention test_attention.py)
lamina_interop_test(callbacks test_callbacks.py)
lamina_interop_test(comparison test_comparison.py)
lamina_interop_test(compile_config test_compile_config.py)
lamina_interop_test(errors test_errors.py)
lamina_interop_test(files test_files.py)
lamina_interop_test(fit test_fit.py "LAMINA_FINE_TUNE=$<TARGET_FILE:example_fine_tune>")
lamina_interop_test(fit_checkpoints test_fit_checkpoints.py)
lamina_interop_test(fit_data test_fit_data.py)
lamina_interop_test(fit_efficientnet test_fit_efficientnet.py LAMINA_OPTIMIZE_XLA=1)
lamina_interop_test(gradients test_gradients.py)
lamina_interop_test(layers test_layers.py)
lamina_interop_test(masks test_masks.py)
lamina_interop_test(mixed_precision test_mixed_precision.py)
lamina_interop_test(operations test_operations.py)
lamina_interop_test(optimizer_variants test_optimizer_variants.py)
lamina_interop_test(outputs test_outputs.py)
lamina_interop_test(own_layers test_own_layers.py)
lamina_interop_test(regularizers test_regularizers.py)
lamina_interop_test(random_fits test_random_fits.py)
lamina_interop_test(random_models test_random_models.py)
lamina_interop_test(random_training test_random_training.py)
lamina_interop_test(recurrent test_recurrent.py)
lamina_interop_test(keras_cases test_keras_cases.py)
lamina_interop_test(sample_weights test_sample_weights.py)
lamina_interop_test(shared_objects test_shared_objects.py)
lamina_interop_test(spectral_normalization test_spectral_normalization.py)
lamina_interop_test(tensorboard test_tensorboard.py)
lamina_interop_test(to_json test_to_json.py)
lamina_interop_test(time_distributed test_time_distributed.py)
lamina_interop_test(training_parts test_training_parts.py)
lamina_interop_test(trees test_trees.py)
lamina_interop_test(zoo test_zoo.py)

# The longest start first, so that none is left over at the end.
set_tests_properties(interop_fit_efficientnet PROPERTIES COST 3 TIMEOUT 1800)
set_tests_properties(interop_random_models interop_layers interop_applications PROPERTIES COST 2)
set_tests_properties(interop_to_json interop_training_parts interop_regularizers PROPERTIES COST 1)
