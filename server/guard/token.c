/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: JWTs made and checked by libjwt. What a token claims about its own algorithm is never
 * believed: the key is for HS256 and nothing else. Thread: any. */
#include "guard/auth.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#define ABSENT      (-1) /* instead of a time */
#define STACK_BYTES 32768

enum parley_code auth_token_make(const struct auth_key *key, const char *user, int64_t ttl_s,
                                 char **token, struct pl_error *err)
{
    if (!pl_id_is_valid(user, strlen(user))) {
        return pl_fail_field(err, "user", "not a user id: 1 to 64 of A-Z a-z 0-9 . _ ~ : -");
    }
    int64_t now_s = pl_clock_wall_ms() / 1000;
    if (ttl_s < 1 || ttl_s > INT64_MAX / 2 - now_s) {
        return pl_fail_field(err, "ttl", "a token lives for a second at least");
    }
    jwt_t *jwt = NULL;
    char *encoded = NULL;
    if (jwt_new(&jwt) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_HS256, key->bytes, (int)sizeof(key->bytes)) == 0 &&
        jwt_add_grant(jwt, "sub", user) == 0 && jwt_add_grant_int(jwt, "iat", (long)now_s) == 0 &&
        jwt_add_grant_int(jwt, "exp", (long)(now_s + ttl_s)) == 0) {
        encoded = jwt_encode_str(jwt);
    }
    jwt_free(jwt);
    *token = encoded != NULL ? pl_strdup(encoded) : NULL;
    free(encoded); /* libjwt's own, from the C library */
    return *token != NULL ? PARLEY_OK
                          : pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a token");
}

static enum parley_code refuse(struct pl_error *err, const char *text)
{
    return pl_fail(err, PARLEY_UNAUTHENTICATED, "%s", text);
}

/* As text, since libjwt reads 0 from what is no number: a time that is a string or a fraction must
 * not pass for the beginning of time. */
static enum parley_code get_time(jwt_t *jwt, const char *name, int64_t *time_s,
                                 struct pl_error *err)
{
    char *json = jwt_get_grants_json(jwt, name);
    if (json == NULL) {
        *time_s = ABSENT;
        return PARLEY_OK;
    }
    bool is_time = pl_text_to_i64(json, 0, INT64_MAX, time_s);
    free(json); /* libjwt's own */
    return is_time ? PARLEY_OK : refuse(err, "a time in the token is not a whole number");
}

static enum parley_code check_times(jwt_t *jwt, int64_t now_s, int64_t *valid_until_s,
                                    struct pl_error *err)
{
    int64_t expires_s = ABSENT;
    int64_t begins_s = ABSENT;
    enum parley_code code = get_time(jwt, "exp", &expires_s, err);
    if (code == PARLEY_OK) {
        code = get_time(jwt, "nbf", &begins_s, err);
    }
    if (code != PARLEY_OK) {
        return code;
    }
    if (expires_s == ABSENT) {
        return refuse(err, "the token has no expiry (exp)");
    }
    int64_t until_s =
        expires_s < INT64_MAX - AUTH_LEEWAY_SECONDS ? expires_s + AUTH_LEEWAY_SECONDS : INT64_MAX;
    if (now_s >= until_s) {
        return refuse(err, "the token has expired");
    }
    if (begins_s != ABSENT && begins_s - AUTH_LEEWAY_SECONDS > now_s) {
        return refuse(err, "the token is not valid yet (nbf)");
    }
    *valid_until_s = until_s;
    return PARLEY_OK;
}

static enum parley_code read_claims(jwt_t *jwt, int64_t now_s, struct auth_identity *identity,
                                    struct pl_error *err)
{
    if (jwt_get_alg(jwt) != JWT_ALG_HS256) {
        return refuse(err, "the token is not signed with HS256");
    }
    const char *user = jwt_get_grant(jwt, "sub");
    size_t user_len = user != NULL ? strlen(user) : 0;
    if (user == NULL || !pl_id_is_valid(user, user_len)) {
        return refuse(err, "the token's sub is not a user id");
    }
    enum parley_code code = check_times(jwt, now_s, &identity->valid_until_s, err);
    if (code == PARLEY_OK) {
        memcpy(identity->user, user, user_len + 1);
    }
    return code;
}

/* libjwt and OpenSSL leave tokens and the key on the stack that they used. */
__attribute__((noinline)) static void wipe_stack_below(void)
{
    char room[STACK_BYTES];
    explicit_bzero(room, sizeof(room));
}

enum parley_code auth_token_verify(const struct auth_key *key, const char *token, size_t len,
                                   int64_t now_s, struct auth_identity *identity,
                                   struct pl_error *err)
{
    char text[AUTH_TOKEN_MAX + 1];
    if (len > AUTH_TOKEN_MAX) {
        return refuse(err, "the token is too long");
    }
    if (memchr(token, '\0', len) != NULL) {
        return refuse(err, "the token is malformed or not signed by this server");
    }
    memcpy(text, token, len);
    text[len] = '\0';
    jwt_t *jwt = NULL;
    int rv = jwt_decode(&jwt, text, key->bytes, (int)sizeof(key->bytes));
    explicit_bzero(text, len);
    wipe_stack_below();
    if (rv != 0 || jwt == NULL) {
        return rv == ENOMEM ? pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory")
                            : refuse(err, "the token is malformed or not signed by this server");
    }
    enum parley_code code = read_claims(jwt, now_s, identity, err);
    jwt_free(jwt);
    return code;
}
