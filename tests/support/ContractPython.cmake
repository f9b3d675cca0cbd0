# SPDX-License-Identifier: Apache-2.0
# The contract for Python's official client, made by protoc and its gRPC plugin into
# build/.../tests/python. Debian's grpcio is seen by Debian's Python only.
include_guard(GLOBAL)
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
find_program(GRPC_PYTHON_PLUGIN grpc_python_plugin REQUIRED)
set(python_dir "${PROJECT_BINARY_DIR}/tests/python")
set(contract_protos parley/v1/event.proto parley/v1/chat_service.proto
    parley/v1/conversation_service.proto)
set(contract_outputs "")
set(contract_inputs "")
foreach(proto ${contract_protos})
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    list(APPEND contract_outputs "${python_dir}/${stem}_pb2.py")
    list(APPEND contract_inputs "${PROJECT_SOURCE_DIR}/api/proto/${proto}")
endforeach()
add_custom_command(
    OUTPUT ${contract_outputs}
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${python_dir}"
    COMMAND "${PROTOC}" "-I${PROJECT_SOURCE_DIR}/api/proto" "--python_out=${python_dir}"
            "--plugin=protoc-gen-grpc_python=${GRPC_PYTHON_PLUGIN}"
            "--grpc_python_out=${python_dir}" ${contract_protos}
    DEPENDS ${contract_inputs}
    COMMENT "Generating the contract for Python"
    VERBATIM)
add_custom_target(parley_contract_python ALL DEPENDS ${contract_outputs})

# parley_grpcio_test(NAME SCRIPT LABELS...): a Python program that uses the official client.
function(parley_grpcio_test name script)
    add_test(NAME ${name} COMMAND "${DEBIAN_PYTHON}" -B "${script}")
    set_tests_properties(${name} PROPERTIES LABELS "${ARGN}" TIMEOUT 900 ENVIRONMENT
        "PARLEY_BIN=${PROJECT_BINARY_DIR}/bin;PARLEY_PYTHON=${PROJECT_BINARY_DIR}/tests/python")
endfunction()
