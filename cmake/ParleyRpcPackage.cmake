# SPDX-License-Identifier: Apache-2.0
# libparley-rpc: gRPC for services of one's own, both halves, without the chat. A program links this or
# libparley, not both: the client half is in either.
# Install components: rpc (what a linked program needs), rpc-dev (what building one needs, with
# codegen).
include(CMakePackageConfigHelpers)
include(ParleyStub)

set(rpc_objects "")
foreach(module base loop wire transport rpc_client loops call grpc builtin rpc_server health_proto
        health_proto_server reflection_proto reflection_proto_server)
    list(APPEND rpc_objects "$<TARGET_OBJECTS:parley_${module}>")
endforeach()
add_library(parley_rpc SHARED ${rpc_objects})
add_library(parley::rpc ALIAS parley_rpc)
set(rpc_map "${PROJECT_SOURCE_DIR}/client-sdk/src/libparley.map")
set_target_properties(parley_rpc PROPERTIES
    OUTPUT_NAME parley-rpc EXPORT_NAME rpc LINKER_LANGUAGE C
    VERSION ${PROJECT_VERSION} SOVERSION ${sdk_soversion} LINK_DEPENDS "${rpc_map}")
target_link_libraries(parley_rpc
    PUBLIC $<BUILD_INTERFACE:parley_stub> $<INSTALL_INTERFACE:parley::stub>
    PRIVATE PkgConfig::nghttp2 PkgConfig::libuv OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB
            Threads::Threads $<BUILD_INTERFACE:parley_common_flags>)
target_link_options(parley_rpc PRIVATE "-Wl,--version-script=${rpc_map}")
if(NOT PARLEY_SANITIZE)
    target_link_options(parley_rpc PRIVATE -Wl,--no-undefined)
endif()

set(rpc_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/parley-rpc")
parley_install_stub("${rpc_cmake_dir}" rpc-dev)
install(TARGETS parley_rpc EXPORT parley-rpc-targets
    LIBRARY COMPONENT rpc NAMELINK_COMPONENT rpc-dev)
install(EXPORT parley-rpc-targets NAMESPACE parley:: DESTINATION "${rpc_cmake_dir}"
    COMPONENT rpc-dev)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/api/include/parley"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT rpc-dev FILES_MATCHING PATTERN "*.h")
install(FILES "${PROJECT_SOURCE_DIR}/client-sdk/include/parley/channel.h"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/parley" COMPONENT rpc-dev)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/parley-rpc-config.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/parley-rpc-config.cmake" INSTALL_DESTINATION "${rpc_cmake_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/parley-rpc-config-version.cmake"
    COMPATIBILITY ${sdk_compatibility})
configure_file("${PROJECT_SOURCE_DIR}/cmake/parley-rpc.pc.in"
    "${CMAKE_CURRENT_BINARY_DIR}/parley-rpc.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/parley-rpc-config.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/parley-rpc-config-version.cmake"
    DESTINATION "${rpc_cmake_dir}" COMPONENT rpc-dev)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/parley-rpc.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT rpc-dev)
