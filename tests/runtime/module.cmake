target_compile_definitions(test_runtime PRIVATE
  $<$<BOOL:${LAMINA_HAVE_CUDA}>:LAMINA_HAVE_CUDA>)
