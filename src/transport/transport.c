/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/transport.h"

#include <stdio.h>
#include <string.h>

#include "transport/transport-int.h"

#define MODES       "file:nbdssl:nbd"
#define LEAST_MODES "nbdssl" /* where a list names nothing that is known */

static const struct vd_transport *const registry[] = {
    &vd_transport_file,
    &vd_transport_nbdssl,
    &vd_transport_nbd,
};

const char *vd_transport_modes(void)
{
    return MODES;
}

/* What came of those that were tried, for one sentence. */
struct story {
    int code; /* of the first failure */
    unsigned tried;
    char text[VD_ERROR_TEXT_BYTES];
};

static void story_add(struct story *story, const char *name, const char *why)
{
    size_t length = strlen(story->text);
    (void)snprintf(story->text + length, sizeof story->text - length, "%s%s: %s",
                   length ? "; " : "", name, why); /* a long one is cut */
}

/* The next name of a list, and the list behind it. */
static bool next_name(const char **list, const char **ret, size_t *ret_length)
{
    *list += strspn(*list, ":");
    *ret = *list;
    *ret_length = strcspn(*list, ":");
    *list += *ret_length;
    return *ret_length > 0;
}

static const struct vd_transport *find(const struct vd_transports *transports, const char *name,
                                       size_t length)
{
    for (size_t i = 0; i < transports->count; i++) {
        const struct vd_transport *transport = transports->all[i];
        if (strlen(transport->name) == length && memcmp(transport->name, name, length) == 0)
            return transport;
    }
    return NULL;
}

static bool knows_any(const struct vd_transports *transports, const char *list)
{
    const char *name;
    size_t length;
    while (next_name(&list, &name, &length))
        if (find(transports, name, length))
            return true;
    return false;
}

static const char *list_of(const struct vd_transports *transports,
                           const struct vd_transport_request *request)
{
    const char *modes = request->place->modes;
    if (!modes || modes[0] == '\0')
        return MODES;
    if (knows_any(transports, modes))
        return modes;
    vd_log(request->log, VD_LOG_INFO,
           "VixDiskLib: none of the transports '%s' is known here, " LEAST_MODES " is tried",
           modes);
    return LEAST_MODES;
}

/* Might another way do better? */
static bool is_about_the_way(int code)
{
    static const int codes[] = {VD_E_FAIL,      VD_E_NOT_SUPPORTED, VD_E_IO,       VD_E_NO_MEMORY,
                                VD_E_TLS,       VD_E_HOST_UNKNOWN,  VD_E_REFUSED,  VD_E_UNREACHABLE,
                                VD_E_TIMED_OUT, VD_E_DISCONNECTED,  VD_E_PROTOCOL, VD_E_DISABLED};
    for (size_t i = 0; i < VD_ARRAY_SIZE(codes); i++)
        if (code != VD_E_CERTIFICATE && vd_error_is(code, codes[i]))
            return true;
    return false;
}

/* The result, or 1: try the next. */
static int try_one(const struct vd_transport *transport, const struct vd_transport_request *request,
                   struct story *story, struct vd_disk **ret)
{
    struct vd_error why = VD_ERROR_INIT;
    int r = transport->open(request, ret, &why);
    if (r == VD_OK)
        return VD_OK;
    if (story->tried++ == 0) {
        story->code = r;
        story->text[0] = '\0'; /* that others cannot be used is no news then */
    }
    story_add(story, transport->name, vd_error_message(&why, r));
    return is_about_the_way(r) ? 1 : r;
}

static int tell(const struct vd_transport_request *request, const struct story *story,
                struct vd_error *err)
{
    if (story->tried == 0)
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "opening '%s': no transport can be used: %s",
                            request->path ? request->path : "", story->text);
    return vd_error_set(err, story->code, "%s", story->text);
}

int vd_transport_walk(const struct vd_transports *transports,
                      const struct vd_transport_request *request, struct vd_disk **ret,
                      struct vd_error *err)
{
    struct story story = {0};
    const char *list = list_of(transports, request);
    const char *name, *why;
    size_t length;
    int r = 1;
    while (r == 1 && next_name(&list, &name, &length)) {
        const struct vd_transport *transport = find(transports, name, length);
        if (!transport)
            vd_log(request->log, VD_LOG_INFO,
                   "VixDiskLib: the transport '%.*s' is not known here, and passed over",
                   (int)VD_MIN(length, (size_t)64), name);
        else if (transport->usable(request, &why))
            r = try_one(transport, request, &story, ret);
        else if (story.tried == 0)
            story_add(&story, transport->name, why);
    }
    if (r != VD_OK)
        return tell(request, &story, err);
    if (story.tried)
        vd_log(request->log, VD_LOG_INFO, "VixDiskLib: opened another way, because of %s",
               story.text);
    return VD_OK;
}

int vd_transport_open(const struct vd_transport_request *request, struct vd_disk **ret,
                      struct vd_error *err)
{
    if (!request->place->session)
        return vd_transport_file.open(request, ret, err);
    const struct vd_transports transports = {registry, VD_ARRAY_SIZE(registry)};
    return vd_transport_walk(&transports, request, ret, err);
}
