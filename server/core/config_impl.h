/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CORE_CONFIG_IMPL_H
#define PARLEY_CORE_CONFIG_IMPL_H

/* The table as data, and the inside of a draft; for config_*.c only. */

#include "core/config.h"

#define CONFIG_RELOAD 1U
#define CONFIG_SECRET 2U

#define CONFIG_NAME_MAX  64   /* of a key, an option or an environment variable, with its NUL */
#define CONFIG_VALUE_MAX 4096 /* bytes of a value as text */

enum config_kind {
    CONFIG_KIND_STRING,
    CONFIG_KIND_ADDRESS,
    CONFIG_KIND_BOOL,
    CONFIG_KIND_INT,
    CONFIG_KIND_SIZE,
    CONFIG_KIND_DURATION,
    CONFIG_KIND_ENUM
};

struct config_entry {
    const char *key;
    const char *fallback;
    const char *unit;
    const char *sentence;
    int64_t min;
    int64_t max;
    size_t offset; /* in struct config */
    enum config_kind kind;
    unsigned flags;
};

extern const struct config_entry config_entries[CONFIG_COUNT];

/* One value. Strings and addresses have a text, all others a number. */
struct config_value {
    char *text; /* owned (pl_free) */
    int64_t number;
    enum config_source source;
    int line; /* of the file */
};

struct config_draft {
    struct config_value values[CONFIG_COUNT];
};

/* config_value.c */

/* Where a value comes from, for messages: "parley.conf:3", "environment", "--listen". */
PL_MUST_CHECK enum parley_code config_value_parse(const struct config_entry *entry,
                                                  const char *where, const char *text,
                                                  struct config_value *value, struct pl_error *err);
bool config_kind_has_text(enum config_kind kind);
/* As a user would write it, the shortest form; "4M", "10s". */
void config_value_format(const struct config_entry *entry, int64_t number, char *out, size_t size);
/* "1 to 64", "128k to 64M", "debug, info, warn or error"; "" if all is allowed. */
void config_range_format(const struct config_entry *entry, char *out, size_t size);

/* config.c */

/* Take a value from a source, unless one of a stronger source is there. */
PL_MUST_CHECK enum parley_code config_draft_set(struct config_draft *draft, size_t setting,
                                                enum config_source source, const char *where,
                                                const char *text, struct pl_error *err);
/* Spellings of a key: "--tls-cert" without the dashes, "PARLEY_TLS_CERT". */
void config_option_name(const char *key, char out[CONFIG_NAME_MAX]);
void config_environment_name(const char *key, char out[CONFIG_NAME_MAX]);
/* The nearest of the names that `spell` makes of all keys. NULL spell: the keys themselves. */
void config_nearest(const char *wrong, void (*spell)(const char *key, char out[CONFIG_NAME_MAX]),
                    char out[CONFIG_NAME_MAX]);

#endif /* PARLEY_CORE_CONFIG_IMPL_H */
