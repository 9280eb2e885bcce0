# Install and export: another project says find_package(unlazy) and links unlazy::unlazy.
install(TARGETS unlazy EXPORT unlazyTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS unlazy_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
foreach(room src models data)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${room}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/unlazy"
    FILES_MATCHING PATTERN "*.h" PATTERN "sample" EXCLUDE)
endforeach()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/data/sample" DESTINATION "${CMAKE_INSTALL_DATADIR}/unlazy/data")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/tools/presets" DESTINATION "${CMAKE_INSTALL_DATADIR}/unlazy")
install(EXPORT unlazyTargets NAMESPACE unlazy:: DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/unlazy")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/unlazyConfig.cmake.in" "${PROJECT_BINARY_DIR}/unlazyConfig.cmake"
  INSTALL_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/unlazy")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/unlazyConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/unlazyConfig.cmake" "${PROJECT_BINARY_DIR}/unlazyConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/FindLibTorch.cmake" "${PROJECT_SOURCE_DIR}/cmake/FindOpenCVParts.cmake" DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/unlazy")
