# SPDX-License-Identifier: Apache-2.0
# What an integrator gets of the SDK: the two libraries, headers, CMake and pkg-config files.
# Install components: sdk-runtime (what a linked program needs), sdk-dev (what building one needs).
include(CMakePackageConfigHelpers)
include(ParleyStub)

set(sdk_objects "")
foreach(module base loop wire transport contract contract_client rpc_client sdk)
    list(APPEND sdk_objects "$<TARGET_OBJECTS:parley_${module}>")
    # libparley.a must also link without our compiler's link-time optimiser.
    target_compile_options(parley_${module} PRIVATE
        $<$<AND:$<C_COMPILER_ID:GNU>,$<BOOL:${CMAKE_INTERPROCEDURAL_OPTIMIZATION}>>:-ffat-lto-objects>)
endforeach()
set(sdk_contract_headers "${PROJECT_BINARY_DIR}/api/proto/parley_contract")

function(parley_sdk_library target name)
    add_library(parley::${name} ALIAS ${target})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME parley EXPORT_NAME ${name} LINKER_LANGUAGE C)
    target_include_directories(${target} INTERFACE
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/client-sdk/include>")
    target_include_directories(${target} SYSTEM INTERFACE
        "$<BUILD_INTERFACE:${sdk_contract_headers}>")
    target_link_libraries(${target}
        PUBLIC $<BUILD_INTERFACE:parley_stub> $<INSTALL_INTERFACE:parley::stub>
        PRIVATE PkgConfig::nghttp2 PkgConfig::libuv OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB Threads::Threads
                $<BUILD_INTERFACE:parley_common_flags>)
    add_dependencies(${target} parley_contract_generate)
endfunction()

add_library(parley_shared SHARED ${sdk_objects})
add_library(parley_static STATIC ${sdk_objects})
parley_sdk_library(parley_shared parley)
parley_sdk_library(parley_static parley_static)

set(sdk_map "${PROJECT_SOURCE_DIR}/client-sdk/src/libparley.map")
set_target_properties(parley_shared PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${sdk_soversion} LINK_DEPENDS "${sdk_map}")
target_link_options(parley_shared PRIVATE "-Wl,--version-script=${sdk_map}")
if(NOT PARLEY_SANITIZE)
    target_link_options(parley_shared PRIVATE -Wl,--no-undefined)
endif()

# ---- install ----

set(sdk_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/parley")
parley_install_stub("${sdk_cmake_dir}" sdk-dev)
install(TARGETS parley_shared EXPORT parley-targets
    LIBRARY COMPONENT sdk-runtime NAMELINK_COMPONENT sdk-dev)
install(TARGETS parley_static EXPORT parley-static-targets ARCHIVE COMPONENT sdk-dev)
install(EXPORT parley-targets NAMESPACE parley:: DESTINATION "${sdk_cmake_dir}" COMPONENT sdk-dev)
install(EXPORT parley-static-targets NAMESPACE parley:: DESTINATION "${sdk_cmake_dir}"
    COMPONENT sdk-dev)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/client-sdk/include/" "${PROJECT_SOURCE_DIR}/api/include/"
    "${sdk_contract_headers}/"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT sdk-dev
    FILES_MATCHING PATTERN "*.h" PATTERN "*.server.parley.h" EXCLUDE
    PATTERN "parley/server.h" EXCLUDE)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/api/proto/parley"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/parley/proto" COMPONENT sdk-dev
    FILES_MATCHING PATTERN "*.proto")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/parley-config.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/parley-config.cmake" INSTALL_DESTINATION "${sdk_cmake_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/parley-config-version.cmake"
    COMPATIBILITY ${sdk_compatibility})
configure_file("${PROJECT_SOURCE_DIR}/cmake/parley.pc.in" "${CMAKE_CURRENT_BINARY_DIR}/parley.pc"
    @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/parley-config.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/parley-config-version.cmake"
    DESTINATION "${sdk_cmake_dir}" COMPONENT sdk-dev)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/parley.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT sdk-dev)
