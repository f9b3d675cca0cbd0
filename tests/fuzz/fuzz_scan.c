/* SPDX-License-Identifier: Apache-2.0 */
/* What the pre-scan lets through, protobuf-c unpacks, within the memory that the scan foretold; and
 * what comes of it can be packed and scanned again. */
#include "app.h"

#include "sample.pb-c.h"
#include "wire/pb.h"

#include "parley/stub.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DESCRIPTOR (&parley__test__sample__descriptor)

static void check_again(const ProtobufCMessage *message)
{
    /* Merging and unknown fields may make it another message, but never a bad one. */
    static const struct pl_pb_limits limits = {.depth_max = 32,
                                               .elements_max = UINT32_MAX,
                                               .unknown_bytes_max = UINT32_MAX,
                                               .merges_max = UINT32_MAX,
                                               .alloc_bytes_max = SIZE_MAX / 2};
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(len + 1);
    app_check(packed != NULL, "memory");
    app_check(protobuf_c_message_pack(message, packed) == len, "it packs to its size");
    app_check(pl_pb_scan(DESCRIPTOR, packed, len, &limits, NULL, NULL) == PARLEY_OK,
              "what was packed is well-formed");
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_pb_limits no_merges = pl_pb_default_limits;
    no_merges.merges_max = 0;
    enum parley_code code = pl_pb_scan(DESCRIPTOR, data, size, NULL, NULL, NULL);
    bool is_merged = pl_pb_scan(DESCRIPTOR, data, size, &no_merges, NULL, NULL) != code;
    ProtobufCMessage *message = NULL;
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    enum parley_code decoded = pl_pb_decode(DESCRIPTOR, data, size, &arena, NULL, &message, NULL);
    app_check((message != NULL) == (decoded == PARLEY_OK), "a message comes with OK only");
    /* protobuf-c cannot merge two messages that leave a oneof unset. */
    app_check(decoded == code || (is_merged && decoded == PARLEY_INTERNAL),
              "what the scan accepts is unpacked within its prediction");
    if (message != NULL) {
        check_again(message);
    }
    pl_arena_deinit(&arena);
    app_check(pl_pb_decode_heap(DESCRIPTOR, data, size, &message, NULL) == decoded,
              "the heap's verdict is the arena's");
    parley_message_free(message);
    return 0;
}
