target_compile_definitions(test_runtime PRIVATE
  $<$<BOOL:${LAMINA_HAVE_CUDA}>:LAMINA_HAVE_CUDA>)
# Where there is a GPU, its runtime has a row of its own here.
set_tests_properties(runtime PROPERTIES LABELS gpu)
