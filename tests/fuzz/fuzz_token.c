/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens from strangers: whatever they are, one that is taken has a user and a time to end. */
#include "guard/auth.h"

#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1795573077) /* when the seed was made */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct auth_key key; /* zeros, as for the seed */
    struct auth_identity identity = {.user = ""};
    struct pl_error err = PL_ERROR_INIT;
    enum parley_code code =
        auth_token_verify(&key, (const char *)data, len, NOW_S, &identity, &err);
    bool is_named = identity.user[0] != '\0' && identity.valid_until_s >= NOW_S;
    if (code == PARLEY_OK ? !is_named : err.text[0] == '\0') {
        abort();
    }
    return 0;
}
