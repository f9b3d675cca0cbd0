/* SPDX-License-Identifier: Apache-2.0 */
/* Values as people write them: "4M", "10s", "on", "127.0.0.1:7450". Every refusal names the source,
 * the value (unless it is a secret) and what is allowed. */
#include "base/mem.h"
#include "base/text.h"
#include "core/config_impl.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/un.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* From the largest to the smallest: the first that divides a number formats it. */
static const struct unit size_units[] = {
    {"G", CONFIG_GIB}, {"M", CONFIG_MIB}, {"k", CONFIG_KIB}, {"", 1}};
static const struct unit duration_units[] = {
    {"h", CONFIG_HOUR}, {"m", 60 * CONFIG_SECOND}, {"s", CONFIG_SECOND}, {"ms", 1}, {"", 1}};

bool config_kind_has_text(enum config_kind kind)
{
    return kind == CONFIG_KIND_STRING || kind == CONFIG_KIND_ADDRESS;
}

/* ---- telling ---- */

static void format_with_units(const struct unit *units, size_t count, int64_t number, char *out,
                              size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (number != 0 && number % units[i].factor == 0) {
            (void)pl_text_format(out, size, "%" PRId64 "%s", number / units[i].factor,
                                 units[i].name);
            return;
        }
    }
    (void)pl_text_format(out, size, "%" PRId64, number);
}

/* The choice at `index`; its length in *len. NULL: there are fewer. */
static const char *find_choice(const char *choices, int64_t index, size_t *len)
{
    for (;; index--) {
        *len = strcspn(choices, "|");
        if (index == 0) {
            return choices;
        }
        if (choices[*len] == '\0') {
            return NULL;
        }
        choices += *len + 1;
    }
}

void config_value_format(const struct config_entry *entry, int64_t number, char *out, size_t size)
{
    size_t len = 0;
    const char *choice = NULL;
    switch (entry->kind) {
    case CONFIG_KIND_BOOL:
        (void)pl_text_format(out, size, "%s", number != 0 ? "true" : "false");
        break;
    case CONFIG_KIND_SIZE:
        format_with_units(size_units, PL_COUNT(size_units), number, out, size);
        break;
    case CONFIG_KIND_DURATION:
        format_with_units(duration_units, PL_COUNT(duration_units), number, out, size);
        break;
    case CONFIG_KIND_ENUM:
        choice = find_choice(entry->unit, number, &len);
        (void)pl_text_format(out, size, "%.*s", (int)len, choice != NULL ? choice : "");
        break;
    case CONFIG_KIND_STRING:
    case CONFIG_KIND_ADDRESS:
    case CONFIG_KIND_INT:
        (void)pl_text_format(out, size, "%" PRId64, number);
        break;
    }
}

static void format_choices(const char *choices, char *out, size_t size)
{
    size_t used = 0;
    size_t len = 0;
    out[0] = '\0';
    for (int64_t i = 0;; i++) {
        const char *choice = find_choice(choices, i, &len);
        if (choice == NULL || used >= size) {
            return;
        }
        bool is_last = choice[len] == '\0';
        const char *before = i == 0 ? "" : is_last ? " or " : ", ";
        if (!pl_text_format(out + used, size - used, "%s%.*s", before, (int)len, choice)) {
            return;
        }
        used += strlen(out + used);
    }
}

void config_range_format(const struct config_entry *entry, char *out, size_t size)
{
    char min[32];
    char max[32];
    switch (entry->kind) {
    case CONFIG_KIND_INT:
    case CONFIG_KIND_SIZE:
    case CONFIG_KIND_DURATION:
        config_value_format(entry, entry->min, min, sizeof(min));
        config_value_format(entry, entry->max, max, sizeof(max));
        (void)pl_text_format(out, size, "%s to %s", min, max);
        break;
    case CONFIG_KIND_BOOL:
        (void)pl_text_format(out, size, "true or false");
        break;
    case CONFIG_KIND_ENUM:
        format_choices(entry->unit, out, size);
        break;
    case CONFIG_KIND_STRING:
    case CONFIG_KIND_ADDRESS:
        (void)pl_text_format(out, size, "%s", "");
        break;
    }
}

static enum parley_code refuse(const struct config_entry *entry, const char *where,
                               const char *text, const char *wanted, struct pl_error *err)
{
    if ((entry->flags & CONFIG_SECRET) != 0) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "%s: %s: the value must be %s", where,
                       entry->key, wanted);
    }
    return pl_fail(err, PARLEY_INVALID_ARGUMENT, "%s: %s = \"%.48s\": must be %s", where,
                   entry->key, text, wanted);
}

/* ---- parsing: true if `text` is such a value ---- */

static bool parse_bool(const char *text, int64_t *number)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < PL_COUNT(yes); i++) {
        if (pl_text_equals_nocase(text, yes[i]) || pl_text_equals_nocase(text, no[i])) {
            *number = pl_text_equals_nocase(text, yes[i]) ? 1 : 0;
            return true;
        }
    }
    return false;
}

static bool parse_with_units(const struct unit *units, size_t count, const char *text,
                             int64_t *number)
{
    char digits[24];
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, text, len);
    digits[len] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (pl_text_equals_nocase(text + len, units[i].name)) {
            bool is_number = pl_text_to_i64(digits, 0, INT64_MAX / units[i].factor, number);
            *number *= is_number ? units[i].factor : 0;
            return is_number;
        }
    }
    return false;
}

static bool parse_enum(const char *choices, const char *text, int64_t *number)
{
    size_t len = 0;
    for (*number = 0;; (*number)++) {
        const char *choice = find_choice(choices, *number, &len);
        if (choice == NULL) {
            return false;
        }
        if (strlen(text) == len && memcmp(choice, text, len) == 0) {
            return true;
        }
    }
}

static bool is_address(const char *text)
{
    static const char unix_prefix[] = "unix:";
    if (strncmp(text, unix_prefix, sizeof(unix_prefix) - 1) == 0) {
        const char *path = text + sizeof(unix_prefix) - 1;
        return path[0] == '/' && strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
    }
    char host[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    int64_t port = 0;
    if (colon == NULL || !pl_text_to_i64(colon + 1, 0, 65535, &port)) {
        return false;
    }
    bool is_v6 = text[0] == '[';
    size_t len = (size_t)(colon - text);
    if (is_v6) {
        if (len < 2 || colon[-1] != ']') {
            return false;
        }
        text++;
        len -= 2;
    }
    if (len >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    struct in6_addr address; /* large enough for both */
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, host, &address) == 1;
}

static bool is_plain(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return len <= CONFIG_VALUE_MAX && pl_text_is_utf8(text, len);
}

static enum parley_code parse_text(const struct config_entry *entry, const char *where,
                                   const char *text, struct config_value *value,
                                   struct pl_error *err)
{
    if (!is_plain(text)) {
        return refuse(entry, where, "...", "UTF-8 of at most 4096 bytes without control characters",
                      err);
    }
    if (entry->kind == CONFIG_KIND_ADDRESS && !is_address(text)) {
        return refuse(entry, where, text,
                      "a numeric address and a port as in 127.0.0.1:7450 or [::1]:7450, or "
                      "unix:/path",
                      err);
    }
    value->text = pl_xstrdup(text);
    return PARLEY_OK;
}

enum parley_code config_value_parse(const struct config_entry *entry, const char *where,
                                    const char *text, struct config_value *value,
                                    struct pl_error *err)
{
    char range[96];
    bool is_number = false;
    switch (entry->kind) {
    case CONFIG_KIND_STRING:
    case CONFIG_KIND_ADDRESS:
        return parse_text(entry, where, text, value, err);
    case CONFIG_KIND_BOOL:
        is_number = parse_bool(text, &value->number);
        break;
    case CONFIG_KIND_ENUM:
        is_number = parse_enum(entry->unit, text, &value->number);
        break;
    case CONFIG_KIND_INT:
        is_number = pl_text_to_i64(text, entry->min, entry->max, &value->number);
        break;
    case CONFIG_KIND_SIZE:
        is_number = parse_with_units(size_units, PL_COUNT(size_units), text, &value->number) &&
                    value->number >= entry->min && value->number <= entry->max;
        break;
    case CONFIG_KIND_DURATION:
        is_number =
            parse_with_units(duration_units, PL_COUNT(duration_units), text, &value->number) &&
            value->number >= entry->min && value->number <= entry->max;
        break;
    }
    if (!is_number) {
        char wanted[160];
        config_range_format(entry, range, sizeof(range));
        const char *how = entry->kind == CONFIG_KIND_SIZE       ? " (bytes, or with k, M or G)"
                          : entry->kind == CONFIG_KIND_DURATION ? " (ms, or with s, m or h)"
                                                                : "";
        (void)pl_text_format(wanted, sizeof(wanted), "%s%s", range, how);
        return refuse(entry, where, text, wanted, err);
    }
    return PARLEY_OK;
}

enum parley_code config_parse_duration(const char *where, const char *text, int64_t min_ms,
                                       int64_t max_ms, int64_t *duration_ms, struct pl_error *err)
{
    const struct config_entry entry = {
        .key = "the value", .unit = "", .min = min_ms, .max = max_ms, .kind = CONFIG_KIND_DURATION};
    struct config_value value = {.text = NULL};
    enum parley_code code = config_value_parse(&entry, where, text, &value, err);
    if (code == PARLEY_OK) {
        *duration_ms = value.number;
    }
    return code;
}
