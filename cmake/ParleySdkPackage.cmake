# SPDX-License-Identifier: Apache-2.0
# What an integrator gets of the SDK: the two libraries, headers, CMake and pkg-config files.
# Install components: sdk-runtime (what a linked program needs), sdk-dev (what building one needs).
include(CMakePackageConfigHelpers)

set(sdk_objects "")
foreach(module base loop wire transport contract contract_client sdk)
    list(APPEND sdk_objects "$<TARGET_OBJECTS:parley_${module}>")
    # libparley.a must also link without our compiler's link-time optimiser.
    target_compile_options(parley_${module} PRIVATE
        $<$<AND:$<C_COMPILER_ID:GNU>,$<BOOL:${CMAKE_INTERPROCEDURAL_OPTIMIZATION}>>:-ffat-lto-objects>)
endforeach()
set(sdk_contract_headers "${PROJECT_BINARY_DIR}/api/proto/parley_contract")

# What generated code includes: parley/stub.h and protobuf-c.
add_library(parley_stub INTERFACE)
add_library(parley::stub ALIAS parley_stub)
target_include_directories(parley_stub INTERFACE
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/api/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_link_libraries(parley_stub INTERFACE PkgConfig::protobuf_c)
set_target_properties(parley_stub PROPERTIES EXPORT_NAME stub)

function(parley_sdk_library target name)
    add_library(parley::${name} ALIAS ${target})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME parley EXPORT_NAME ${name} LINKER_LANGUAGE C)
    target_include_directories(${target} INTERFACE
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/client-sdk/include>")
    target_include_directories(${target} SYSTEM INTERFACE
        "$<BUILD_INTERFACE:${sdk_contract_headers}>")
    target_link_libraries(${target}
        PUBLIC parley_stub
        PRIVATE PkgConfig::nghttp2 PkgConfig::libuv OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB Threads::Threads
                $<BUILD_INTERFACE:parley_common_flags>)
    add_dependencies(${target} parley_contract_generate)
endfunction()

add_library(parley_shared SHARED ${sdk_objects})
add_library(parley_static STATIC ${sdk_objects})
parley_sdk_library(parley_shared parley)
parley_sdk_library(parley_static parley_static)

# The rule of the number: it changes when a program that was linked before may no longer run. Before
# 1.0 that is every minor version, from 1.0 on every major version.
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(sdk_soversion "0.${PROJECT_VERSION_MINOR}")
    set(sdk_compatibility SameMinorVersion)
else()
    set(sdk_soversion ${PROJECT_VERSION_MAJOR})
    set(sdk_compatibility SameMajorVersion)
endif()
set(sdk_map "${PROJECT_SOURCE_DIR}/client-sdk/src/libparley.map")
set_target_properties(parley_shared PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${sdk_soversion} LINK_DEPENDS "${sdk_map}")
target_link_options(parley_shared PRIVATE "-Wl,--version-script=${sdk_map}")
if(NOT PARLEY_SANITIZE)
    target_link_options(parley_shared PRIVATE -Wl,--no-undefined)
endif()

# ---- install ----

set(sdk_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/parley")
install(TARGETS parley_shared parley_stub EXPORT parley-targets
    LIBRARY COMPONENT sdk-runtime NAMELINK_COMPONENT sdk-dev)
install(TARGETS parley_static EXPORT parley-static-targets ARCHIVE COMPONENT sdk-dev)
install(EXPORT parley-targets NAMESPACE parley:: DESTINATION "${sdk_cmake_dir}" COMPONENT sdk-dev)
install(EXPORT parley-static-targets NAMESPACE parley:: DESTINATION "${sdk_cmake_dir}"
    COMPONENT sdk-dev)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/client-sdk/include/" "${PROJECT_SOURCE_DIR}/api/include/"
    "${sdk_contract_headers}/"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT sdk-dev
    FILES_MATCHING PATTERN "*.h" PATTERN "*.server.parley.h" EXCLUDE)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/api/proto/parley"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/parley/proto" COMPONENT sdk-dev
    FILES_MATCHING PATTERN "*.proto")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/parley-config.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/parley-config.cmake" INSTALL_DESTINATION "${sdk_cmake_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/parley-config-version.cmake"
    COMPATIBILITY ${sdk_compatibility})
# From where the file lies, so that the tree may be installed or moved anywhere; absolute folders, as
# some distributions want them, stay as they are.
foreach(dir LIBDIR INCLUDEDIR)
    string(TOLOWER ${dir} name)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
        set(sdk_pc_${name} "${CMAKE_INSTALL_${dir}}")
    else()
        set(sdk_pc_${name} "\${prefix}/${CMAKE_INSTALL_${dir}}")
    endif()
endforeach()
set(sdk_pc_prefix "${CMAKE_INSTALL_PREFIX}")
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    file(RELATIVE_PATH sdk_pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    set(sdk_pc_prefix "\${pcfiledir}/${sdk_pc_up}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/parley.pc.in" "${CMAKE_CURRENT_BINARY_DIR}/parley.pc"
    @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/parley-config.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/parley-config-version.cmake"
    DESTINATION "${sdk_cmake_dir}" COMPONENT sdk-dev)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/parley.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT sdk-dev)
