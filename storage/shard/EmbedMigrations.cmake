# SPDX-License-Identifier: Apache-2.0
# parley_embed_migrations(TABLE FILE...): the migrations as a C table `TABLE`, TABLE_count of them;
# sets TABLE_c to the source file. See embed.cmake.
function(parley_embed_migrations table)
    set(embed "${PROJECT_SOURCE_DIR}/storage/shard/embed.cmake")
    set(source "${CMAKE_CURRENT_BINARY_DIR}/${table}.c")
    add_custom_command(
        OUTPUT "${source}"
        COMMAND "${CMAKE_COMMAND}" "-DOUTPUT=${source}" "-DTABLE=${table}" "-DFILES=${ARGN}"
                -P "${embed}"
        DEPENDS ${ARGN} "${embed}"
        COMMENT "Embedding ${table}"
        VERBATIM)
    set(${table}_c "${source}" PARENT_SCOPE)
endfunction()
