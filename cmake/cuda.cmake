# Device code is compiled wherever a toolkit is found; running it is another matter.
set(LAMINA_HAVE_CUDA OFF)
if(NOT LAMINA_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES 80 90 CACHE STRING "GPU architectures")
    enable_language(CUDA)
    set(LAMINA_HAVE_CUDA ON)
    # CMake 3.25 does not know how to ask nvcc 13 for C++20.
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    endif()
  elseif(LAMINA_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LAMINA_CUDA is ON and no CUDA compiler was found")
  endif()
endif()
message(STATUS "Lamina: CUDA device code ${LAMINA_HAVE_CUDA}")
if(LAMINA_HAVE_CUDA)
  file(GLOB LAMINA_KERNELS CONFIGURE_DEPENDS kernels/*.cu)
  # Objects that become liblamina's own, so that a static library has them wherever it is linked. None calls device
  # code of another, so nothing is left to link on the device.
  add_library(lamina_kernels OBJECT ${LAMINA_KERNELS})
  target_include_directories(lamina_kernels PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/csrc ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(lamina_kernels PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--Werror all-warnings --expt-relaxed-constexpr>)
  set_target_properties(lamina_kernels PROPERTIES POSITION_INDEPENDENT_CODE ON)
  find_package(CUDAToolkit REQUIRED)
  file(GLOB LAMINA_CUDA_SOURCES CONFIGURE_DEPENDS csrc/runtime/cuda/*.cpp csrc/ops/cuda/libraries/*.cpp)
  # cuDNN's C++ interface is headers alone (scripts/setup.sh fetches them); cuDNN and cuBLASLt
  # themselves are loaded when a device is first used.
  find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h
    HINTS ${PROJECT_SOURCE_DIR}/build/cudnn-frontend/include)
  if(CUDNN_INCLUDE_DIR AND CUDNN_FRONTEND_INCLUDE_DIR)
    set(LAMINA_HAVE_CUDNN ON)
    target_compile_definitions(lamina PRIVATE LAMINA_HAVE_CUDNN)
    target_include_directories(lamina SYSTEM PRIVATE ${CUDNN_FRONTEND_INCLUDE_DIR} ${CUDNN_INCLUDE_DIR})
    # These run once a plan, and take half a minute to compile as it is.
    set_source_files_properties(csrc/ops/cuda/libraries/cudnn_graph.cpp csrc/ops/cuda/libraries/graph_of.cpp
      PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O1>)
  else()
    set(LAMINA_HAVE_CUDNN OFF)
    list(FILTER LAMINA_CUDA_SOURCES EXCLUDE REGEX "/(cudnn_graph|graph_of)\\.cpp$")
  endif()
  message(STATUS "Lamina: cuDNN ${LAMINA_HAVE_CUDNN}")
  target_sources(lamina PRIVATE ${LAMINA_CUDA_SOURCES} $<TARGET_OBJECTS:lamina_kernels>)
  target_compile_definitions(lamina PRIVATE LAMINA_HAVE_CUDA)
  # It was made before this was known, and CMake asks for it of whatever has objects of CUDA.
  set_target_properties(lamina PROPERTIES CUDA_ARCHITECTURES "${CMAKE_CUDA_ARCHITECTURES}")
  # Static: the library loads, and counts no device, where there is no CUDA at all.
  target_link_libraries(lamina PRIVATE CUDA::cudart_static ${CMAKE_DL_LIBS})
endif()
