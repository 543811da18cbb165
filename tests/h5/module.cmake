target_sources(test_h5 PRIVATE ${CMAKE_CURRENT_LIST_DIR}/hdf5_image.cpp)
target_link_libraries(test_h5 PRIVATE PkgConfig::HDF5)
