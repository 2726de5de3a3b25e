/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version of the interface is spoken: the highest the server offers, up to 8.0.3.0. Servers
 * of 9 offer older ones too, and answer those as they always did.
 */
#include <stdio.h>
#include <string.h>

#include "vsphere/vsphere-int.h"

#define PARTS          4
#define MAX_LIST_BYTES (1u << 20)
#define OLDEST         "5.5" /* what is spoken where a server has no list */
static const unsigned KNOWN_OLDEST[PARTS] = {5, 5, 0, 0};
static const unsigned KNOWN_NEWEST[PARTS] = {8, 0, 3, 0};

/* "8.0.2.0"; internal ones ("uA046D008") are not taken. */
static bool version_parse(const char *text, unsigned ret[PARTS])
{
    for (int i = 0; i < PARTS; i++)
        ret[i] = 0;
    for (int i = 0; i < PARTS; i++) {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 4)
            return false;
        for (size_t d = 0; d < digits; d++)
            ret[i] = ret[i] * 10u + (unsigned)(text[d] - '0');
        text += digits;
        if (*text == '\0')
            return true;
        if (*text++ != '.')
            return false;
    }
    return false;
}

static int compare(const unsigned a[PARTS], const unsigned b[PARTS])
{
    for (int i = 0; i < PARTS; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

struct choice {
    char text[32];
    unsigned best[PARTS];
    char too_new[32], too_old[32]; /* one each, for the sentence */
};

static void note(char to[32], const char *text)
{
    (void)snprintf(to, 32, "%s", text);
}

static void consider(struct choice *choice, const xmlNode *node)
{
    unsigned version[PARTS];
    const char *text = vd_xml_text(node);
    if (!text || !version_parse(text, version))
        return;
    if (compare(version, KNOWN_NEWEST) > 0) {
        note(choice->too_new, text);
    } else if (compare(version, KNOWN_OLDEST) < 0) {
        note(choice->too_old, text);
    } else if (compare(version, choice->best) > 0) {
        memcpy(choice->best, version, sizeof version);
        note(choice->text, text);
    }
}

static void consider_all(struct choice *choice, const xmlNode *list)
{
    const xmlNode *space = vd_xml_child(list, "namespace");
    for (; space; space = vd_xml_next(space)) {
        const char *name = vd_xml_child_text(space, "name");
        if (!name || strcmp(name, "urn:vim25") != 0)
            continue;
        consider(choice, vd_xml_child(space, "version"));
        const xmlNode *prior = vd_xml_at(space, "priorVersions/version");
        for (; prior; prior = vd_xml_next(prior))
            consider(choice, prior);
    }
}

static int choose(struct vd_vsphere *session, const struct vd_http_reply *reply,
                  struct choice *choice, struct vd_error *err)
{
    VD_CLEANUP(vd_xml_free_cleanup) xmlDoc *doc = NULL;
    int r = vd_xml_parse(vd_buf_text(&reply->body), reply->body.length, &doc, err);
    if (r < 0) {
        vd_error_prefix(err, "asking '%s' for its versions", session->host);
        return r;
    }
    consider_all(choice, vd_xml_root(doc));
    if (choice->text[0] != '\0')
        return VD_OK;
    const char *found = choice->too_new[0] ? choice->too_new : choice->too_old;
    if (!found[0])
        return vd_error_set(err, VD_E_PROTOCOL,
                            "asking '%s' for its versions: the answer names none of the vSphere "
                            "interface",
                            session->host);
    return vd_error_set(err, VD_E_VERSION,
                        "'%s' speaks version '%s' of the vSphere interface, expected one of %s to "
                        "8.0.3.0 among those it offers",
                        session->host, found, OLDEST);
}

int vd_session_negotiate(struct vd_vsphere *session, struct vd_error *err)
{
    struct vd_http_request request = {
        .method = "GET", .path = "/sdk/vimServiceVersions.xml", .max_body_bytes = MAX_LIST_BYTES};
    struct vd_http_reply reply;
    struct choice choice = {.text = ""};
    int r = vd_http_send(session->http, &request, &reply, err);
    if (r < 0)
        vd_error_prefix(err, "connecting to the vSphere server '%s'", session->host);
    else if (reply.status == 200)
        r = choose(session, &reply, &choice, err);
    else
        note(choice.text, OLDEST);
    vd_http_reply_done(&reply);
    (void)snprintf(session->action, sizeof session->action, "SOAPAction: \"urn:vim25/%s\"",
                   choice.text);
    (void)snprintf(session->catalogue_action, sizeof session->catalogue_action,
                   "SOAPAction: \"urn:vslm/%s\"", choice.text);
    return r;
}
