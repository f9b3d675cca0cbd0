# SPDX-License-Identifier: Apache-2.0
# cmake -DOUTPUT=x.c -DTABLE=name -DFILES=a.sql;b.sql -P embed.cmake
#
# Writes numbered migrations, with their SHA-256 and the oldest build that they declare, as a C
# table: `const struct shard_migration TABLE[]` and `const size_t TABLE_count`.
set(texts "")
set(rows "")
set(number 0)
foreach(file ${FILES})
    math(EXPR number "${number} + 1")
    get_filename_component(name "${file}" NAME_WE)
    if(NOT name MATCHES "^0*${number}_")
        message(FATAL_ERROR "${file}: migration ${number} expected here")
    endif()
    file(SHA256 "${file}" checksum)
    file(STRINGS "${file}" oldest REGEX "^-- Oldest build: [0-9]+$")
    string(REPLACE "-- Oldest build: " "" oldest "${oldest}")
    if(oldest STREQUAL "")
        set(oldest ${number})
    elseif(NOT oldest MATCHES "^[1-9][0-9]*$" OR oldest GREATER number)
        message(FATAL_ERROR "${file}: \"Oldest build:\" wants the number of a migration, this one at most")
    endif()
    file(READ "${file}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND texts "static const char text_${number}[] = {${bytes}0};\n")
    string(APPEND rows "    {${number}, \"${name}\", \"${checksum}\", text_${number}, ${oldest}},\n")
endforeach()
file(WRITE "${OUTPUT}" "/* Made by embed.cmake; do not edit. */
#include \"shard/migrate.h\"

extern const struct shard_migration ${TABLE}[];
extern const size_t ${TABLE}_count;

${texts}
const struct shard_migration ${TABLE}[] = {
${rows}};
const size_t ${TABLE}_count = sizeof(${TABLE}) / sizeof(${TABLE}[0]);
")
