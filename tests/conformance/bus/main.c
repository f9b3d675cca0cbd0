/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of the port (fanout/bus/bus.h), kept by one driver.
 *
 * usage: bus_conformance DRIVER [GROUP] */
#include "driver.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(void);
} groups[] = {{"messages", messages_tests}, {"outages", outages_tests}, {"access", access_tests}};

int main(int argc, char **argv)
{
    int failed = 0;
    driver = argc < 2 ? NULL : driver_find(argv[1]);
    if (driver == NULL) {
        (void)fprintf(stderr, "usage: bus_conformance local|nats|rabbitmq [GROUP]\n");
        return 2;
    }
    driver->start();
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (argc < 3 || strcmp(argv[2], groups[i].name) == 0) {
            failed += groups[i].run();
        }
    }
    driver->stop();
    return failed == 0 ? 0 : 1;
}
