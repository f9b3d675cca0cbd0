/* SPDX-License-Identifier: Apache-2.0 */
/* What people read about settings, made of the table: --help, the sample file, CONFIG.md. */
#include "base/text.h"
#include "core/config_impl.h"

#include <string.h>

#define LINE_MAX_COLUMNS 96

/* Print `text` in lines of at most LINE_MAX_COLUMNS, each behind `indent`. */
static void print_wrapped(FILE *out, const char *indent, const char *text)
{
    size_t room = LINE_MAX_COLUMNS - strlen(indent);
    while (*text != '\0') {
        size_t len = strlen(text);
        if (len > room) {
            size_t cut = room;
            while (cut > 0 && text[cut] != ' ') {
                cut--;
            }
            len = cut > 0 ? cut : room;
        }
        (void)fprintf(out, "%s%.*s\n", indent, (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
}

static const char *get_value_name(const struct config_entry *entry)
{
    switch (entry->kind) {
    case CONFIG_KIND_ADDRESS:
        return "ADDRESS";
    case CONFIG_KIND_BOOL:
        return "BOOL";
    case CONFIG_KIND_INT:
        return "NUMBER";
    case CONFIG_KIND_SIZE:
        return "SIZE";
    case CONFIG_KIND_DURATION:
        return "TIME";
    case CONFIG_KIND_ENUM:
        return entry->unit;
    case CONFIG_KIND_STRING:
        break;
    }
    return "TEXT";
}

/* "Default 4M; 128k to 64M." and what else a line of help can say. */
static void format_facts(const struct config_entry *entry, char *out, size_t size)
{
    char range[96];
    config_range_format(entry, range, sizeof(range));
    const char *unit = entry->kind == CONFIG_KIND_INT ? entry->unit : "";
    (void)pl_text_format(out, size, "Default %s%s%s%s%s.%s",
                         entry->fallback[0] != '\0' ? entry->fallback : "empty",
                         range[0] != '\0' ? "; " : "", range, unit[0] != '\0' ? " " : "", unit,
                         (entry->flags & CONFIG_RELOAD) != 0 ? " Reloaded on SIGHUP." : "");
}

void config_print_help(FILE *out)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_entry *entry = &config_entries[i];
        char name[CONFIG_NAME_MAX];
        char facts[256];
        if ((entry->flags & CONFIG_SECRET) != 0) {
            continue;
        }
        config_option_name(entry->key, name);
        format_facts(entry, facts, sizeof(facts));
        if (entry->kind == CONFIG_KIND_BOOL) {
            (void)fprintf(out, "  --%s[=BOOL]\n", name);
        } else {
            (void)fprintf(out, "  --%s %s\n", name, get_value_name(entry));
        }
        print_wrapped(out, "        ", entry->sentence);
        print_wrapped(out, "        ", facts);
    }
}

void config_print_extras(FILE *out, const struct config_extra *extras, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value_name = extras[i].value_name;
        (void)fprintf(out, "  %s--%s%s%s\n", strcmp(extras[i].name, "help") == 0 ? "-h, " : "",
                      extras[i].name, value_name != NULL ? " " : "",
                      value_name != NULL ? value_name : "");
        print_wrapped(out, "        ", extras[i].sentence);
    }
}

/* The part of a key before the dot: its length, or 0. */
static size_t get_section_len(const char *key)
{
    const char *dot = strchr(key, '.');
    return dot != NULL ? (size_t)(dot - key) : 0;
}

static bool is_same_section(const char *a, const char *b)
{
    size_t len = get_section_len(a);
    return len == get_section_len(b) && strncmp(a, b, len) == 0;
}

void config_print_sample(FILE *out)
{
    (void)fprintf(out, "# Settings of parleyd, each at its default. The environment "
                       "(PARLEY_TLS_CERT)\n# and options (--tls-cert) win over this file.\n");
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_entry *entry = &config_entries[i];
        size_t section_len = get_section_len(entry->key);
        char facts[256];
        if (section_len != 0 && !is_same_section(entry->key, config_entries[i - 1].key)) {
            (void)fprintf(out, "\n[%.*s]\n", (int)section_len, entry->key);
        }
        format_facts(entry, facts, sizeof(facts));
        (void)fprintf(out, "\n");
        print_wrapped(out, "# ", entry->sentence);
        print_wrapped(out, "# ", facts);
        (void)fprintf(out, "#%s = %s\n", entry->key + section_len + (section_len != 0 ? 1 : 0),
                      entry->fallback);
    }
}

/* A cell of a table, in which | would end it. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        (void)fprintf(out, "%s%c", *text == '|' ? "\\" : "", *text);
    }
}

void config_print_markdown(FILE *out)
{
    (void)fprintf(
        out,
        "# Settings of parleyd\n"
        "\n"
        "Made by `parleyd check-config --markdown` from `server/core/config_table.h`; do not "
        "edit.\n"
        "\n"
        "A setting is given in a file (`--config FILE` or `PARLEY_CONFIG`; INI: `cert = ...` under "
        "`[tls]`), in the\n"
        "environment (`PARLEY_TLS_CERT`) or as an option (`--tls-cert`). Options win over the "
        "environment, the environment\n"
        "over the file. Sizes are bytes, or have a `k`, `M` or `G` (powers of 1024); times are "
        "milliseconds, or have\n"
        "an `ms`, `s`, `m` or `h`. What is unknown is refused. `parleyd check-config` shows what "
        "is in force;\n"
        "`parleyd check-config --sample` prints a file to start from.\n"
        "\n"
        "| setting | type | default | allowed | reload | meaning |\n"
        "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        static const char *const kinds[] = {"text", "address", "bool",  "number",
                                            "size", "time",    "choice"};
        const struct config_entry *entry = &config_entries[i];
        char range[96];
        config_range_format(entry, range, sizeof(range));
        (void)fprintf(out, "| `%s` | %s | %s%s%s | ", entry->key,
                      (entry->flags & CONFIG_SECRET) != 0 ? "secret (no option)"
                                                          : kinds[entry->kind],
                      entry->fallback[0] != '\0' ? "`" : "", entry->fallback,
                      entry->fallback[0] != '\0' ? "`" : "");
        print_cell(out, range);
        (void)fprintf(out, "%s%s | %s | ", entry->kind == CONFIG_KIND_INT ? " " : "",
                      entry->kind == CONFIG_KIND_INT ? entry->unit : "",
                      (entry->flags & CONFIG_RELOAD) != 0 ? "SIGHUP" : "");
        print_cell(out, entry->sentence);
        (void)fprintf(out, " |\n");
    }
}
