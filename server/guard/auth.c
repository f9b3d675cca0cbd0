/* SPDX-License-Identifier: Apache-2.0 */
/* The interceptor that finds out who calls. Thread: the call's loop; each loop has a cache of its
 * own, so nothing is locked. A token is never logged. */
#include "guard/auth.h"

#include "base/clock.h"
#include "base/mem.h"
#include "guard/token_cache.h"

#include <string.h>
#include <strings.h>

#define CACHE_MAX_DEFAULT 4096

struct auth {
    struct auth_key key;
    unsigned loop_count;
    struct token_cache *caches[]; /* one per loop */
};

/* What probes and tools call before they have a token. */
static bool is_open_to_all(const char *service)
{
    static const char *const services[] = {"grpc.health.v1.Health",
                                           "grpc.reflection.v1.ServerReflection",
                                           "grpc.reflection.v1alpha.ServerReflection"};
    if (strncmp(service, "grpc.", 5) != 0) {
        return false;
    }
    for (size_t i = 0; i < PL_COUNT(services); i++) {
        if (strcmp(service, services[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* RFC 6750: "Bearer", in any case, one space or more. @return NULL: something else. */
static const char *find_token(const char *value, size_t *len)
{
    static const char scheme[] = "Bearer ";
    const size_t scheme_len = sizeof(scheme) - 1;
    if (*len <= scheme_len || strncasecmp(value, scheme, scheme_len) != 0) {
        return NULL;
    }
    value += scheme_len;
    *len -= scheme_len;
    while (*len > 0 && *value == ' ') {
        value++;
        (*len)--;
    }
    return *len > 0 ? value : NULL;
}

static enum parley_code identify(struct auth *auth, parley_server_call *call, const char *token,
                                 size_t len, struct pl_error *err)
{
    struct token_cache *cache = auth->caches[call_loop_index(call) % auth->loop_count];
    int64_t now_s = pl_clock_wall_ms() / 1000;
    struct auth_identity verified;
    const struct auth_identity *identity = token_cache_find(cache, token, len, now_s);
    if (identity == NULL) {
        enum parley_code code = auth_token_verify(&auth->key, token, len, now_s, &verified, err);
        if (code != PARLEY_OK) {
            return code;
        }
        token_cache_put(cache, token, len, &verified);
        identity = &verified;
    }
    if (call_set_identity(call, identity->user) != 0) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    return PARLEY_OK;
}

static enum parley_code on_open(void *context, parley_server_call *call, struct pl_error *err)
{
    if (is_open_to_all(parley_server_call_method(call)->service)) {
        return PARLEY_OK;
    }
    size_t len = 0;
    const char *value =
        parley_metadata_find(parley_server_call_metadata(call), "authorization", &len);
    if (value == NULL) {
        return pl_fail(err, PARLEY_UNAUTHENTICATED,
                       "no token: send the metadata \"authorization: Bearer TOKEN\"; "
                       "`parleyd token --user NAME` makes a token");
    }
    const char *token = find_token(value, &len);
    if (token == NULL) {
        return pl_fail(err, PARLEY_UNAUTHENTICATED,
                       "the metadata \"authorization\" is not of the form \"Bearer TOKEN\"");
    }
    return identify(context, call, token, len, err);
}

enum parley_code auth_new(const struct auth_key *key, unsigned loop_count, size_t cache_max,
                          struct auth **auth, struct pl_error *err)
{
    unsigned count = loop_count > 0 ? loop_count : 1;
    struct auth *made = pl_calloc(1, sizeof(*made) + count * sizeof(struct token_cache *));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for authentication");
    }
    made->key = *key;
    made->loop_count = count;
    for (unsigned i = 0; i < count; i++) {
        made->caches[i] = token_cache_new(cache_max > 0 ? cache_max : CACHE_MAX_DEFAULT);
        if (made->caches[i] == NULL) {
            auth_free(made);
            return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for authentication");
        }
    }
    *auth = made;
    return PARLEY_OK;
}

void auth_free(struct auth *auth)
{
    if (auth == NULL) {
        return;
    }
    for (unsigned i = 0; i < auth->loop_count; i++) {
        token_cache_free(auth->caches[i]);
    }
    auth_key_wipe(&auth->key);
    pl_free(auth);
}

struct interceptor auth_interceptor(struct auth *auth)
{
    return (struct interceptor){.on_open = on_open, .context = auth};
}
