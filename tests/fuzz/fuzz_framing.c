/* SPDX-License-Identifier: Apache-2.0 */
/* The framer gives the same messages and the same verdict however the bytes are cut. */
#include "app.h"

#include "base/hash.h"
#include "wire/framing.h"
#include "wire/gzip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MESSAGE_MAX 2000

struct outcome {
    size_t messages;
    uint64_t digest;
    enum parley_code code; /* of a bad stream */
    bool is_partial;
};

static struct outcome run(const uint8_t *data, size_t size, size_t piece, bool is_gzip)
{
    static struct pl_gzip *gzip;
    struct outcome outcome = {0};
    struct pl_framer framer;
    if (gzip == NULL) {
        gzip = pl_gzip_new();
        app_check(gzip != NULL, "memory");
    }
    pl_framer_init(&framer, MESSAGE_MAX, gzip);
    framer.encoding = is_gzip ? PL_ENCODING_GZIP : PL_ENCODING_IDENTITY;
    while (size > 0 && outcome.code == PARLEY_OK) {
        size_t len = piece < size ? piece : size;
        uint8_t *copy = malloc(len);
        app_check(copy != NULL, "memory");
        memcpy(copy, data, len);
        for (size_t at = 0, used = 0;; at += used) {
            struct pl_framer_message message;
            struct pl_status bad = {0};
            enum pl_framer_result result =
                pl_framer_next(&framer, copy + at, len - at, &used, &message, &bad);
            if (result == PL_FRAMER_BAD) {
                app_check(bad.code != PARLEY_OK && bad.message != NULL, "a refusal says why");
                outcome.code = bad.code;
                break;
            }
            if (result == PL_FRAMER_MORE) {
                app_check(at + used == len, "all input is used");
                break;
            }
            app_check(message.len <= MESSAGE_MAX, "the limit holds");
            outcome.messages++;
            outcome.digest = outcome.digest * 31 + pl_hash_stable(message.data, message.len);
        }
        free(copy);
        data += len;
        size -= len;
    }
    outcome.is_partial = pl_framer_is_partial(&framer);
    app_check(framer.body == NULL || framer.body->capacity <= 2 * MESSAGE_MAX + 64,
              "memory grows with what came");
    pl_framer_deinit(&framer);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    bool is_gzip = data[0] >= 0x80;
    struct outcome whole = run(data + 1, size - 1, size, is_gzip);
    struct outcome pieces = run(data + 1, size - 1, 1 + data[0] % 16, is_gzip);
    app_check(whole.messages == pieces.messages && whole.digest == pieces.digest &&
                  whole.code == pieces.code,
              "pieces give what the whole gives");
    app_check(whole.code != PARLEY_OK || whole.is_partial == pieces.is_partial,
              "an end in the midst of a message is seen");
    return 0;
}
