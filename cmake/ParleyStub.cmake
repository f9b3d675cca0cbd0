# SPDX-License-Identifier: Apache-2.0
# What libparley and libparley-rpc have in common: the target that generated code is compiled with, the
# rule of the number, and the folders of pkg-config files.
include_guard(GLOBAL)
include(CMakePackageConfigHelpers)

# What generated code includes: parley/stub.h and protobuf-c.
add_library(parley_stub INTERFACE)
target_include_directories(parley_stub INTERFACE
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/api/include>"
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/client-sdk/include>")
target_link_libraries(parley_stub INTERFACE PkgConfig::protobuf_c)

# In the package whose files are in `dir`.
function(parley_install_stub dir component)
    set(file "${CMAKE_CURRENT_BINARY_DIR}/${component}/parley-stub.cmake")
    configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/parley-stub.cmake.in" "${file}"
        INSTALL_DESTINATION "${dir}" PATH_VARS CMAKE_INSTALL_INCLUDEDIR
        NO_CHECK_REQUIRED_COMPONENTS_MACRO)
    install(FILES "${file}" DESTINATION "${dir}" COMPONENT ${component})
endfunction()

# The rule of the number: it changes when a program that was linked before may no longer run. Before
# 1.0 that is every minor version, from 1.0 on every major version.
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(sdk_soversion "0.${PROJECT_VERSION_MINOR}" CACHE INTERNAL "")
    set(sdk_compatibility SameMinorVersion CACHE INTERNAL "")
else()
    set(sdk_soversion ${PROJECT_VERSION_MAJOR} CACHE INTERNAL "")
    set(sdk_compatibility SameMajorVersion CACHE INTERNAL "")
endif()

# From where the file lies, so that the tree may be installed or moved anywhere; absolute folders, as
# some distributions want them, stay as they are.
foreach(dir LIBDIR INCLUDEDIR)
    string(TOLOWER ${dir} name)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
        set(sdk_pc_${name} "${CMAKE_INSTALL_${dir}}" CACHE INTERNAL "")
    else()
        set(sdk_pc_${name} "\${prefix}/${CMAKE_INSTALL_${dir}}" CACHE INTERNAL "")
    endif()
endforeach()
set(sdk_pc_prefix "${CMAKE_INSTALL_PREFIX}" CACHE INTERNAL "")
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    file(RELATIVE_PATH sdk_pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    set(sdk_pc_prefix "\${pcfiledir}/${sdk_pc_up}" CACHE INTERNAL "")
endif()
