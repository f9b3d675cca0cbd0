/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_HASH_H
#define PARLEY_BASE_HASH_H

/* Two hashes with two purposes. @thread any */

#include <stddef.h>
#include <stdint.h>

/* SipHash-1-3 (Aumasson and Bernstein) with a random key made once per process: for tables in
 * memory whose keys a peer chooses. Differs from run to run. */
uint64_t pl_hash_keyed(const void *data, size_t len);

/* The same with a key of the caller's. */
uint64_t pl_hash_siphash(const uint64_t key[2], const void *data, size_t len);

/* FNV-1a, 64 bits, finished by a mixing step: stable for ever and on every machine, since where a
 * conversation is stored depends on it. Never change it. */
uint64_t pl_hash_stable(const void *data, size_t len);

#endif /* PARLEY_BASE_HASH_H */
