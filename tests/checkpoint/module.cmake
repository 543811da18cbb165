# Files that only libhdf5 itself writes.
target_sources(test_checkpoint PRIVATE ${PROJECT_SOURCE_DIR}/tests/h5/hdf5_image.cpp)
target_link_libraries(test_checkpoint PRIVATE PkgConfig::HDF5 PkgConfig::LIBZIP)
