# Everything that liblamina's own sources use; none of it shows in the public headers.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(fmt REQUIRED)
if(LAMINA_BUILD_CLI)
  find_package(CLI11 REQUIRED)
endif()
# 2.6 or newer, and not 3: its configuration answers for its own major version, and oneDNN 3 has no operation
# descriptors.
find_package(dnnl 2.6 REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

add_library(lamina_dependencies INTERFACE)
target_link_libraries(lamina_dependencies INTERFACE
  Threads::Threads ZLIB::ZLIB nlohmann_json::nlohmann_json fmt::fmt DNNL::dnnl OpenMP::OpenMP_CXX)
