/* SPDX-License-Identifier: Apache-2.0 */
/* From what HTTP says to what gRPC says, when a server or a proxy in between gave no grpc-status.
 */
#include "wire/status.h"

#include <nghttp2/nghttp2.h>

/* S7, as the official clients do it. */
enum parley_code pl_status_from_http(int http_status)
{
    switch (http_status) {
    case 400:
        return PARLEY_INTERNAL;
    case 401:
        return PARLEY_UNAUTHENTICATED;
    case 403:
        return PARLEY_PERMISSION_DENIED;
    case 404:
        return PARLEY_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return PARLEY_UNAVAILABLE;
    default:
        return PARLEY_UNKNOWN;
    }
}

/* S8. */
enum parley_code pl_status_from_h2(uint32_t h2_error)
{
    switch (h2_error) {
    case NGHTTP2_REFUSED_STREAM:
        return PARLEY_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return PARLEY_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return PARLEY_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return PARLEY_PERMISSION_DENIED;
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_PROTOCOL_ERROR:
    case NGHTTP2_INTERNAL_ERROR:
    case NGHTTP2_FLOW_CONTROL_ERROR:
    case NGHTTP2_SETTINGS_TIMEOUT:
    case NGHTTP2_STREAM_CLOSED:
    case NGHTTP2_FRAME_SIZE_ERROR:
    case NGHTTP2_COMPRESSION_ERROR:
    case NGHTTP2_CONNECT_ERROR:
    case NGHTTP2_HTTP_1_1_REQUIRED:
        return PARLEY_INTERNAL;
    default:
        return PARLEY_UNKNOWN;
    }
}
