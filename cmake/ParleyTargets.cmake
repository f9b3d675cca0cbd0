# SPDX-License-Identifier: Apache-2.0
# One folder, one target: parley_module(NAME SOURCES ... LINK ... PRIVATE_LINK ...) makes the static
# library parley_NAME (alias parley::NAME). Its headers are included by their folder:
# "base/buf.h", "store/store.h", "core/loop.h". ROOT is the folder that such paths start from.
function(parley_module name)
    cmake_parse_arguments(ARG "" "ROOT" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
    add_library(parley_${name} STATIC ${ARG_SOURCES})
    add_library(parley::${name} ALIAS parley_${name})
    target_include_directories(parley_${name} PUBLIC "$<BUILD_INTERFACE:${ARG_ROOT}>")
    target_link_libraries(parley_${name}
        PUBLIC ${ARG_LINK}
        PRIVATE ${ARG_PRIVATE_LINK} $<BUILD_INTERFACE:parley_build_flags>)
endfunction()

# parley_unit_test(NAME SOURCES ... LINK ...): a cmocka program, run by ctest under the label "unit".
function(parley_unit_test name)
    cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINK" ${ARGN})
    if(NOT ARG_LABEL)
        set(ARG_LABEL unit)
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} cmocka $<BUILD_INTERFACE:parley_build_flags>)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 300)
endfunction()
