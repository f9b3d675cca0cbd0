# SPDX-License-Identifier: Apache-2.0
# parley_generate(NAME PROTOS a.proto ... [IMPORT_DIRS DIR ...] [CLIENT] [SERVER])
#
# Makes from .proto files, by protoc-gen-c and protoc-gen-parley-c, static libraries:
#   NAME          messages, method tables, descriptors
#   NAME_client   with CLIENT: typed stubs; to be linked with libparley
#   NAME_server   with SERVER: typed skeletons; to be linked with the server runtime
# A proto is named relative to one of the IMPORT_DIRS (default: the current folder), as its imports
# are. Include "a.pb-c.h", "a.client.parley.h", "a.server.parley.h". protoc and protoc-gen-c are
# looked for on PATH unless PROTOC and PROTOC_GEN_C name them.
function(parley_generate name)
    cmake_parse_arguments(ARG "CLIENT;SERVER" "" "PROTOS;IMPORT_DIRS" ${ARGN})
    if(NOT ARG_PROTOS)
        message(FATAL_ERROR "parley_generate(${name}): PROTOS is empty")
    endif()
    if(NOT ARG_IMPORT_DIRS)
        set(ARG_IMPORT_DIRS "${CMAKE_CURRENT_SOURCE_DIR}")
    endif()
    if(NOT PROTOC)
        find_program(PROTOC protoc REQUIRED)
    endif()
    if(NOT PROTOC_GEN_C)
        find_program(PROTOC_GEN_C protoc-gen-c REQUIRED)
    endif()
    set(out "${CMAKE_CURRENT_BINARY_DIR}/${name}")
    set(imports "")
    foreach(dir ${ARG_IMPORT_DIRS})
        list(APPEND imports "-I${dir}")
    endforeach()
    set(halves messages tables)
    set(kinds "")
    if(ARG_CLIENT)
        list(APPEND halves client)
        list(APPEND kinds client)
    endif()
    if(ARG_SERVER)
        list(APPEND halves server)
        list(APPEND kinds server)
    endif()
    list(JOIN halves "," options)

    set(outputs "")
    set(depends "")
    set(sources "")
    set(sources_client "")
    set(sources_server "")
    foreach(proto ${ARG_PROTOS})
        string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
        list(APPEND sources "${out}/${stem}.pb-c.c" "${out}/${stem}.parley.c")
        list(APPEND outputs "${out}/${stem}.pb-c.h" "${out}/${stem}.parley.h")
        foreach(kind ${kinds})
            list(APPEND sources_${kind} "${out}/${stem}.${kind}.parley.c")
            list(APPEND outputs "${out}/${stem}.${kind}.parley.h")
        endforeach()
        foreach(dir ${ARG_IMPORT_DIRS})
            if(EXISTS "${dir}/${proto}")
                list(APPEND depends "${dir}/${proto}")
                break()
            endif()
        endforeach()
    endforeach()

    add_custom_command(
        OUTPUT ${outputs} ${sources} ${sources_client} ${sources_server}
        COMMAND "${CMAKE_COMMAND}" -E make_directory "${out}"
        COMMAND "${CMAKE_COMMAND}" -E env "PROTOC_GEN_C=${PROTOC_GEN_C}"
                "${PROTOC}" "--plugin=protoc-gen-parley-c=$<TARGET_FILE:parley::protoc-gen-parley-c>"
                "--parley-c_out=${out}" "--parley-c_opt=${options}" ${imports} ${ARG_PROTOS}
        DEPENDS ${depends} parley::protoc-gen-parley-c
        COMMENT "Generating ${name} from ${ARG_PROTOS}"
        VERBATIM)
    # Several libraries are made of the outputs of one command: one target runs it.
    add_custom_target(${name}_generate DEPENDS ${outputs})

    add_library(${name} STATIC ${sources})
    target_include_directories(${name} SYSTEM PUBLIC "${out}")
    parley_generated_library(${name})
    foreach(kind ${kinds})
        add_library(${name}_${kind} STATIC ${sources_${kind}})
        target_link_libraries(${name}_${kind} PUBLIC ${name})
        parley_generated_library(${name}_${kind})
    endforeach()
endfunction()

# What a library of generated code needs, in parley's own tree and outside of it.
function(parley_generated_library name)
    string(REGEX REPLACE "_(client|server)$" "" base "${name}")
    add_dependencies(${name} ${base}_generate)
    set_target_properties(${name} PROPERTIES
        C_STANDARD 11 C_VISIBILITY_PRESET default POSITION_INDEPENDENT_CODE ON)
    if(TARGET parley_generated_flags)
        target_include_directories(${name} PUBLIC "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../api/include")
        target_link_libraries(${name}
            PUBLIC PkgConfig::protobuf_c PRIVATE $<BUILD_INTERFACE:parley_generated_flags>)
        if(name MATCHES "_server$" AND PARLEY_BUILD_SERVER)
            target_link_libraries(${name} INTERFACE parley_call)
        endif()
    else()
        target_link_libraries(${name} PUBLIC parley::stub)
    endif()
endfunction()
