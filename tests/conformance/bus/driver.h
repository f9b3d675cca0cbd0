/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_BUS_DRIVER_H
#define PARLEY_TEST_BUS_DRIVER_H

/* The driver under test, and its broker, which runs for the whole program. */

#include "ear.h"
#include "fanout/bus/options.h"
#include "support/check.h"

struct driver {
    const char *name;
    bool is_real;  /* the broker is a process */
    bool is_exact; /* only what was subscribed comes */
    void (*start)(void);
    void (*stop)(void);
    struct bus *(*open)(const struct bus_options *options); /* NULL: the defaults */
    void (*kill)(void);
    void (*restart)(void);
};

extern const struct driver *driver;

/* NULL: there is no such driver. */
const struct driver *driver_find(const char *name);
/* The broker of a driver that is real. */
struct broker *driver_broker(void);
/* The default options with the broker's address. */
struct bus_options driver_options(void);

int messages_tests(void);
int outages_tests(void);
int access_tests(void);

#endif /* PARLEY_TEST_BUS_DRIVER_H */
