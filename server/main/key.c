/* SPDX-License-Identifier: Apache-2.0 */
/* Where the signing key is; see key.h. */
#include "main/key.h"

#include <errno.h>
#include <sys/stat.h>

enum parley_code key_get(const struct config *config, struct auth_key *key, struct pl_error *err)
{
    if (config_auth_key(config, key->bytes, sizeof(key->bytes))) {
        return PARLEY_OK;
    }
    if (config->auth_key_dir[0] != '\0') {
        return auth_key_load(config->auth_key_dir, key, err);
    }
    if (mkdir(config->data, 0700) != 0 && errno != EEXIST) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot make the folder %.120s",
                             config->data);
    }
    return auth_key_load_or_make(config->data, key, err);
}
