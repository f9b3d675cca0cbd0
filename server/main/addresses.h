/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MAIN_ADDRESSES_H
#define PARLEY_MAIN_ADDRESSES_H

/* Where the server may listen, and how others learn where it does. @thread start */

#include "core/config.h"

/* INVALID_ARGUMENT: an address reaches beyond this machine, and there is neither TLS nor
 * `insecure`. */
PL_MUST_CHECK enum parley_code addresses_check(const struct config *config, struct pl_error *err);

/* UNAVAILABLE: another process listens there. The listeners themselves share their port
 * (SO_REUSEPORT) and would not notice that they share it with a stranger. */
PL_MUST_CHECK enum parley_code addresses_check_free(const char *address, struct pl_error *err);

/* Put "listen=ADDRESS" and "admin=ADDRESS" into a file, which appears whole or not at all. */
PL_MUST_CHECK enum parley_code addresses_write(const char *path, const char *listen,
                                               const char *admin, struct pl_error *err);

#endif /* PARLEY_MAIN_ADDRESSES_H */
