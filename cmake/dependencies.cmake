# Everything that liblamina's own sources use; none of it shows in the public headers.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(dnnl REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

add_library(lamina_dependencies INTERFACE)
target_link_libraries(lamina_dependencies INTERFACE
  Threads::Threads ZLIB::ZLIB nlohmann_json::nlohmann_json fmt::fmt DNNL::dnnl OpenMP::OpenMP_CXX)
