/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-message there and back, and any bytes as one. */
#include "app.h"

#include "base/text.h"
#include "wire/percent.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_arena arena;
    pl_arena_init(&arena, NULL, 0, 0);
    size_t len = 0;
    const char *text = (const char *)data;
    char *encoded = pl_percent_encode(&arena, text, size, &len);
    app_check(encoded != NULL && strlen(encoded) == len, "it is encoded whole");
    for (size_t i = 0; i < len; i++) {
        app_check(encoded[i] >= 0x20 && encoded[i] <= 0x7e, "only printable ASCII is sent");
    }
    size_t back_len = 0;
    char *back = pl_percent_decode(&arena, encoded, len, &back_len);
    app_check(back != NULL && pl_text_is_utf8(back, back_len), "what we send is UTF-8");
    if (pl_text_is_utf8(data, size)) {
        app_check(back_len == size && (size == 0 || memcmp(back, data, size) == 0),
                  "UTF-8 comes back as it was");
    }
    back = pl_percent_decode(&arena, text, size, &back_len);
    app_check(back != NULL && back_len <= size && back[back_len] == '\0', "decoding is lenient");
    pl_arena_deinit(&arena);
    return 0;
}
