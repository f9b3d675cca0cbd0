/* SPDX-License-Identifier: Apache-2.0 */
/* Names; see names.h. */
#include "names.h"

#include "text.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static const char *const keywords[] = {
    "alignas",      "alignof",   "and",           "and_eq",       "asm",
    "auto",         "bitand",    "bitor",         "bool",         "break",
    "case",         "catch",     "char",          "class",        "compl",
    "concept",      "const",     "const_cast",    "constexpr",    "continue",
    "decltype",     "default",   "delete",        "do",           "double",
    "dynamic_cast", "else",      "enum",          "explicit",     "export",
    "extern",       "false",     "float",         "for",          "friend",
    "goto",         "if",        "inline",        "int",          "long",
    "mutable",      "namespace", "new",           "noexcept",     "not",
    "not_eq",       "nullptr",   "operator",      "or",           "or_eq",
    "private",      "protected", "public",        "register",     "reinterpret_cast",
    "requires",     "restrict",  "return",        "short",        "signed",
    "sizeof",       "static",    "static_assert", "static_cast",  "struct",
    "switch",       "template",  "this",          "thread_local", "throw",
    "true",         "try",       "typedef",       "typeid",       "typename",
    "typeof",       "union",     "unsigned",      "using",        "virtual",
    "void",         "volatile",  "wchar_t",       "while",        "xor",
    "xor_eq",
};

char *name_type(const char *full_name)
{
    struct text out = {0};
    bool next_is_upper = true;
    for (const char *p = full_name; *p != '\0'; p++) {
        if (*p == '.') {
            text_add(&out, "__");
            next_is_upper = true;
        } else if (*p == '_') {
            next_is_upper = true;
        } else {
            text_add(&out, "%c", next_is_upper ? toupper((unsigned char)*p) : *p);
            next_is_upper = false;
        }
    }
    return out.data;
}

char *name_lower(const char *full_name)
{
    struct text out = {0};
    bool was_upper = true;
    for (const char *p = full_name; *p != '\0'; p++) {
        if (*p == '.') {
            text_add(&out, "__");
            was_upper = true;
            continue;
        }
        bool is_upper = isupper((unsigned char)*p) != 0;
        text_add(&out, "%s%c", is_upper && !was_upper ? "_" : "", tolower((unsigned char)*p));
        was_upper = is_upper;
    }
    return out.data;
}

static char *identifier(const char *text)
{
    char *out = text_make("%s", text);
    for (char *p = out; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p)) {
            *p = '_';
        }
    }
    return out;
}

char *name_symbol(const char *package, const char *name)
{
    char *joined = package[0] == '\0' ? text_make("%s", name) : text_make("%s_%s", package, name);
    return identifier(joined);
}

char *name_of_file(const char *path)
{
    return identifier(path);
}

char *name_stem(const char *path)
{
    size_t len = strlen(path);
    if (len > 6 && strcmp(path + len - 6, ".proto") == 0) {
        len -= 6;
    }
    return text_make("%.*s", (int)len, path);
}

bool name_is_keyword(const char *name)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (strcmp(keywords[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static size_t identifier_length(const char *name)
{
    return isdigit((unsigned char)name[0])
               ? 0
               : strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

bool name_is_identifier(const char *name)
{
    return name != NULL && name[0] != '\0' && name[identifier_length(name)] == '\0';
}

bool name_is_package(const char *name)
{
    const char *at = name;
    while (*at != '\0') {
        size_t len = identifier_length(at);
        bool goes_on = at[len] == '.' && at[len + 1] != '\0';
        if (len == 0 || (at[len] != '\0' && !goes_on)) {
            return false;
        }
        at += goes_on ? len + 1 : len;
    }
    return true;
}

bool name_is_path(const char *name)
{
    if (name == NULL || name[0] == '\0' || strstr(name, "*/") != NULL ||
        strstr(name, "/*") != NULL) {
        return false;
    }
    for (const char *p = name; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\') {
            return false;
        }
    }
    return true;
}
