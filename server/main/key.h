/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_KEY_H
#define PARLEY_MAIN_KEY_H

/* The key that signs tokens, from wherever the settings say that it is. @thread start */

#include "core/config.h"
#include "guard/auth.h"

/* auth.key, or the file in auth.key_dir, or the one of the data folder, which is made with the
 * folder if it is missing. */
PL_MUST_CHECK enum parley_code key_get(const struct config *config, struct auth_key *key,
                                       struct pl_error *err);

#endif /* PARLEY_MAIN_KEY_H */
