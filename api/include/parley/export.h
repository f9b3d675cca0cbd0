/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_EXPORT_H
#define PARLEY_EXPORT_H

/* PARLEY_API marks what libparley exports; all else is hidden. PARLEY_MUST_CHECK marks a result
 * that may not be dropped. */

#if defined(__GNUC__) || defined(__clang__)
#    define PARLEY_API        __attribute__((visibility("default")))
#    define PARLEY_MUST_CHECK __attribute__((warn_unused_result))
#else
#    define PARLEY_API
#    define PARLEY_MUST_CHECK
#endif

#endif /* PARLEY_EXPORT_H */
