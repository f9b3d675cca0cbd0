/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_WIRE_BYSTANDER_H
#define PARLEY_TEST_WIRE_BYSTANDER_H

/* An honest client beside an attacker: it must be answered all the time. */

#include "wire/client.h"

#include <stddef.h>
#include <stdint.h>

struct bystander {
    struct client client;
    int64_t slowest_ms;
};

void bystander_open(struct bystander *bystander, const char *address);
void bystander_close(struct bystander *bystander);
/* One call of health's Check; fails the test if it is not answered OK. */
void bystander_check(struct bystander *bystander);

#endif /* PARLEY_TEST_WIRE_BYSTANDER_H */
