/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata as received, and base64 there and back. */
#include "app.h"

#include "wire/base64.h"
#include "wire/metadata_impl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_base64(const uint8_t *data, size_t size)
{
    size_t text_len = PL_BASE64_ENCODED_BYTES(size);
    char *text = malloc(text_len + 1);
    uint8_t *back = malloc(PL_BASE64_DECODED_MAX(text_len));
    size_t back_len = 0;
    app_check(text != NULL && back != NULL, "memory");
    app_check(pl_base64_encode(data, size, text) == text_len, "the length is as announced");
    app_check(pl_base64_decode(text, text_len, back, &back_len) && back_len == size &&
                  (size == 0 || memcmp(back, data, size) == 0),
              "base64 comes back as it was");
    free(back);
    back = malloc(PL_BASE64_DECODED_MAX(size));
    app_check(back != NULL, "memory");
    if (pl_base64_decode((const char *)data, size, back, &back_len)) {
        app_check(back_len <= PL_BASE64_DECODED_MAX(size), "there was room");
    }
    free(back);
    free(text);
}

static void check_received(const uint8_t *data, size_t size)
{
    size_t key_len = data[0] % 16;
    const char *key = (const char *)data + 1;
    size -= 1;
    key_len = key_len < size ? key_len : size;
    struct pl_arena arena;
    parley_metadata metadata;
    pl_arena_init(&arena, NULL, 0, 0);
    pl_metadata_init(&metadata, &arena);
    for (int i = 0; i < 3; i++) {
        (void)pl_metadata_add_received(&metadata, key, key_len, key + key_len, size - key_len);
        (void)pl_metadata_add_received(&metadata, "x-bin", 5, key + key_len, size - key_len);
    }
    for (size_t i = 0; i < parley_metadata_count(&metadata); i++) {
        size_t len = 0;
        const char *value = parley_metadata_value(&metadata, i, &len);
        app_check(value[len] == '\0' && parley_metadata_key(&metadata, i) != NULL,
                  "values are terminated");
    }
    pl_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_base64(data, size);
    if (size > 0) {
        check_received(data, size);
    }
    return 0;
}
