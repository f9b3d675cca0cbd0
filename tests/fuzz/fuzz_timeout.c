/* SPDX-License-Identifier: Apache-2.0 */
/* What is a timeout is one again after sending it on, a little longer at most; never shorter. */
#include "app.h"

#include "wire/timeout.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(int64_t timeout_ns)
{
    char text[PL_TIMEOUT_TEXT_MAX];
    size_t len = pl_timeout_encode(timeout_ns, text);
    int64_t back = 0;
    app_check(len == strlen(text) && len >= 2 && len < PL_TIMEOUT_TEXT_MAX, "it fits");
    app_check(pl_timeout_decode(text, len, &back), "what we send is a timeout");
    app_check(back >= timeout_ns, "the peer does not give up before us");
    app_check(timeout_ns < 1000 || back == INT64_MAX - 1 ||
                  back - timeout_ns <= timeout_ns / 10000 + 1,
              "eight digits are exact enough");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t timeout_ns = -1;
    if (pl_timeout_decode((const char *)data, size, &timeout_ns)) {
        app_check(timeout_ns >= 0 && timeout_ns < INT64_MAX, "a timeout is in range");
        check_round_trip(timeout_ns);
    }
    if (size >= sizeof(timeout_ns)) {
        memcpy(&timeout_ns, data, sizeof(timeout_ns));
        check_round_trip(timeout_ns == INT64_MAX ? 0 : timeout_ns); /* it means "none" */
    }
    return 0;
}
