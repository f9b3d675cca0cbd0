/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes to a client session that has calls open. */
#include "app.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t settings[9] = {0, 0, 0, 4};
    if (size < 2) {
        return 0;
    }
    struct app app;
    app_open(&app, false, data[0]);
    if (data[1] % 8 != 0) {
        app_feed(&app, settings, sizeof(settings));
    }
    app_feed(&app, data + 2, size - 2);
    app_close(&app);
    return 0;
}
