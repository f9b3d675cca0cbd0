# SPDX-License-Identifier: Apache-2.0
# Every library that parley links, found once, by the names that Debian 12 packages them under.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)

pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
pkg_check_modules(protobuf_c REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4)
pkg_check_modules(libuv REQUIRED IMPORTED_TARGET libuv>=1.44)
if(PARLEY_BUILD_SERVER)
    pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3>=3.40)
    if(PARLEY_WITH_MYSQL)
        # Either client library will do; Debian has MariaDB's.
        pkg_search_module(mysql REQUIRED IMPORTED_TARGET libmariadb mysqlclient)
    endif()
    pkg_check_modules(libjwt REQUIRED IMPORTED_TARGET libjwt)
    pkg_check_modules(inih REQUIRED IMPORTED_TARGET inih)
    if(PARLEY_WITH_MEMCACHED)
        pkg_check_modules(libmemcached REQUIRED IMPORTED_TARGET libmemcached>=1.0)
    endif()
    find_library(HTTP_PARSER_LIBRARY http_parser REQUIRED)
endif()
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
if(PARLEY_BUILD_CLIENT_SDK)
    pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)
endif()
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_GEN_C protoc-gen-c REQUIRED)
# Debian's grpc-proto package: health and reflection, taken at build time and never copied.
find_path(GRPC_PROTO_DIR grpc/health/v1/health.proto PATHS /usr/share/grpc-proto REQUIRED)
# Debian's libprotobuf-dev: google/protobuf/*.proto.
find_path(PROTOBUF_PROTO_DIR google/protobuf/descriptor.proto PATHS /usr/include REQUIRED)
