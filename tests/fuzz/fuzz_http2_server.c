/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes to a server session; most inputs begin after the preface, so that they get further. */
#include "app.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    if (size < 2) {
        return 0;
    }
    struct app app;
    app_open(&app, true, data[0]);
    if (data[1] % 8 != 0) {
        app_feed(&app, preface, sizeof(preface)); /* with the last zero of the SETTINGS frame */
    }
    app_feed(&app, data + 2, size - 2);
    app_close(&app);
    return 0;
}
