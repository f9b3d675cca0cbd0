/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of services: a hash table of full method paths, written at start and only read
 * afterwards, by all loops, without a lock. */
#include "call/call_impl.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

enum parley_code server_new(parley_server **server, struct pl_error *err)
{
    *server = pl_calloc(1, sizeof(**server));
    if (*server == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a server");
    }
    return PARLEY_OK;
}

void server_free(parley_server *server)
{
    if (server == NULL) {
        return;
    }
    for (size_t i = 0; i < server->table_size; i++) {
        pl_free(server->table[i]);
    }
    pl_free(server->table);
    pl_free(server->services);
    pl_free(server);
}

enum parley_code server_add_interceptor(parley_server *server,
                                        const struct interceptor *interceptor, struct pl_error *err)
{
    if (server->interceptor_count == CALL_INTERCEPTORS_MAX) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "more than %d interceptors",
                       CALL_INTERCEPTORS_MAX);
    }
    server->interceptors[server->interceptor_count++] = *interceptor;
    return PARLEY_OK;
}

void server_seal(parley_server *server)
{
    server->is_sealed = true;
}

void server_set_owner(parley_server *server, void *owner)
{
    server->owner = owner;
}

void *server_owner(const parley_server *server)
{
    return server->owner;
}

size_t server_service_count(const parley_server *server)
{
    return server->service_count;
}

const parley_service *server_service(const parley_server *server, size_t index)
{
    return server->services[index];
}

/* The paths in the table are our own, so a lookup of any path costs the same few steps. */
static struct method_entry **slot_of(struct method_entry **table, size_t table_size,
                                     const char *path, size_t len)
{
    size_t i = (size_t)pl_hash_stable(path, len) & (table_size - 1);
    while (table[i] != NULL &&
           (table[i]->path_len != len || memcmp(table[i]->method->path, path, len) != 0)) {
        i = (i + 1) & (table_size - 1);
    }
    return &table[i];
}

const struct method_entry *server_find(const parley_server *server, const char *path, size_t len)
{
    if (server->table_size == 0) {
        return NULL;
    }
    return *slot_of(server->table, server->table_size, path, len);
}

/* At most a quarter full, so that a miss ends at once. */
static int reserve(parley_server *server, size_t added)
{
    size_t size = server->table_size > 0 ? server->table_size : 16;
    while ((server->method_count + added) * 4 > size) {
        size *= 2;
    }
    if (size == server->table_size) {
        return 0;
    }
    struct method_entry **table = pl_calloc(size, sizeof(struct method_entry *));
    if (table == NULL) {
        return -1;
    }
    for (size_t i = 0; i < server->table_size; i++) {
        struct method_entry *entry = server->table[i];
        if (entry != NULL) {
            *slot_of(table, size, entry->method->path, entry->path_len) = entry;
        }
    }
    pl_free(server->table);
    server->table = table;
    server->table_size = size;
    return 0;
}

static bool is_name_taken(const parley_server *server, const char *name)
{
    for (size_t i = 0; i < server->service_count; i++) {
        if (strcmp(server->services[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static struct method_entry *new_entry(const parley_method *method, const parley_dispatch *dispatch,
                                      const void *handlers, void *service)
{
    struct method_entry *entry = pl_calloc(1, sizeof(*entry));
    if (entry != NULL) {
        entry->method = method;
        entry->path_len = strlen(method->path);
        entry->dispatch = *dispatch;
        entry->handlers = handlers;
        entry->service = service;
    }
    return entry;
}

/* Take back the first `count` methods of a service whose registration failed. The table has no
 * holes to mind: nothing else was added since. */
static void unregister(parley_server *server, const parley_service *description, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        const char *path = description->methods[i - 1].path;
        struct method_entry **slot = slot_of(server->table, server->table_size, path, strlen(path));
        pl_free(*slot);
        *slot = NULL;
        server->method_count--;
    }
}

int parley_server_register(parley_server *server, const parley_service *description,
                           const parley_dispatch *dispatch, const void *handlers, void *service)
{
    if (server->is_sealed || is_name_taken(server, description->name) ||
        reserve(server, description->method_count) != 0) {
        return -1;
    }
    size_t bytes = (server->service_count + 1) * sizeof(const parley_service *);
    const parley_service **services = pl_realloc(server->services, bytes);
    if (services == NULL) {
        return -1;
    }
    server->services = services;
    for (size_t i = 0; i < description->method_count; i++) {
        const parley_method *method = &description->methods[i];
        struct method_entry **slot =
            slot_of(server->table, server->table_size, method->path, strlen(method->path));
        struct method_entry *entry =
            *slot == NULL ? new_entry(method, &dispatch[i], handlers, service) : NULL;
        if (entry == NULL) {
            unregister(server, description, i);
            return -1;
        }
        *slot = entry;
        server->method_count++;
    }
    server->services[server->service_count++] = description;
    return 0;
}
