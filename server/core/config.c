/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts and finished configurations: which source wins, what belongs together. Knows no syntax;
 * see config_value.c, config_file.c, config_environment.c and config_arguments.c. */
#include "core/config.h"

#include "base/mem.h"
#include "base/text.h"
#include "core/config_impl.h"

#include <ctype.h>
#include <string.h>

#define RETENTION_EVERY_MIN_MS 100

const struct config_entry config_entries[CONFIG_COUNT] = {
#define X(field, kind_, key_, fallback_, min_, max_, unit_, flags_, sentence_)                     \
    {.key = (key_),                                                                                \
     .fallback = (fallback_),                                                                      \
     .unit = (unit_),                                                                              \
     .sentence = (sentence_),                                                                      \
     .min = (min_),                                                                                \
     .max = (max_),                                                                                \
     .offset = offsetof(struct config, field),                                                     \
     .kind = CONFIG_KIND_##kind_,                                                                  \
     .flags = (flags_)},
    CONFIG_TABLE(X)
#undef X
};

/* ---- names ---- */

void config_option_name(const char *key, char out[CONFIG_NAME_MAX])
{
    size_t len = 0;
    for (; len < CONFIG_NAME_MAX - 1 && key[len] != '\0'; len++) {
        out[len] = key[len] == '.' || key[len] == '_' ? '-' : key[len];
    }
    out[len] = '\0';
}

void config_environment_name(const char *key, char out[CONFIG_NAME_MAX])
{
    static const char prefix[] = "PARLEY_";
    size_t len = sizeof(prefix) - 1;
    memcpy(out, prefix, len);
    for (; *key != '\0' && len < CONFIG_NAME_MAX - 1; key++, len++) {
        out[len] = *key == '.' ? '_' : (char)toupper((unsigned char)*key);
    }
    out[len] = '\0';
}

void config_nearest(const char *wrong, void (*spell)(const char *key, char out[CONFIG_NAME_MAX]),
                    char out[CONFIG_NAME_MAX])
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        char name[CONFIG_NAME_MAX];
        if (spell != NULL) {
            spell(config_entries[i].key, name);
        } else {
            (void)pl_text_format(name, sizeof(name), "%s", config_entries[i].key);
        }
        size_t distance = pl_text_distance(wrong, name);
        if (distance < best) {
            best = distance;
            memcpy(out, name, sizeof(name));
        }
    }
}

/* ---- drafts ---- */

struct config_draft *config_draft_new(void)
{
    struct config_draft *draft = pl_xcalloc(1, sizeof(*draft));
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        struct pl_error err;
        if (config_draft_set(draft, i, CONFIG_DEFAULT, "the table", config_entries[i].fallback,
                             &err) != PARLEY_OK) {
            /* A default that is wrong is caught by the first test that runs; it cannot depend on
             * anything outside of the program. */
            (void)fprintf(stderr, "%s\n", err.text);
        }
    }
    return draft;
}

void config_draft_free(struct config_draft *draft)
{
    if (draft == NULL) {
        return;
    }
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        pl_free(draft->values[i].text);
    }
    pl_free(draft);
}

enum parley_code config_draft_set(struct config_draft *draft, size_t setting,
                                  enum config_source source, const char *where, const char *text,
                                  struct pl_error *err)
{
    struct config_value *current = &draft->values[setting];
    struct config_value value = {.source = source};
    enum parley_code code = config_value_parse(&config_entries[setting], where, text, &value, err);
    if (code != PARLEY_OK) {
        return code;
    }
    if (source < current->source) {
        pl_free(value.text);
        return PARLEY_OK;
    }
    pl_free(current->text);
    *current = value;
    return PARLEY_OK;
}

/* ---- finished ---- */

static enum parley_code check(const struct config *config, struct pl_error *err)
{
    if ((config->tls_cert[0] == '\0') != (config->tls_key[0] == '\0')) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                       "tls.cert and tls.key belong together: %s is missing",
                       config->tls_cert[0] == '\0' ? "tls.cert" : "tls.key");
    }
    if (config->tls_client_ca[0] != '\0' && config->tls_cert[0] == '\0') {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                       "tls.client_ca needs TLS: give tls.cert and tls.key");
    }
    if (config->auth_key[0] != '\0' && !config_auth_key(config, NULL, 32)) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "auth.key must be 64 hexadecimal digits");
    }
    if (config->auth_key[0] != '\0' && config->auth_key_dir[0] != '\0') {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "give auth.key or auth.key_dir, not both");
    }
    if (config->data[0] == '\0') {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "data must name a folder");
    }
    if (config->retention_every_ms != 0 && config->retention_every_ms < RETENTION_EVERY_MIN_MS) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT,
                       "retention.every_ms must be 0 or at least %dms", RETENTION_EVERY_MIN_MS);
    }
    return PARLEY_OK;
}

static void *field_at(struct config *config, const struct config_entry *entry)
{
    return (char *)config + entry->offset;
}

static const void *field_of(const struct config *config, const struct config_entry *entry)
{
    return (const char *)config + entry->offset;
}

enum parley_code config_finish(const struct config_draft *draft, struct config **out,
                               struct pl_error *err)
{
    struct config *config = pl_xcalloc(1, sizeof(*config));
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_entry *entry = &config_entries[i];
        const struct config_value *value = &draft->values[i];
        void *field = field_at(config, entry);
        config->sources[i] = (uint8_t)value->source;
        if (config_kind_has_text(entry->kind)) {
            char *text = pl_xstrdup(value->text);
            memcpy(field, &text, sizeof(text));
        } else if (entry->kind == CONFIG_KIND_BOOL) {
            bool is_set = value->number != 0;
            memcpy(field, &is_set, sizeof(is_set));
        } else {
            memcpy(field, &value->number, sizeof(value->number));
        }
    }
    enum parley_code code = check(config, err);
    if (code != PARLEY_OK) {
        config_free(config);
        return code;
    }
    *out = config;
    return PARLEY_OK;
}

static char *get_text(const struct config *config, const struct config_entry *entry)
{
    char *text = NULL;
    memcpy(&text, field_of(config, entry), sizeof(text));
    return text;
}

static int64_t get_number(const struct config *config, const struct config_entry *entry)
{
    if (entry->kind == CONFIG_KIND_BOOL) {
        bool is_set = false;
        memcpy(&is_set, field_of(config, entry), sizeof(is_set));
        return is_set ? 1 : 0;
    }
    int64_t number = 0;
    memcpy(&number, field_of(config, entry), sizeof(number));
    return number;
}

void config_free(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        if (config_kind_has_text(config_entries[i].kind)) {
            pl_free(get_text(config, &config_entries[i]));
        }
    }
    pl_free(config);
}

const char *config_key(enum config_setting setting)
{
    return config_entries[setting].key;
}

bool config_is_reloadable(enum config_setting setting)
{
    return (config_entries[setting].flags & CONFIG_RELOAD) != 0;
}

bool config_differs(const struct config *a, const struct config *b, enum config_setting setting)
{
    const struct config_entry *entry = &config_entries[setting];
    if (config_kind_has_text(entry->kind)) {
        return strcmp(get_text(a, entry), get_text(b, entry)) != 0;
    }
    return get_number(a, entry) != get_number(b, entry);
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    int lower = tolower((unsigned char)digit);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool config_auth_key(const struct config *config, uint8_t *key, size_t key_bytes)
{
    const char *text = config->auth_key;
    if (strlen(text) != 2 * key_bytes) {
        return false;
    }
    for (size_t i = 0; i < key_bytes; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        if (key != NULL) {
            key[i] = (uint8_t)(high * 16 + low);
        }
    }
    return true;
}

void config_print(FILE *out, const struct config *config)
{
    static const char *const sources[] = {"default", "file", "environment", "option"};
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_entry *entry = &config_entries[i];
        char text[64];
        const char *value = text;
        if (config_kind_has_text(entry->kind)) {
            value = get_text(config, entry);
            if ((entry->flags & CONFIG_SECRET) != 0 && value[0] != '\0') {
                value = "********";
            }
        } else {
            config_value_format(entry, get_number(config, entry), text, sizeof(text));
        }
        (void)fprintf(out, "%-32s %-24s (%s)\n", entry->key, value, sources[config->sources[i]]);
    }
}
