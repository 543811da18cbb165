# Archives, read by somebody else's library.
target_link_libraries(test_storage PRIVATE PkgConfig::LIBZIP ZLIB::ZLIB)
target_sources(test_storage PRIVATE storage/interfering_calls.cpp)
