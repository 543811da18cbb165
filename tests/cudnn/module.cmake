target_sources(test_cudnn PRIVATE cudnn/asked.cpp)
if(LAMINA_HAVE_CUDNN)
  target_sources(test_cudnn PRIVATE cudnn/norm_graphs.cpp cudnn/pool_gradients.cpp)
  target_include_directories(test_cudnn SYSTEM PRIVATE ${CUDNN_FRONTEND_INCLUDE_DIR}
    ${CUDNN_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
  # With the toolkit's stub of the driver loaded, engines that are compiled at run time pass their
  # support check.
  target_compile_definitions(test_cudnn PRIVATE LAMINA_HAVE_CUDNN
    LAMINA_CUDA_STUB="${CUDAToolkit_LIBRARY_DIR}/stubs/libcuda.so")
  target_link_libraries(test_cudnn PRIVATE ${CMAKE_DL_LIBS})
endif()
