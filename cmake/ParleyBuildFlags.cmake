# SPDX-License-Identifier: Apache-2.0
# parley_build_flags: warnings, hardening and sanitizers for all code written by hand.
# parley_generated_flags: the same without the warnings that generated code cannot promise.
add_library(parley_common_flags INTERFACE)
target_compile_features(parley_common_flags INTERFACE c_std_11)
set(CMAKE_C_EXTENSIONS OFF)
target_compile_definitions(parley_common_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
target_compile_options(parley_common_flags INTERFACE
    -fno-strict-aliasing -fstack-protector-strong
    $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
target_link_options(parley_common_flags INTERFACE -Wl,-z,relro,-z,now)
if(PARLEY_SANITIZE)
    target_compile_options(parley_common_flags INTERFACE
        -fsanitize=${PARLEY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(parley_common_flags INTERFACE -fsanitize=${PARLEY_SANITIZE})
endif()
if(PARLEY_WERROR)
    target_compile_options(parley_common_flags INTERFACE -Werror)
endif()

add_library(parley_build_flags INTERFACE)
target_link_libraries(parley_build_flags INTERFACE parley_common_flags)
target_compile_options(parley_build_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla
    -Wconversion -Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough -Walloca
    $<$<C_COMPILER_ID:GNU>:-Wcast-align=strict;-Wduplicated-cond;-Wlogical-op;-Wjump-misses-init>)

add_library(parley_generated_flags INTERFACE)
target_link_libraries(parley_generated_flags INTERFACE parley_common_flags)
target_compile_options(parley_generated_flags INTERFACE -Wall -Wextra -Wpedantic)
