/* SPDX-License-Identifier: Apache-2.0 */
#include "places.h"

#include <stdio.h>
#include <string.h>

static int take_one(struct place *place, const char *text, size_t len)
{
    struct pl_error err = PL_ERROR_INIT;
    if (len >= sizeof(place->text)) {
        (void)fprintf(stderr, "parley-bench: too long an address: %s\n", text);
        return -1;
    }
    memcpy(place->text, text, len);
    place->text[len] = '\0';
    if (pl_address_parse(place->text, &place->address, &err) != PARLEY_OK) {
        (void)fprintf(stderr, "parley-bench: %s\n", err.text);
        return -1;
    }
    return 0;
}

int places_parse(struct places *places, const char *text)
{
    *places = (struct places){.count = 0};
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        if (places->count == PLACES_MAX) {
            (void)fprintf(stderr, "parley-bench: more than %d servers\n", PLACES_MAX);
            return -1;
        }
        size_t len = comma != NULL ? (size_t)(comma - at) : strlen(at);
        if (take_one(&places->all[places->count++], at, len) != 0) {
            return -1;
        }
        at = comma != NULL ? comma + 1 : NULL;
    }
    return 0;
}
