/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 as gRPC uses it (M2): sent without padding, taken with and without. */
#include "wire/base64.h"

#include "support/check.h"

#include <stdlib.h>
#include <string.h>

/* RFC 4648, section 10. */
static const struct {
    const char *bytes;
    const char *padded;
} VECTORS[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static bool decodes(const char *text, size_t len, const char *expected, size_t expected_len)
{
    uint8_t *out = malloc(PL_BASE64_DECODED_MAX(len));
    size_t out_len = SIZE_MAX;
    assert_non_null(out);
    bool is_fine = pl_base64_decode(text, len, out, &out_len) && out_len == expected_len &&
                   (out_len == 0 || memcmp(out, expected, out_len) == 0);
    free(out);
    return is_fine;
}

static void test_m2_vectors_of_rfc_4648(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(VECTORS) / sizeof(VECTORS[0]); i++) {
        char text[16];
        size_t bytes_len = strlen(VECTORS[i].bytes);
        size_t plain_len = strcspn(VECTORS[i].padded, "=");
        size_t len = pl_base64_encode(VECTORS[i].bytes, bytes_len, text);
        assert_int_equal(len, plain_len);
        assert_int_equal(len, PL_BASE64_ENCODED_BYTES(bytes_len));
        assert_memory_equal(text, VECTORS[i].padded, len);
        assert_true(decodes(text, len, VECTORS[i].bytes, bytes_len));
        assert_true(
            decodes(VECTORS[i].padded, strlen(VECTORS[i].padded), VECTORS[i].bytes, bytes_len));
    }
}

static void test_m2_all_bytes_come_back(void **state)
{
    (void)state;
    uint8_t bytes[256];
    char text[PL_BASE64_ENCODED_BYTES(256)];
    for (size_t i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    for (size_t len = 0; len <= 256; len++) {
        size_t text_len = pl_base64_encode(bytes, len, text);
        assert_int_equal(text_len, PL_BASE64_ENCODED_BYTES(len));
        assert_true(decodes(text, text_len, (const char *)bytes, len));
    }
    assert_true(decodes("+/+/", 4, "\xfb\xff\xbf", 3));
}

static void test_m2_what_is_not_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",     "Zm9vY", "=",     "==",       "===",  "====", "Z===", "Zg=",
        "Zg===", "Zm8==", "Zm9v=", "Zg==Zg==", "Z g=", "Zg ",  " Zg",  "Zm\n",
        "Zm-_",  "Zm9v!", "Zm,v",  "Zm9v\x80", "=Zg=", "Z=g=",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len = strlen(bad[i]);
        uint8_t out[32];
        size_t out_len = 0;
        if (pl_base64_decode(bad[i], len, out, &out_len)) {
            fail_msg("\"%s\"", bad[i]);
        }
    }
    assert_false(decodes("Zg\0=", 4, "f", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_m2_vectors_of_rfc_4648),
        cmocka_unit_test(test_m2_all_bytes_come_back),
        cmocka_unit_test(test_m2_what_is_not_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
