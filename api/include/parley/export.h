/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_EXPORT_H
#define PARLEY_EXPORT_H

/* PARLEY_API marks what libparley exports; all else is hidden. PARLEY_MUST_CHECK marks a result
 * that may not be dropped, PARLEY_DEPRECATED what the .proto calls deprecated. */

#if defined(__GNUC__) || defined(__clang__)
#    define PARLEY_API        __attribute__((visibility("default")))
#    define PARLEY_MUST_CHECK __attribute__((warn_unused_result))
#    define PARLEY_DEPRECATED __attribute__((deprecated))
#else
#    define PARLEY_API
#    define PARLEY_MUST_CHECK
#    define PARLEY_DEPRECATED
#endif

#endif /* PARLEY_EXPORT_H */
