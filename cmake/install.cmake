include(CMakePackageConfigHelpers)
install(TARGETS lamina EXPORT laminaTargets)
if(LAMINA_BUILD_CLI)
  file(RELATIVE_PATH to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(lamina_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${to_lib}")
  install(TARGETS lamina_cli)
endif()
if(NOT BUILD_SHARED_LIBS)
  install(TARGETS lamina_flags lamina_dependencies EXPORT laminaTargets)
endif()
install(DIRECTORY include/lamina DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT laminaTargets NAMESPACE lamina:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lamina)
# For those who find the build tree itself: the same configuration lies there.
export(EXPORT laminaTargets NAMESPACE lamina:: FILE ${PROJECT_BINARY_DIR}/laminaTargets.cmake)
configure_package_config_file(cmake/laminaConfig.cmake.in ${PROJECT_BINARY_DIR}/laminaConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lamina)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/laminaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/laminaConfig.cmake ${PROJECT_BINARY_DIR}/laminaConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lamina)
