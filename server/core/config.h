/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CORE_CONFIG_H
#define PARLEY_CORE_CONFIG_H

/* The settings of parleyd: read from a file, the environment and the command line into a draft, and
 * from there into an immutable struct. A later source wins over an earlier one, in the order of
 * enum config_source, whatever the order in which they were read. What is not in config_table.h is
 * refused with the nearest name that is. @thread start; a finished struct config: any */

#include "base/error.h"
#include "core/config_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_source {
    CONFIG_DEFAULT,
    CONFIG_FILE,
    CONFIG_ENVIRONMENT,
    CONFIG_OPTION
};

enum config_setting {
#define X(field, kind, key, fallback, min, max, unit, flags, sentence) CONFIG_##field,
    CONFIG_TABLE(X)
#undef X
    CONFIG_COUNT
};

enum config_log_level {
    CONFIG_LOG_DEBUG,
    CONFIG_LOG_INFO,
    CONFIG_LOG_WARN,
    CONFIG_LOG_ERROR
};

enum config_log_format {
    CONFIG_LOG_TEXT,
    CONFIG_LOG_JSON
};

#define CONFIG_FIELD_STRING   char *
#define CONFIG_FIELD_ADDRESS  char *
#define CONFIG_FIELD_BOOL     bool
#define CONFIG_FIELD_INT      int64_t
#define CONFIG_FIELD_SIZE     int64_t
#define CONFIG_FIELD_DURATION int64_t /* milliseconds */
#define CONFIG_FIELD_ENUM     int64_t /* position among the choices */

struct config {
#define X(field, kind, key, fallback, min, max, unit, flags, sentence) CONFIG_FIELD_##kind field;
    CONFIG_TABLE(X)
#undef X
    uint8_t sources[CONFIG_COUNT]; /* enum config_source of each */
};

/* ---- reading ---- */

struct config_draft; /* opaque */

/* @return owned (config_draft_free). Aborts when there is no memory. */
struct config_draft *config_draft_new(void);
void config_draft_free(struct config_draft *draft); /* NULL is fine */

/* All of these: INVALID_ARGUMENT names source, value and what is allowed. */

/* INI: [section], key = value, ; or # comments. A key that comes twice is refused. */
PL_MUST_CHECK enum parley_code config_read_file(struct config_draft *draft, const char *path,
                                                struct pl_error *err);
/* @param environment  as environ: "NAME=value" strings, NULL at the end. Names that begin with
 * PARLEY_ and are no setting are refused, but for those of the client command and those that
 * Kubernetes makes of services. */
PL_MUST_CHECK enum parley_code
config_read_environment(struct config_draft *draft, char *const *environment, struct pl_error *err);

/* An option of a command that is no setting: "--addresses-file PATH", "--help". */
struct config_extra {
    const char *name;       /* without dashes */
    const char *value_name; /* NULL: a flag */
    const char *sentence;   /* for --help */
    const char **value;     /* where the value goes (borrowed from argv); flags: unused */
    bool *is_given;         /* may be NULL, if it is no flag */
};

/* @param draft  NULL: the command has no settings, only the extras are options.
 * @param argv   argv[0] is skipped; arguments that are no options are refused. `-h` is `--help`. */
PL_MUST_CHECK enum parley_code config_read_arguments(struct config_draft *draft, int argc,
                                                     char **argv, const struct config_extra *extras,
                                                     size_t extra_count, struct pl_error *err);

/* Check what belongs together and make the struct. The draft stays the caller's.
 * @return PARLEY_OK with *config owned (config_free). */
PL_MUST_CHECK enum parley_code config_finish(const struct config_draft *draft,
                                             struct config **config, struct pl_error *err);
void config_free(struct config *config); /* NULL is fine */

/* ---- using ---- */

/* Name of a setting: "tls.cert". Static. */
const char *config_key(enum config_setting setting);
bool config_is_reloadable(enum config_setting setting);
bool config_differs(const struct config *a, const struct config *b, enum config_setting setting);

/* "24h", "90s", "1500" (milliseconds) and so on, for options that are no settings. */
PL_MUST_CHECK enum parley_code config_parse_duration(const char *where, const char *text,
                                                     int64_t min_ms, int64_t max_ms,
                                                     int64_t *duration_ms, struct pl_error *err);

/* The signing key given in auth.key. @return false: none is given. */
bool config_auth_key(const struct config *config, uint8_t *key, size_t key_bytes);

/* ---- telling ---- */

/* Options of all settings, as a part of --help. */
void config_print_help(FILE *out);
void config_print_extras(FILE *out, const struct config_extra *extras, size_t count);
/* A file with every setting commented out at its default. */
void config_print_sample(FILE *out);
/* CONFIG.md. */
void config_print_markdown(FILE *out);
/* Every setting with its value and source; secrets are masked. */
void config_print(FILE *out, const struct config *config);

#endif /* PARLEY_CORE_CONFIG_H */
